"""``verify``: hash everything in a bundle, and say what each damaged blob was for."""

import time
from collections.abc import Sequence
from pathlib import Path

import msgspec

from packhorse.base.errors import IntegrityError
from packhorse.base.events import Reporter
from packhorse.bundle.labels import Labels
from packhorse.bundle.reader import Bundle
from packhorse.bundle.verify import Damage, check_root, verify
from packhorse.oci.digest import Digest

__all__ = ["DamagedBlob", "DamagedError", "VerifyResult", "labels_of", "verify_bundle"]

_MOST_DEPENDANTS = 8


class VerifyResult(msgspec.Struct, frozen=True):
    """What was verified, all of it good."""

    path: Path
    root: Digest
    blobs: int
    total_bytes: int
    seconds: float
    root_expected: bool
    """Whether the root digest was held against one that the receiver was told."""


class DamagedBlob(msgspec.Struct, frozen=True):
    """One thing that is not as the root says."""

    name: str
    """Its name in the tar, or which part of the frame it is."""
    digest: Digest | None
    """None for what stands between blobs."""
    needed_by: tuple[str, ...]
    message: str


class DamagedError(IntegrityError):
    """A bundle whose tree can be read, with blobs that are not as its root says."""

    def __init__(self, message: str, damaged: Sequence[DamagedBlob], *, hint: str) -> None:
        super().__init__(message, hint=hint, failures=[_failure(blob) for blob in damaged])
        self.damaged = tuple(damaged)


def verify_bundle(path: Path, expected_root: Digest | None, *, workers: int, reporter: Reporter) -> VerifyResult:
    """Verify every byte of a bundle.

    Raises:
        DamagedError: Blobs are not as the root says; each is named with what depends on it.
        IntegrityError: It is another bundle, or its tree can't be read.
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
            raise DamagedError(message, [_damaged(damage, labels) for damage in damages], hint=hint)
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


def _damaged(damage: Damage, labels: Labels) -> DamagedBlob:
    needed_by = tuple(labels.dependants(damage.digest)) if damage.digest is not None else ()
    return DamagedBlob(damage.name, damage.digest, needed_by, damage.message)


def _failure(blob: DamagedBlob) -> IntegrityError:
    if blob.digest is None:
        return IntegrityError(f"{blob.name}: {blob.message}")
    listed = ", ".join(blob.needed_by[:_MOST_DEPENDANTS])
    more = f" and {len(blob.needed_by) - _MOST_DEPENDANTS} more" if len(blob.needed_by) > _MOST_DEPENDANTS else ""
    return IntegrityError(f"{blob.digest}  {listed}{more}: {blob.message}")
