"""The completeness proof itself: it names each image that is missing, and each that should not be there."""

from typing import Any

from e2e.completeness import differences, platform_differences

ONE, TWO, THREE = (f"sha256:{digit * 64}" for digit in "123")
LOCKED = {"docker.io/library/redis:7": ONE, "quay.io/a/b:1": TWO}
PULLED = {**LOCKED, f"docker.io/library/redis@{ONE}": ONE, f"quay.io/a/b@{TWO}": TWO}
INDEX: dict[str, Any] = {
    "name": "quay.io/a/b:1",
    "manifests": [{"digest": ONE, "platform": "linux/amd64"}, {"digest": TWO, "platform": "linux/arm64"}],
}


def test_the_same_images_are_complete() -> None:
    assert differences(LOCKED, PULLED) == []


def test_what_was_never_pulled_is_named() -> None:
    pulled = {name: digest for name, digest in PULLED.items() if "redis" not in name}
    assert differences(LOCKED, pulled) == [
        f"missing: docker.io/library/redis:7 ({ONE}) is in the lock, and was never pulled"
    ]


def test_what_the_lock_does_not_have_is_named() -> None:
    assert differences(LOCKED, {**PULLED, "quay.io/a/c:1": THREE, f"quay.io/a/c@{THREE}": THREE}) == [
        f"extra: quay.io/a/c:1 ({THREE}) was pulled, and is not in the lock",
        f"extra: quay.io/a/c@{THREE} ({THREE}) was pulled, and is not in the lock",
    ]


def test_another_digest_under_the_same_name_is_named() -> None:
    assert differences(LOCKED, {**LOCKED, "quay.io/a/b:1": THREE}) == [
        f"different: quay.io/a/b:1 is {TWO} in the lock, and {THREE} was pulled"
    ]


def test_a_second_name_of_a_locked_digest_is_one_too_many() -> None:
    assert differences(LOCKED, {**PULLED, "quay.io/a/b:latest": TWO}) == [
        f"extra: quay.io/a/b:latest ({TWO}) was pulled, and is not in the lock"
    ]


def test_of_an_index_the_nodes_platform_counts_and_no_other() -> None:
    single = {"name": "quay.io/a/c:1", "digest": THREE}
    assert platform_differences([INDEX, single], {ONE, THREE}) == []
    assert platform_differences([INDEX], {TWO}) == [
        f"missing: {ONE}, which is quay.io/a/b:1 for linux/amd64",
        f"extra: {TWO}, which is quay.io/a/b:1 for linux/arm64",
    ]
