"""Digests and references: what is read, what is refused, and that both survive a round trip."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from packhorse.base.errors import ConfigError, IntegrityError
from packhorse.oci.digest import Digest
from packhorse.oci.reference import Reference

HEX = "0123456789abcdef"
DIGESTS = st.one_of(
    st.text(HEX, min_size=64, max_size=64).map(lambda text: f"sha256:{text}"),
    st.text(HEX, min_size=128, max_size=128).map(lambda text: f"sha512:{text}"),
)
COMPONENTS = st.from_regex(r"\A[a-z0-9]{1,6}(?:[._-][a-z0-9]{1,6}){0,2}\Z")


@given(DIGESTS)
def test_a_digest_is_its_text(text: str) -> None:
    digest = Digest(text)
    assert digest == text
    assert f"{digest.algorithm}:{digest.hex}" == text
    assert digest.short.startswith(text[:19])


@given(st.binary(max_size=200), st.sampled_from(["sha256", "sha512"]))
def test_a_digest_of_content_is_what_hashlib_says(content: bytes, algorithm: str) -> None:
    digest = Digest.of(content, algorithm)
    assert digest.hex == hashlib.new(algorithm, content).hexdigest()
    hasher = digest.hasher()
    hasher.update(content)
    assert hasher.hexdigest() == digest.hex


@pytest.mark.parametrize(
    "text",
    ["", "sha256:", "sha256:abc", "SHA256:" + "a" * 64, "sha256:" + "A" * 64, "sha256:" + "a" * 65, "md5:" + "a" * 32,
     "sha512:" + "a" * 64, "sha256:" + "a" * 63 + "\n", "sha256:" + "a" * 64 + "\n", "sha256:" + "\u0661" * 64],
)  # fmt: skip
def test_what_is_no_digest_is_refused(text: str) -> None:
    with pytest.raises(IntegrityError, match="expected a digest"):
        Digest(text)


@pytest.mark.parametrize(
    ("text", "full"),
    [
        ("redis", "docker.io/library/redis:latest"),
        ("redis:7.2", "docker.io/library/redis:7.2"),
        ("library/redis", "docker.io/library/redis:latest"),
        ("team/app:1", "docker.io/team/app:1"),
        ("index.docker.io/redis", "docker.io/library/redis:latest"),
        ("localhost/app", "localhost/app:latest"),
        ("localhost:5000/app:1", "localhost:5000/app:1"),
        ("LOCAL/app", "LOCAL/app:latest"),
        ("[::1]:5000/app:1", "[::1]:5000/app:1"),
        ("ghcr.io/a/b/c__d/e-f.g:V1.0_x", "ghcr.io/a/b/c__d/e-f.g:V1.0_x"),
        ("quay.io/x@sha256:" + "0" * 64, "quay.io/x@sha256:" + "0" * 64),
        ("quay.io/x:1@sha256:" + "0" * 64, "quay.io/x:1@sha256:" + "0" * 64),
    ],
)
def test_references_are_filled_in_as_docker_does(text: str, full: str) -> None:
    reference = Reference.parse(text)
    assert str(reference) == full
    assert Reference.parse(full) == reference


@pytest.mark.parametrize(
    "text",
    ["", ":", "@", "/", "a/", "/a", "Redis", "docker.io/Redis", "a//b", "a:b:c", "a:", "a:-x", "a:" + "x" * 129, "a b",
     "x@sha256:00", "x@md5:" + "0" * 32, "http://x/y", "-a/b", "a..b", "exa mple.com/x", "x.y:99999999/z", "a\n",
     "x" * 256, "host.example/../x", "host.example/x%2fy"],
)  # fmt: skip
def test_what_is_no_reference_is_refused_with_a_hint(text: str) -> None:
    with pytest.raises(ConfigError, match="not an image reference") as caught:
        Reference.parse(text)
    assert caught.value.hint


@given(
    st.one_of(st.just("docker.io"), st.from_regex(r"\A[a-z]{1,5}\.[a-z]{2,4}(?::[0-9]{1,5})?\Z")),
    st.lists(COMPONENTS, min_size=1, max_size=3),
    st.one_of(st.none(), st.from_regex(r"\A[A-Za-z0-9_][A-Za-z0-9._-]{0,20}\Z")),
    st.one_of(st.none(), DIGESTS),
)
def test_references_survive_a_round_trip(
    registry: str, components: list[str], tag: str | None, digest: str | None
) -> None:
    text = "/".join([registry, *components]) + (f":{tag}" if tag else "") + (f"@{digest}" if digest else "")
    reference = Reference.parse(text)
    assert Reference.parse(str(reference)) == reference
    assert reference.target == (digest or tag or "latest")
    assert str(reference).startswith(reference.name)


def test_pinning_keeps_the_tag() -> None:
    digest = Digest("sha256:" + "0" * 64)
    assert str(Reference.parse("redis:7").pinned(digest)) == f"docker.io/library/redis:7@{digest}"
