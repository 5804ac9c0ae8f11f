"""``build``: from a lock and its sources to one sealed bundle, in one pass over the content.

Every manifest is fetched first (they are small, in parallel); they fix the place of every byte. Then each blob goes
straight from its source to its place, largest first, in a bounded pool of threads.
"""

import threading
import time
from collections.abc import Callable
from pathlib import Path

from packhorse.app.assembly import Assembly
from packhorse.app.build_model import BuildInput, BuildResult, Materials
from packhorse.app.package_folder import PackageFolder
from packhorse.base.errors import ConfigError, IntegrityError, PackhorseError
from packhorse.base.events import Reporter
from packhorse.base.parallel import Crew
from packhorse.bundle import content
from packhorse.bundle.journal import boot_id
from packhorse.bundle.labels import Labels
from packhorse.bundle.part_file import PartFile, claimed, make_durable
from packhorse.bundle.reader import Bundle
from packhorse.bundle.tar_layout import TarLayout
from packhorse.bundle.verify import verify
from packhorse.bundle.writer import BundleWriter, LeftOver
from packhorse.oci.digest import Digest
from packhorse.oci.graph import Graph, Node
from packhorse.oci.manifest import successors
from packhorse.oci.model import Descriptor, Manifest
from packhorse.oci.ports import ContentSource, NamedSource

__all__ = ["build"]


def build(what: BuildInput, materials: Materials, reporter: Reporter) -> BuildResult:
    """Make the bundle.

    Raises:
        ConfigError: The lock does not fit the definition or the files any more.
        UsageError: No bundle can be written there, or another build is writing it.
        PackhorseError: Some content could not be had; all failures are listed, and what was fetched is kept.
    """
    _check_lock(what)
    _check_files(what)
    names = PartFile.behind(what.output)
    with claimed(names):
        return _build(what, materials, reporter, names)


def _build(what: BuildInput, materials: Materials, reporter: Reporter, names: PartFile) -> BuildResult:
    begun = time.monotonic()
    left = LeftOver.find(names, boot_id())
    aside = LeftOver.find(names.set_aside, boot_id())
    previous = _previous(what.output)
    reused = [Bundle.open_file(path) for path in what.reuse]
    try:
        assembly = Assembly(what, materials, reporter)
        assembly.keep(left, aside, previous, *reused)
        root, graph = assembly.assemble()
        if previous is not None and previous.root.digest == root.digest and not _damaged(previous, what, reporter):
            # The run that wrote it may have been killed before it had made sure of that.
            make_durable(names)
            return _result(what, (root, graph), (0, previous.layout.total_bytes), begun=begun, unchanged=True)
        moved = _write(assembly, names, left, (root, graph))
        return _result(what, (root, graph), moved, begun=begun)
    finally:
        for source in (left, aside, previous, *reused):
            if source is not None:
                source.close()


def _write(
    assembly: Assembly, names: PartFile, left: LeftOver | None, tree: tuple[Descriptor, Graph]
) -> tuple[int, int]:
    """Write the bundle; return how many bytes were fetched, and how many were here."""
    root, graph = tree
    reporter = assembly.reporter
    index_content = content.index_file(root, assembly.packages)
    blobs = content.arrange(graph)
    layout = TarLayout(content.file_list(index_content, blobs))
    with BundleWriter(names, layout, index_content, boot_id()) as writer:
        writer.begin(left)
        missing = [blob for blob in blobs if not writer.has(blob.digest)]
        reporter.phase("Fetching", items=len(missing), total_bytes=sum(blob.size for blob in missing))
        tally, failures = _fetch_all(assembly, writer, missing)
        if failures:
            kept = len(blobs) - len(failures)
            message = f"Could not fetch {len(failures)} of {len(blobs)} blobs; the other {kept} are kept."
            # Only what did not come may come the next time; wrong bytes have a hint of their own.
            again = any(not isinstance(failure, IntegrityError) for failure in failures)
            hint = "run packhorse build again; it goes on from here" if again else None
            raise PackhorseError.summarise(message, failures, hint=hint)
        reporter.phase("Sealing")
        writer.commit()
    standing = sum(blob.size for blob in blobs) - sum(blob.size for blob in missing)
    return tally.fetched, tally.reused + standing


def _fetch_all(
    assembly: Assembly, writer: BundleWriter, missing: list[Descriptor]
) -> tuple["_Tally", list[PackhorseError]]:
    """Write every blob that is missing, and say what failed."""
    tally = _Tally()
    labels = Labels(assembly.entries, assembly.nodes)
    crew = Crew(assembly.what.workers, "blobs")
    reporter = assembly.reporter

    def fetch(blob: Descriptor) -> None:
        def progress(count: int) -> None:
            crew.check()
            reporter.advanced(blob.digest, count)

        reporter.started(blob.digest, labels.of(blob.digest), total_bytes=blob.size)
        try:
            source = _write_blob(writer, blob, assembly.source_order(blob.digest), progress)
        except PackhorseError as error:
            reporter.failed(blob.digest, error.message)
            raise
        tally.add(blob.size, reused=assembly.is_kept(source))
        reporter.finished(blob.digest)

    largest_first = sorted(missing, key=lambda blob: (-blob.size, blob.digest))
    failures = [
        type(error)(f"{blob.digest} ({labels.of(blob.digest)}, {blob.size:,} bytes): {error.message}", hint=error.hint)
        for blob, error in crew.each(largest_first, fetch)
    ]
    return tally, failures


class _Tally:
    """Bytes by where they came from; added to from several threads."""

    def __init__(self) -> None:
        self.fetched = 0
        self.reused = 0
        self._lock = threading.Lock()

    def add(self, size: int, *, reused: bool) -> None:
        with self._lock:
            if reused:
                self.reused += size
            else:
                self.fetched += size


def _write_blob(
    writer: BundleWriter, blob: Descriptor, sources: tuple[ContentSource, ...], progress: Callable[[int], None]
) -> ContentSource:
    """Write a blob from the first source that gives it whole, and return it; the last one's error stands for all."""
    for source in sources[:-1]:
        try:
            writer.write(blob, source, progress)
        except PackhorseError:
            continue
        return source
    last = sources[-1]
    try:
        writer.write(blob, last, progress)
    except IntegrityError as error:
        if not isinstance(last, NamedSource):
            raise
        hint = "another mirror may have the right bytes (--mirror); if the image was replaced on purpose, lock it again"
        raise IntegrityError(f"{error.message}\n  from {last.name}", hint=hint) from error
    return last


def _check_lock(what: BuildInput) -> None:
    lock = what.config.lock
    found = Digest.of(what.definition_text)
    if lock.package.digest != found:
        message = (
            f"packhorse.lock is stale: it was made from another packhorse.yaml (version {lock.package.version}); "
            f"expected {lock.package.digest.short}, found {found.short}"
        )
        raise ConfigError(message, hint="packhorse lock")


def _check_files(what: BuildInput) -> None:
    """Hold the package's own files against the lock before anything is fetched."""
    folder = PackageFolder(what.folder)
    failures: list[PackhorseError] = []
    for file in what.config.lock.files:
        try:
            found = folder.locked(file.path, "packhorse.lock")
        except ConfigError as error:
            failures.append(error)
            continue
        if found.digest != file.digest:
            message = (
                f"{file.path} has changed since it was locked: expected {file.digest.short}, it is {found.digest.short}"
            )
            failures.append(ConfigError(message))
    if failures:
        raise ConfigError("packhorse.lock is stale.", failures=failures, hint="packhorse lock")


def _previous(path: Path) -> Bundle | None:
    """A bundle that stands under the final name, to take blobs from; anything else there is passed over."""
    try:
        return Bundle.open_file(path) if path.is_file() else None
    except PackhorseError:
        return None


def _damaged(bundle: Bundle, what: BuildInput, reporter: Reporter) -> bool:
    reporter.phase("Checking the bundle that is there", total_bytes=sum(blob.size for blob in bundle.blobs))
    return bool(
        verify(bundle, workers=what.workers, progress=lambda blob, count: reporter.advanced(blob.digest, count))
    )


def _result(
    what: BuildInput, tree: tuple[Descriptor, Graph], moved: tuple[int, int], *, begun: float, unchanged: bool = False
) -> BuildResult:
    root, graph = tree
    lock = what.config.lock
    total = what.output.stat().st_size
    counted = sum(child.size for node in graph.nodes for child in _parts(node))
    unique = sum(blob.size for blob in graph.blobs)
    return BuildResult(
        path=what.output,
        root=root.digest,
        images=len(lock.images),
        charts=len(lock.charts),
        blobs=len(graph.nodes) + len(graph.blobs),
        total_bytes=total,
        shared_bytes=max(0, counted - unique),
        fetched_bytes=moved[0],
        reused_bytes=moved[1],
        seconds=time.monotonic() - begun,
        unchanged=unchanged,
    )


def _parts(node: Node) -> tuple[Descriptor, ...]:
    return successors(node.parsed) if isinstance(node.parsed, Manifest) else ()
