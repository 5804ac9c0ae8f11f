"""Garbage collection of a store on disk: what stays, what goes, and what comes between while others push."""

import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from packhorse.base.errors import IntegrityError, UsageError
from packhorse.bundle.sources import BytesSource
from packhorse.oci.digest import Digest
from packhorse.oci.model import Descriptor
from packhorse.store import directory_collection
from packhorse.store.collection import Collected, Policy
from packhorse.store.directory_collection import DirectoryCollection, collect_directory
from packhorse.store.directory_site import DirectorySite
from packhorse.store.refusals import MissingPartError
from packhorse.store.retention import Keep, RepositoryRule, Retention
from tests.support.packages import Upstream
from tests.support.pushing import NAME, entry, parts_of, push_blob, push_image

NO_GRACE = Policy(grace_seconds=0.0)
OTHER = "packhorse.internal/team/other"


@pytest.fixture
def upstream() -> Upstream:
    """Images to push."""
    return Upstream()


@pytest.fixture
def site(tmp_path: Path) -> Iterator[DirectorySite]:
    """An empty store that takes pushes."""
    store = DirectorySite.create(tmp_path / "store")
    yield store
    store.close()


def collect(site: DirectorySite, policy: Policy = NO_GRACE, *, dry_run: bool = False) -> Collected:
    """Collect as another process would, a moment later."""
    return collect_directory(site.path, policy, time.time() + 1, dry_run=dry_run)


def blobs(site: DirectorySite) -> set[str]:
    """All content that is on the disk."""
    return {f"sha256:{path.name}" for path in (site.path / "blobs" / "sha256").iterdir()}


def collect_before_the_next_change(site: DirectorySite, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a collection come between the store's look and its lock."""
    real = site._names.transaction

    def late() -> object:
        monkeypatch.undo()
        collect(site)
        return real()

    monkeypatch.setattr(site._names, "transaction", late)


def age(site: DirectorySite, seconds: float) -> None:
    """Let everything be so much older."""
    with closing(sqlite3.connect(site.path / "packhorse.db")) as database, database:
        database.execute("UPDATE members SET added = added - ?", (seconds,))
        database.execute("UPDATE names SET added = added - ?", (seconds,))
        database.execute("UPDATE bundles SET added = added - ?", (seconds,))
    for path in (site.path / "blobs" / "sha256").iterdir():
        os.utime(path, (path.stat().st_atime, path.stat().st_mtime - seconds))


def test_what_a_tag_leads_to_stays_and_the_rest_goes(site: DirectorySite, upstream: Upstream) -> None:
    index = upstream.index(upstream.manifest(), upstream.manifest("arm64"), upstream.absent("s390x"))
    old, new = upstream.manifest(), upstream.manifest()
    push_image(site, upstream, index, ["multi"])
    push_image(site, upstream, old, ["1"])
    push_image(site, upstream, new, ["1"])
    lone = push_blob(site, b"nobody names me")
    kept = parts_of(upstream, index) | parts_of(upstream, new)
    garbage = (parts_of(upstream, old) | {lone}) - kept
    sizes = {digest: (site.path / "blobs" / digest.replace(":", "/")).stat().st_size for digest in garbage}

    told = collect(site, dry_run=True)
    assert blobs(site) == kept | garbage
    assert collect(site) == told
    assert (told.manifests, told.blobs) == (1, len(garbage) - 1)
    assert (told.swept.blobs, told.swept.freed_bytes) == (len(garbage), sum(sizes.values()))
    assert blobs(site) == kept
    assert site.manifest(NAME, old.digest) is None
    assert site.manifest(NAME, "1") == new.plain()
    assert collect(site) == Collected()


def test_what_has_just_come_stays(site: DirectorySite, upstream: Upstream) -> None:
    push_blob(site, b"about to be named")
    push_image(site, upstream, upstream.manifest())
    before = blobs(site)
    assert collect(site, Policy(grace_seconds=3600.0)) == Collected()
    age(site, 3700)
    assert site.touch(NAME, Digest.of(b"about to be named"))
    assert collect(site, Policy(grace_seconds=3600.0)).manifests == 1
    assert blobs(site) == {Digest.of(b"about to be named")} < before


def test_touching_what_is_not_there_says_so(site: DirectorySite) -> None:
    assert not site.touch(NAME, Digest.of(b"never pushed"))


def test_content_stays_as_long_as_one_repository_needs_it(site: DirectorySite, upstream: Upstream) -> None:
    image = upstream.manifest()
    push_image(site, upstream, image, ["1"])
    push_image(site, upstream, image, ["1"], OTHER)
    site.delete_tag(NAME, "1")
    told = collect(site, dry_run=True)
    assert collect(site) == told
    assert told.manifests == 1
    assert told.swept.blobs == 0
    assert blobs(site) == parts_of(upstream, image)
    assert site.tags(NAME) is None, "a repository without anything is gone"
    site.delete_tag(OTHER, "1")
    assert collect(site).swept.blobs == len(parts_of(upstream, image))
    assert not blobs(site)


def test_what_refers_to_something_goes_with_it(site: DirectorySite, upstream: Upstream) -> None:
    image = upstream.manifest()
    signature = upstream.signature(image)
    push_image(site, upstream, image, ["1"])
    push_image(site, upstream, signature)
    # By what it says itself, without a tag; then by the tag of older clients, too.
    assert collect(site) == Collected()
    push_image(site, upstream, signature, [image.digest.replace(":", "-") + ".sig"])
    assert collect(site) == Collected()
    site.delete_tag(NAME, "1")
    assert collect(site).tags == (f"{NAME}:{image.digest.replace(':', '-')}.sig",)
    assert not blobs(site)


def test_a_young_signature_stays_without_its_image(site: DirectorySite, upstream: Upstream) -> None:
    image = upstream.manifest()
    tag = image.digest.replace(":", "-") + ".sig"
    push_image(site, upstream, image)
    age(site, 7200)
    push_image(site, upstream, upstream.signature(image), [tag])
    assert collect(site, Policy(grace_seconds=3600.0)).tags == ()
    assert site.tags(NAME) == [tag]


def test_pins_and_bundles_keep_what_they_lead_to(site: DirectorySite, upstream: Upstream) -> None:
    pinned, bundled, gone = upstream.manifest(), upstream.manifest(), upstream.manifest()
    for image in (pinned, bundled, gone):
        push_image(site, upstream, image, [f"t{image.size}-{image.digest.hex[:8]}"])
    site.set_pins("drill", {pinned.digest: "pinned"})
    site.add_bundle(bundled)
    every = Retention(repositories=(RepositoryRule(("*",), keep=Keep(newest=0)),))
    told = collect(site, Policy(0.0, every))
    assert [tag.partition("-")[2] for tag in told.tags] == [gone.digest.hex[:8]]
    assert blobs(site) == parts_of(upstream, pinned) | parts_of(upstream, bundled)
    site.set_pins("drill", {})
    collect(site, Policy(0.0, every))
    assert blobs(site) == parts_of(upstream, bundled)


def test_rules_keep_the_newest_tags_and_the_young(site: DirectorySite, upstream: Upstream) -> None:
    for number in range(5):
        push_image(site, upstream, upstream.manifest(), [f"1.{number}"])
        push_image(site, upstream, upstream.manifest(), [f"nightly-{number}"])
        age(site, 86_400)
    rules = Retention(
        repositories=(
            RepositoryRule((OTHER,), keep=Keep(newest=0)),
            RepositoryRule(("packhorse.internal/*",), ("nightly-*",), Keep(newest=2, for_seconds=3.5 * 86_400)),
        )
    )
    assert collect(site, Policy(3600.0, rules)).tags == (f"{NAME}:nightly-0", f"{NAME}:nightly-1")
    assert site.tags(NAME) == [*(f"1.{number}" for number in range(5)), "nightly-2", "nightly-3", "nightly-4"]


def test_manifests_without_a_tag_may_stay_longer(site: DirectorySite, upstream: Upstream) -> None:
    image = push_image(site, upstream, upstream.manifest())
    age(site, 3 * 86_400)
    assert collect(site, Policy(0.0, Retention(untagged_seconds=None))) == Collected()
    assert collect(site, Policy(0.0, Retention(untagged_seconds=7 * 86_400.0))) == Collected()
    assert collect(site, Policy(0.0, Retention(untagged_seconds=86_400.0))).manifests == 1
    assert site.manifest(NAME, image.digest) is None


def test_a_repository_that_cannot_be_read_is_left_alone(site: DirectorySite, upstream: Upstream) -> None:
    image = push_image(site, upstream, upstream.manifest(), ["1"])
    lone = push_blob(site, b"nobody names me")
    other = push_blob(site, b"nobody names me either", OTHER)
    path = site.path / "blobs" / "sha256" / image.digest.hex
    content = path.read_bytes()
    path.write_bytes(content[:-1] + b"!")
    told = collect(site)
    assert [name for name, _ in told.untouched] == [NAME]
    assert image.digest in told.untouched[0][1]
    assert lone in blobs(site)
    assert other not in blobs(site)
    path.write_bytes(content)
    assert collect(site).untouched == ()
    assert lone not in blobs(site)


def test_nothing_is_removed_when_a_bundle_cannot_be_read(site: DirectorySite, upstream: Upstream) -> None:
    image = push_image(site, upstream, upstream.manifest())
    site.add_bundle(image)
    push_blob(site, b"nobody names me")
    (site.path / "blobs" / "sha256" / image.digest.hex).unlink()
    before = blobs(site)
    with pytest.raises(IntegrityError, match=image.digest):
        collect(site)
    assert blobs(site) == before


def test_files_that_no_name_ever_led_to_go_when_they_are_old(site: DirectorySite, upstream: Upstream) -> None:
    layer = upstream.layer(1000)
    site.push(layer, BytesSource(upstream.blobs.content))
    strange = site.path / "blobs" / "sha256" / "README"
    strange.write_text("not ours")
    assert collect(site, Policy(grace_seconds=3600.0)).swept.blobs == 0
    age(site, 7200)
    # Somebody loads it once more: what is there counts as new.
    site.push(layer, BytesSource(upstream.blobs.content))
    assert collect(site, Policy(grace_seconds=3600.0)).swept.blobs == 0
    age(site, 7200)
    assert collect(site, Policy(grace_seconds=3600.0)).swept.blobs == 1
    assert strange.exists()


def test_one_collection_at_a_time(site: DirectorySite) -> None:
    collection = DirectoryCollection(site, site._names)
    with collection.collecting(), pytest.raises(UsageError, match="another collection"):
        collect(site)


def test_it_goes_in_small_steps(site: DirectorySite, upstream: Upstream, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(directory_collection, "_BATCH", 2)
    images = [push_image(site, upstream, upstream.manifest(), [f"{number}"]) for number in range(5)]
    site.delete_tag(NAME, "0")
    site.delete_tag(NAME, "1")
    rules = Retention(repositories=(RepositoryRule(("*",), ("3", "4", "2"), Keep(newest=0)),))
    kept = push_image(site, upstream, upstream.manifest(), ["kept"])
    told = collect(site, Policy(0.0, rules), dry_run=True)
    assert collect(site, Policy(0.0, rules)) == told
    assert told.manifests == len(images)
    assert blobs(site) == parts_of(upstream, kept)


def between(monkeypatch: pytest.MonkeyPatch, method: str, act: Callable[[], object]) -> None:
    """Act once before a step of the collection takes its lock."""
    real = getattr(DirectoryCollection, method)
    done: list[bool] = []

    def step(*arguments: object) -> object:
        if not done:
            done.append(True)
            act()
        return real(*arguments)

    monkeypatch.setattr(DirectoryCollection, method, step)


def test_a_tag_that_comes_after_the_mark_keeps_its_image(
    site: DirectorySite, upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = push_image(site, upstream, upstream.manifest())
    age(site, 7200)
    between(monkeypatch, "remove", lambda: site.put_manifest(NAME, *entry(site, upstream, image, "1")))
    assert collect(site, Policy(grace_seconds=3600.0)) == Collected()
    assert site.manifest(NAME, "1") == image.plain()
    assert blobs(site) == parts_of(upstream, image)


def test_a_push_that_comes_before_the_sweep_keeps_its_content(
    site: DirectorySite, upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = push_image(site, upstream, upstream.manifest())
    age(site, 7200)
    between(monkeypatch, "sweep", lambda: push_image(site, upstream, image, ["1"], OTHER))
    assert collect(site, Policy(grace_seconds=3600.0)).manifests == 1
    assert blobs(site) == parts_of(upstream, image)
    assert site.manifest(OTHER, "1") == image.plain()


def test_an_index_whose_image_was_collected_is_refused(site: DirectorySite, upstream: Upstream) -> None:
    image = push_image(site, upstream, upstream.manifest())
    index = upstream.index(image)
    decided = entry(site, upstream, index, "1")
    collect(site)
    with pytest.raises(MissingPartError):
        site.put_manifest(NAME, *decided)
    assert site.manifest(NAME, "1") is None


def test_a_blob_that_goes_while_it_is_mounted_is_not_mounted(
    site: DirectorySite, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest = push_blob(site, b"here for a moment")
    collect_before_the_next_change(site, monkeypatch)
    assert site.mount(OTHER, digest, NAME) is None
    assert site.blob(OTHER, digest) is None


def test_a_name_is_not_given_to_what_goes_meanwhile(
    site: DirectorySite, upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = upstream.manifest()
    for digest, content in upstream.blobs.content.items():
        site.push(Descriptor(media_type="x/y", digest=digest, size=len(content)), BytesSource({digest: content}))
    collect_before_the_next_change(site, monkeypatch)
    with pytest.raises(IntegrityError, match="collected from the store"):
        site.tag(image, f"{NAME}:1")
    assert site.manifest(NAME, "1") is None


def test_pushes_and_collections_at_once_lose_nothing(site: DirectorySite) -> None:
    failures: list[BaseException] = []
    stop = threading.Event()

    def collect_on() -> None:
        try:
            while not stop.is_set():
                collect_directory(site.path, NO_GRACE, time.time() + 1)
        except BaseException as error:  # noqa: BLE001 - told by the test
            failures.append(error)

    collector = threading.Thread(target=collect_on)
    collector.start()
    kept: set[Digest] = set()
    try:
        for number in range(12):
            upstream = Upstream(number)
            image = upstream.manifest()
            for _ in range(200):
                try:
                    push_image(site, upstream, image, [f"{number}"])
                    break
                except MissingPartError:
                    continue
            kept |= parts_of(upstream, image)
    finally:
        stop.set()
        collector.join()
    assert not failures
    collect(site)
    assert blobs(site) == kept
    for number in range(12):
        assert site.manifest(NAME, f"{number}") is not None


def test_removed_files_are_let_go_of(site: DirectorySite) -> None:
    content = b"served, then removed"
    digest = push_blob(site, content)
    descriptor = site.blob(NAME, digest)
    assert descriptor is not None
    with site.open(descriptor):
        pass
    collect(site)
    assert any(path.endswith("(deleted)") for path in open_files(digest))
    site.forget_removed()
    assert not open_files(digest)


def open_files(digest: Digest) -> list[str]:
    """The paths of this process' open files that are of some content."""
    found = []
    for each in os.scandir("/proc/self/fd"):
        try:
            target = str(Path(each.path).readlink())
        except FileNotFoundError:
            continue
        if digest.hex in target:
            found.append(target)
    return found
