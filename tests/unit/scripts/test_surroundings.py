"""The Makefile says what it can do, and the locks pin every file without naming where it comes from."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
_PIN = re.compile(r"^(?P<name>[a-z0-9._-]+)==(?P<version>[^ ;\\]+)")


def read_lock(name: str) -> dict[str, tuple[str, int]]:
    """Return the version and the number of hashes of each requirement."""
    found: dict[str, tuple[str, int]] = {}
    current = ""
    for line in (ROOT / "requirements" / f"{name}.lock").read_text(encoding="utf-8").splitlines():
        pin = _PIN.match(line)
        if pin:
            current = pin["name"]
            found[current] = (pin["version"], 0)
        elif line.startswith("    --hash=sha256:"):
            version, hashes = found[current]
            found[current] = (version, hashes + 1)
        else:
            assert line.lstrip().startswith("#"), f"neither a pin, a hash nor a comment: {line}"
    return found


@pytest.mark.parametrize("name", ["runtime", "dev", "helm-sdk", "tools"])
def test_every_requirement_is_pinned_by_hash_and_nothing_else_is_said(name: str) -> None:
    lock = read_lock(name)
    assert lock
    assert [requirement for requirement, (_, hashes) in lock.items() if hashes == 0] == []


@pytest.mark.parametrize("name", ["dev", "helm-sdk"])
def test_what_is_tested_is_what_is_shipped(name: str) -> None:
    runtime, other = read_lock("runtime"), read_lock(name)
    assert {key: version for key, (version, _) in runtime.items()} == {key: other[key][0] for key in runtime}


def test_bare_make_lists_every_target_with_a_line() -> None:
    printed = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    listed = dict(re.findall(r"^  make (\S+) +(\S.*)$", printed, flags=re.MULTILINE))
    assert {
        "venv",
        "tools",
        "demo",
        "test",
        "check",
        "format",
        "e2e",
        "bench",
        "fuzz",
        "docs",
        "clean",
    } <= listed.keys()
    assert all(listed.values())
