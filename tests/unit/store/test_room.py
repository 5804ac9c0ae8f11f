"""Room: what a store refuses before its disk is full, and uploads that nobody goes on with."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from packhorse.store import room
from packhorse.store.collection import Policy
from packhorse.store.directory_collection import collect_directory
from packhorse.store.directory_site import DirectorySite
from packhorse.store.refusals import RoomError
from packhorse.store.room import RoomLimits, used_bytes
from tests.support.packages import Upstream
from tests.support.pushing import NAME, push_blob, push_image
from tests.support.serving import running

KIB = 1024


def limited(path: Path, limits: RoomLimits) -> Iterator[DirectorySite]:
    """A store with limits."""
    store = DirectorySite.create(path / "store", limits)
    yield store
    store.close()


@pytest.fixture
def small(tmp_path: Path) -> Iterator[DirectorySite]:
    """A store that may take 100 KiB."""
    yield from limited(tmp_path, RoomLimits(max_bytes=100 * KIB))


@pytest.fixture
def tight(tmp_path: Path) -> Iterator[DirectorySite]:
    """A store whose disk must have more free than there is."""
    disk = os.statvfs(tmp_path)
    yield from limited(tmp_path, RoomLimits(min_free_bytes=disk.f_blocks * disk.f_frsize + KIB))


def test_a_store_takes_no_more_than_it_may(small: DirectorySite) -> None:
    push_blob(small, bytes(60 * KIB))
    with pytest.raises(RoomError, match=r"50 KiB more .* has 60 KiB of the 100 KiB") as caught:
        push_blob(small, b"x" * 50 * KIB)
    assert caught.value.hint
    push_blob(small, b"x" * 40 * KIB)
    assert used_bytes(small.path) == 100 * KIB
    with pytest.raises(RoomError):
        small.check_room(1)


def test_what_comes_without_a_length_is_refused_in_the_middle(small: DirectorySite) -> None:
    upload = small.begin_upload(NAME, "sha256")
    sink = small.append(NAME, upload, None)
    assert sink is not None
    for _ in range(100):
        sink.write([bytes(KIB)])
    with pytest.raises(RoomError):
        sink.write([b"x"])
    assert sink.received == 100 * KIB
    sink.close()
    # What came stays, for the client to go on with once there is room.
    assert small.received(NAME, upload) == 100 * KIB


def test_what_is_freed_may_be_taken_again(small: DirectorySite, monkeypatch: pytest.MonkeyPatch) -> None:
    push_blob(small, bytes(90 * KIB))
    monkeypatch.setattr(room, "_SHARE", 0)
    with pytest.raises(RoomError):
        push_blob(small, b"x" * 90 * KIB)
    for upload in (small.path / "uploads").iterdir():
        upload.unlink()
    collect_directory(small.path, Policy(grace_seconds=0.0), time.time() + 1)
    push_blob(small, b"x" * 90 * KIB)


def test_room_is_kept_free_on_the_disk(tight: DirectorySite, upstream: Upstream) -> None:
    with pytest.raises(RoomError, match=r"its disk has .* left, of which .* are kept free"):
        push_blob(tight, b"anything")
    with pytest.raises(RoomError):
        push_image(tight, upstream, upstream.manifest())


@pytest.fixture
def upstream() -> Upstream:
    """Images to push."""
    return Upstream()


def test_the_server_refuses_before_the_body_comes_and_goes_on_serving(small: DirectorySite) -> None:
    digest = push_blob(small, bytes(90 * KIB))
    with running(small) as server:
        begun = server.ask("/v2/team/app/blobs/uploads/", "POST")
        place = begun.headers["Location"]
        # Nothing is sent: the length alone is refused.
        refused = server.ask(place, "PATCH", Content_Length=str(50 * KIB), Expect="100-continue")
        assert (refused.status, b"DENIED" in refused.body) == (403, True)
        assert b"10 KiB" in refused.body or b"90 KiB of the 100 KiB" in refused.body
        assert server.ask(f"/v2/team/app/blobs/uploads/?digest={digest}", "POST", Content_Length="99999").status == 403
        assert server.ask(f"/v2/team/app/blobs/{digest}").body == bytes(90 * KIB)


def test_asking_for_a_blob_keeps_it(small: DirectorySite) -> None:
    digest = push_blob(small, b"asked for")
    with running(small) as server:
        small._names._writer.execute("UPDATE members SET added = added - 86400")  # type: ignore[union-attr]
        before = small._names.member_added(NAME, digest)
        assert server.ask(f"/v2/team/app/blobs/{digest}").status == 200
        assert small._names.member_added(NAME, digest) == before
        assert server.ask(f"/v2/team/app/blobs/{digest}", "HEAD").status == 200
        after = small._names.member_added(NAME, digest)
    assert before is not None
    assert after is not None
    assert after - before > 80_000


def test_uploads_expire_unless_somebody_sends_to_them(small: DirectorySite) -> None:
    forgotten = small.begin_upload(NAME, "sha256")
    active = small.begin_upload(NAME, "sha256")
    recent = small.begin_upload(NAME, "sha256")
    sink = small.append(NAME, active, 0)
    assert sink is not None
    for path in (small.path / "uploads").iterdir():
        if not path.name.startswith(recent):
            os.utime(path, (0, 0))
    assert small.usage().uploads == 3
    assert small.expire_uploads(3600) == 1
    sink.write([b"goes on"])
    sink.close()
    assert small.received(NAME, forgotten) is None
    assert small.received(NAME, active) == 7
    assert (small.usage().uploads, small.usage().upload_bytes) == (2, 7)
