"""``lock --check``: whether a lock still says what the package's files say, without asking anybody."""

from collections.abc import Iterator

from packhorse.app.chart_sources import shown_folder
from packhorse.app.lock import LockInput, locked_files
from packhorse.app.lock_finds import Discovered, Discovery
from packhorse.app.lock_resolver import is_kept, wanted_artifacts
from packhorse.app.wanted_images import Wanted, check_strict, described, wanted_images
from packhorse.base.errors import ConfigError
from packhorse.base.events import Reporter
from packhorse.package.lock import Lock, LockedImage

__all__ = ["check_lock"]


def check_lock(what: LockInput, discovery: Discovery, reporter: Reporter) -> None:
    """Compare the lock with the package. Charts that would have to be fetched are held against their entry alone.

    Raises:
        ConfigError: There is no lock, or it is stale; everything that differs is listed.
    """
    if what.known is None:
        raise ConfigError("there is no packhorse.lock", hint="packhorse lock")
    discovered = discovery.run(what.known, reporter, offline=True)
    has_objects = bool(discovered.values_sets or discovered.objects)
    wanted = wanted_images(what.package, discovered.finds, has_objects=has_objects)
    differences = [*_definition(what, what.known), *_parts(what, what.known, discovered)]
    differences += _images(what.known, wanted, discovered)
    if differences:
        count = "1 thing differs" if len(differences) == 1 else f"{len(differences)} things differ"
        failures = [ConfigError(difference) for difference in differences]
        raise ConfigError(f"packhorse.lock is stale: {count}.", failures=failures, hint="packhorse lock")
    if what.strict:
        check_strict(wanted.images)


def _definition(what: LockInput, lock: Lock) -> Iterator[str]:
    if lock.package.digest != what.definition:
        yield "packhorse.yaml has changed"
    if set(lock.platforms) != set(what.package.platforms):
        yield f"platforms are {', '.join(what.package.platforms)}; the lock has {', '.join(lock.platforms)}"
    now = {file.path: file.digest for file in locked_files(what.folder, what.package)}
    before = {file.path: file.digest for file in lock.files}
    yield from _compared(
        "file", {(path,): digest for path, digest in now.items()}, {(p,): d for p, d in before.items()}
    )


def _parts(what: LockInput, lock: Lock, discovered: Discovered) -> Iterator[str]:
    skipped = set(discovered.skipped)
    charts = {(one.component, one.name): one for one in lock.charts}
    entries = {(c.name, entry.name): entry for c in what.package.components for entry in c.charts}
    now: dict[tuple[str, ...], str] = {(one.component, one.name): one.digest for one in discovered.charts}
    now |= {key: _remote_chart(entries[key].source, entries[key].version) for key in skipped}
    before: dict[tuple[str, ...], str] = {
        key: one.digest
        if key not in skipped
        else _remote_chart(one.source, None if entries[key].version is None else one.version)
        for key, one in charts.items()
    }
    yield from _compared("chart", now, before)
    yield from _compared(
        "kustomization",
        {(one.component, one.name): one.digest for one in discovered.renderings},
        {(one.component, one.name): one.digest for one in lock.kustomizations},
    )
    yield from _compared(
        "git repository",
        {(c.name, entry.name): f"{entry.source} {entry.ref}" for c in what.package.components for entry in c.git},
        {(one.component, one.name): f"{one.source} {one.ref}" for one in lock.git},
    )
    yield from _compared(
        "artifact",
        {(str(reference),): source for reference, source, _ in wanted_artifacts(what.package)},
        {(one.name,): one.source for one in lock.artifacts},
    )


def _remote_chart(source: str, version: str | None) -> str:
    return f"{source} {version or ''}"


def _images(lock: Lock, wanted: Wanted, discovered: Discovered) -> Iterator[str]:
    known = {image.name: image for image in lock.images}
    fetched = tuple(
        f"{shown_folder(chart)}/" for chart in lock.charts if (chart.component, chart.name) in set(discovered.skipped)
    )
    for image in wanted.images:
        before = known.pop(image.name, None)
        if before is None:
            yield f"image {image.name} is not locked: {described(image.found[0])}"
        elif before.source != image.source:
            yield f"image {image.name} comes from {image.source or 'its registry'} now"
        elif not image.source and not is_kept(image, before):
            wanted_names = ", ".join(image.platforms)
            yield f"image {image.name} is wanted for {wanted_names}; it is locked for {', '.join(before.platforms)}"
    for left in known.values():
        if not _is_of(left, fetched):
            yield f"image {left.name} is locked, and nothing wants it any more"


def _is_of(image: LockedImage, prefixes: tuple[str, ...]) -> bool:
    return any(found.file.startswith(prefixes) for found in image.found) if prefixes else False


def _compared(what: str, now: dict[tuple[str, ...], str], before: dict[tuple[str, ...], str]) -> Iterator[str]:
    for key in sorted({*now, *before}):
        name = f"{what} {key[-1]}" + (f" of component {key[0]}" if len(key) > 1 else "")
        if key not in before:
            yield f"{name} is new"
        elif key not in now:
            yield f"{name} is gone"
        elif now[key] != before[key]:
            yield f"{name} has changed"
