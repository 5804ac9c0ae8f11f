"""A lock that is written and read is the same lock."""

import string

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from packhorse.base.errors import ConfigError
from packhorse.oci.digest import Digest
from packhorse.package.lock import (
    Found,
    Lock,
    LockedArtifact,
    LockedChart,
    LockedFile,
    LockedGit,
    LockedImage,
    LockedManifest,
    LockedPackage,
    LockedReferrer,
    LockedRendering,
)
from packhorse.package.lock_file import dumps, loads

# Every character that UTF-8 can carry: line breaks, quotes, control characters, what looks like YAML.
WORDS = ("", "y", "null", "~", "1", "1.10", "0x1f", "1e3", ".inf", "2026-01-31", "12:30:45", "<<", "...", "---", "é")
MARKS = ("-", "- a", "a: b", "a #b", "#", "'", '"', "\\", "{}", "[", "*a", "&a", "!t", "|", ">", "%", "@", "`", "a:")
BREAKS = (
    "\n",
    "\t",
    "\r\n",
    "\x85",
    "\u2028",
    "\ufeff",
    "\x00",
    "\x7f",
    "😀",
    " a ",
    "=",
    ":",
    "?",
    ",",
    "a,b",
    "!!str",
)
AWKWARD = st.sampled_from(WORDS + MARKS + BREAKS)
TEXT = st.one_of(
    AWKWARD,
    st.text(max_size=20),
    st.text(alphabet=string.ascii_lowercase + string.digits + "./-_:@", min_size=1, max_size=40),
)
SIZE = st.integers(min_value=0, max_value=2**62)


@st.composite
def digests(draw: st.DrawFn) -> Digest:
    return Digest.of(draw(st.binary(max_size=4)), draw(st.sampled_from(["sha256", "sha512"])))


def lists(strategy: st.SearchStrategy[object]) -> st.SearchStrategy[tuple[object, ...]]:
    return st.lists(strategy, max_size=3).map(tuple)


DIGEST = digests()
FOUND = st.builds(
    Found,
    certainty=st.sampled_from(["exact", "declared", "likely"]),
    component=TEXT,
    file=TEXT,
    object=TEXT,
    field=TEXT,
    values=TEXT,
)
REFERRER = st.builds(
    LockedReferrer, digest=DIGEST, media_type=TEXT, size=SIZE, subject=DIGEST, artifact_type=TEXT, tag=TEXT
)
IMAGE = st.builds(
    LockedImage,
    name=TEXT,
    digest=DIGEST,
    media_type=TEXT,
    size=SIZE,
    components=lists(TEXT),
    source=TEXT,
    platforms=lists(TEXT),
    manifests=lists(st.builds(LockedManifest, digest=DIGEST, platform=TEXT)),
    referrers=lists(REFERRER),
    found=lists(FOUND),
)
CHART = st.builds(
    LockedChart,
    component=TEXT,
    name=TEXT,
    chart=TEXT,
    version=TEXT,
    source=TEXT,
    digest=DIGEST,
    size=SIZE,
    media_type=TEXT,
)
LOCKS = st.builds(
    Lock,
    api_version=st.just("packhorse.dev/v1alpha1"),
    kind=st.just("Lock"),
    package=st.builds(LockedPackage, name=TEXT, version=TEXT, digest=DIGEST),
    platforms=lists(TEXT),
    images=lists(IMAGE),
    charts=lists(CHART),
    kustomizations=lists(st.builds(LockedRendering, component=TEXT, name=TEXT, path=TEXT, digest=DIGEST, size=SIZE)),
    files=lists(st.builds(LockedFile, path=TEXT, digest=DIGEST, size=SIZE)),
    git=lists(st.builds(LockedGit, component=TEXT, name=TEXT, source=TEXT, ref=TEXT, commit=TEXT)),
    artifacts=lists(
        st.builds(
            LockedArtifact,
            name=TEXT,
            digest=DIGEST,
            media_type=TEXT,
            size=SIZE,
            components=lists(TEXT),
            source=TEXT,
            referrers=lists(REFERRER),
        )
    ),
)


@given(LOCKS)
def test_round_trip(lock: Lock) -> None:
    text = dumps(lock)
    assert loads(text, "packhorse.lock") == lock
    assert loads(text.encode(), "packhorse.lock") == lock
    assert dumps(loads(text, "packhorse.lock")) == text


@given(LOCKS, st.integers(min_value=0), st.binary(min_size=1, max_size=3))
@example(
    Lock(
        api_version="packhorse.dev/v1alpha1",
        kind="Lock",
        package=LockedPackage(name="a", version="1", digest=Digest.of(b"")),
        platforms=(),
    ),
    300,
    b"\xff",
)
def test_a_damaged_lock_is_refused_or_read(lock: Lock, place: int, damage: bytes) -> None:
    content = dumps(lock).encode()
    place %= len(content)
    damaged = content[:place] + damage + content[place + len(damage) :]
    try:
        loads(damaged, "packhorse.lock")
    except ConfigError as error:
        assert "packhorse.lock" in error.message  # noqa: PT017 - nothing must be raised, but if, then this


def test_a_merge_conflict_is_named() -> None:
    with pytest.raises(ConfigError, match=r"packhorse\.lock:2:1: a merge conflict was left in the lock"):
        loads("kind: Lock\n<<<<<<< main\n", "packhorse.lock")
