import pytest

from bench.machine import describe, version_of


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("skopeo version 1.9.3", "1.9.3"),
        ("GitVersion:    v2.0.3\nGoVersion:     go1.26.8", "v2.0.3"),
        ('{"time":"2026-11-25T02:11:05.063492313Z","distribution-spec":"1.1.1","commit":"v2.1.20"}', "v2.1.20"),
        ("registry github.com/distribution/distribution/v3 v3.1.2+unknown", "v3.1.2"),
        ("nothing of the kind", "unknown"),
    ],
)
def test_a_version_is_found_in_what_a_program_says(said: str, expected: str) -> None:
    assert version_of(["echo", said]) == expected
    assert version_of(["sh", "-c", 'echo "$1" >&2', "sh", said]) == expected


def test_the_machine_is_described() -> None:
    found = describe()
    assert found.cores >= 1
    assert found.memory_bytes > 1024**3 / 2
    assert found.processor
