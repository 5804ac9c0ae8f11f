"""What ``packhorse lock`` tells: a few lines for people, and the same for programs."""

from collections.abc import Iterator
from pathlib import Path

from packhorse.app.lock import LockResult
from packhorse.app.lock_finds import Discovered
from packhorse.app.wanted_images import described
from packhorse.base.units import format_bytes, plural

__all__ = ["lock_data", "lock_lines"]


def lock_lines(result: LockResult, renderer: str) -> Iterator[str]:
    """Yield the report.

    Args:
        renderer: What rendered the charts, as ``Helm 4.1``.
    """
    done = list(_done(result.discovered, renderer))
    if done:
        sentence = ", ".join(done)
        yield f"{sentence[0].upper()}{sentence[1:]}."
    sorts = ", ".join(f"{number} {certainty}" for certainty, number in result.certainties.items() if number)
    yield f"Found {plural(len(result.lock.images), 'image')}{f': {sorts}' if sorts else ''}."
    yield from _remarks(result)
    if result.resolved:
        size = f"{plural(result.blobs, 'blob')}, {format_bytes(result.total_bytes)}"
        yield f"Resolved {plural(result.resolved, 'image')} for {', '.join(result.lock.platforms)}: {size}."
    kept = len(result.lock.images) - result.resolved
    if kept:
        yield f"Kept {plural(kept, 'image')} as locked."


def lock_data(path: Path, result: LockResult, *, changed: bool) -> dict[str, object]:
    """Return the report for programs."""
    return {
        "lock": str(path),
        "changed": changed,
        "images": len(result.lock.images),
        "certainties": result.certainties,
        "likely": [{"name": name, "found": found} for name, found in result.likely],
        "unused": result.unused,
        "partial": [{"name": name, "missing": platforms} for name, platforms in result.missing],
        "passedOver": [{"reference": find.reference, "found": find.found} for find in result.passed_over],
        "notUpgraded": result.discovered.not_upgraded,
        "resolved": result.resolved,
        "blobs": result.blobs,
        "totalBytes": result.total_bytes,
    }


def _done(discovered: Discovered, renderer: str) -> Iterator[str]:
    if discovered.charts:
        sets = plural(discovered.values_sets, "set of values", "sets of values")
        yield f"rendered {plural(len(discovered.charts), 'chart')} with {renderer} ({sets})"
    if discovered.renderings:
        yield f"built {plural(len(discovered.renderings), 'kustomization')}"
    if discovered.objects:
        yield f"read {plural(discovered.objects, 'object')}"


def _remarks(result: LockResult) -> Iterator[str]:
    width = max((len(name) for name, _ in result.likely), default=0)
    for name, found in result.likely:
        yield f"  likely  {name.ljust(width)}  {described(found)}"
    for find in result.passed_over:
        where = described(find.found)
        yield f"  passed over  {find.reference}: it depends on a variable without a default ({where})"
    for reason in result.discovered.not_upgraded:
        yield f"  not as an upgrade  {reason.splitlines()[0]}"
    for name in result.unused:
        yield f"  unused  {name} is listed, and nothing in the package asks for it"
    for name, platforms in result.missing:
        yield f"  partial  {name} has nothing for {', '.join(platforms)}"
