"""``verify``: hash everything in a bundle, and say what each damaged blob was for."""

import time
from dataclasses import dataclass
from pathlib import Path

from packhorse.base.errors import IntegrityError
from packhorse.base.events import Reporter
from packhorse.bundle.labels import Labels
from packhorse.bundle.reader import Bundle
from packhorse.bundle.verify import Damage, check_root, verify
from packhorse.oci.digest import Digest

__all__ = ["VerifyResult", "labels_of", "verify_bundle"]

_MOST_DEPENDANTS = 8


@dataclass(frozen=True, slots=True)
class VerifyResult:
    """What was verified, all of it good."""

    path: Path
    root: Digest
    blobs: int
    total_bytes: int
    seconds: float
    root_expected: bool
    """Whether the root digest was held against one that the receiver was told."""


def verify_bundle(path: Path, expected_root: Digest | None, *, workers: int, reporter: Reporter) -> VerifyResult:
    """Verify every byte of a bundle.

    Raises:
        IntegrityError: Something is not as the root says; each damaged blob is named with what depends on it.
    """
    begun = time.monotonic()
    with Bundle.open_file(path) as bundle:
        if expected_root is not None:
            check_root(bundle, expected_root)
        reporter.phase("Hashing", items=len(bundle.blobs), total_bytes=sum(blob.size for blob in bundle.blobs))
        labels = labels_of(bundle)
        reporter.started(str(path), path.name, total_bytes=bundle.layout.total_bytes)
        damages = verify(bundle, workers=workers, progress=lambda _blob, count: reporter.advanced(str(path), count))
        if damages:
            reporter.failed(str(path), f"{len(damages)} damaged")
            message = f"Damaged: {len(damages)} of {len(bundle.blobs)} blobs of {path} are not what the root says."
            hint = "nothing of it was used; copy the bundle again, and compare the root digest with the sender's"
            raise IntegrityError.summarise(message, [_failure(damage, labels) for damage in damages], hint=hint)
        reporter.finished(str(path))
        return VerifyResult(
            path=path,
            root=bundle.root.digest,
            blobs=len(bundle.blobs),
            total_bytes=bundle.layout.total_bytes,
            seconds=time.monotonic() - begun,
            root_expected=expected_root is not None,
        )


def labels_of(bundle: Bundle) -> Labels:
    """Names for all blobs of a bundle."""
    entries = [entry for package in bundle.packages for entry in package.index.manifests]
    return Labels(entries, {node.descriptor.digest: node for node in bundle.graph.nodes})


def _failure(damage: Damage, labels: Labels) -> IntegrityError:
    if damage.digest is None:
        return IntegrityError(f"{damage.name}: {damage.message}")
    dependants = labels.dependants(damage.digest)
    listed = ", ".join(dependants[:_MOST_DEPENDANTS])
    more = f" and {len(dependants) - _MOST_DEPENDANTS} more" if len(dependants) > _MOST_DEPENDANTS else ""
    return IntegrityError(f"{damage.digest}  {listed}{more}: {damage.message}")
