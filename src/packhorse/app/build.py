"""``build``: from a lock and its sources to one sealed bundle, in one pass over the content.

Every manifest is fetched first (they are small, in parallel); they fix the place of every byte. Then each blob goes
straight from its source to its place, largest first, in a bounded pool of threads.
"""

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from packhorse.base.errors import ConfigError, IntegrityError, PackhorseError
from packhorse.base.events import Reporter
from packhorse.base.parallel import Crew
from packhorse.bundle import content
from packhorse.bundle.content import Blobs, PackageConfig, Piece
from packhorse.bundle.journal import boot_id
from packhorse.bundle.labels import Labels
from packhorse.bundle.reader import Bundle
from packhorse.bundle.sources import BytesSource, FileSource, RoutedSource
from packhorse.bundle.tar_layout import TarLayout
from packhorse.bundle.verify import verify
from packhorse.bundle.writer import BundleWriter, LeftOver, PartFile
from packhorse.oci.digest import Digest
from packhorse.oci.graph import Graph, Node, read_verified, walk
from packhorse.oci.manifest import MAX_MANIFEST_BYTES, successors
from packhorse.oci.model import Descriptor, Index, Manifest
from packhorse.oci.ports import ContentSource
from packhorse.package.lock import LockedArtifact, LockedChart, LockedGit, LockedImage, LockedRendering

__all__ = ["BuildInput", "BuildResult", "Materials", "build"]


class Materials(Protocol):
    """What a build needs from outside the package's folder. All methods may be called from several threads."""

    def image_source(self, image: LockedImage | LockedArtifact) -> ContentSource:
        """Where an image, an artifact and their referrers are read."""

    def chart_source(self, chart: LockedChart) -> ContentSource:
        """Where the manifest and the layers of an ``oci://`` chart are read."""

    def chart_archive(self, chart: LockedChart) -> bytes:
        """The archive of a chart that is a folder, a file or in a chart repository, held against the lock."""

    def chart_metadata(self, archive: bytes) -> Mapping[str, object]:
        """What the ``Chart.yaml`` of an archive says."""

    def rendering(self, rendering: LockedRendering) -> bytes:
        """The objects of a kustomization, held against the lock."""

    def git_bundle(self, repository: LockedGit) -> bytes:
        """A git bundle of one commit and its history, the same bytes for the same commit."""


@dataclass(frozen=True)
class BuildInput:
    """What is built, and where to."""

    folder: Path
    definition_text: bytes
    config: PackageConfig
    output: Path
    workers: int


@dataclass(frozen=True, slots=True)
class BuildResult:
    """What a build made."""

    path: Path
    root: Digest
    images: int
    charts: int
    blobs: int
    total_bytes: int
    shared_bytes: int
    """What would have been written on top, had every image its own copy of each blob."""
    fetched_bytes: int
    """What came from the sources in this run; the rest stood there from an earlier one."""
    seconds: float
    unchanged: bool = False
    """The bundle stood there already, and every byte of it is right."""


def build(what: BuildInput, materials: Materials, reporter: Reporter) -> BuildResult:
    """Make the bundle.

    Raises:
        ConfigError: The lock does not fit the definition or the files any more.
        PackhorseError: Some content could not be had; all failures are listed, and what was fetched is kept.
    """
    begun = time.monotonic()
    _check_lock(what)
    names = PartFile(what.output)
    left = LeftOver.find(names, boot_id())
    aside = LeftOver.find(names.set_aside, boot_id())
    previous = _previous(what.output)
    try:
        assembly = _Assembly(what, materials, reporter)
        assembly.keep(left, aside, previous)
        root, graph = assembly.assemble()
        if previous is not None and previous.root.digest == root.digest and not _damaged(previous, what, reporter):
            return _result(what, root, graph, fetched=0, begun=begun, unchanged=True)
        fetched = _write(assembly, names, left, (root, graph))
        return _result(what, root, graph, fetched=fetched, begun=begun)
    finally:
        for source in (left, aside, previous):
            if source is not None:
                source.close()


class _Assembly:
    """Gathers what the bundle is made of, and where each digest comes from."""

    def __init__(self, what: BuildInput, materials: Materials, reporter: Reporter) -> None:
        self.what = what
        self.reporter = reporter
        self.routes = RoutedSource()
        self.packages: tuple[Index, ...] = ()
        self.entries: tuple[Descriptor, ...] = ()
        self.nodes: dict[Digest, Node] = {}
        self._materials = materials
        self._blobs = Blobs()
        self._own = BytesSource(self._blobs.content)
        self._kept: list[LeftOver | Bundle] = []

    def keep(self, *sources: LeftOver | Bundle | None) -> None:
        """Prefer what an earlier run fetched."""
        self._kept = [source for source in sources if source is not None]

    def assemble(self) -> tuple[Descriptor, Graph]:
        """Fetch every manifest and make those of the bundle itself."""
        pieces = [*self._charts(), *self._git(), *self._images(), self._definition()]
        index = content.package_index(self.what.config, pieces)
        self.packages = (index,)
        self.entries = index.manifests
        package = content.package_descriptor(self._blobs, index)
        root = content.bundle_root(self._blobs, [package])
        self._route(self._own, self._blobs.content)
        graph = walk([root], self._read)
        self.nodes = {node.descriptor.digest: node for node in graph.nodes}
        for node in graph.nodes:
            self._blobs.content.setdefault(node.descriptor.digest, node.content)
            self.routes.add(node.descriptor.digest, self._own)
        return root, graph

    def source_order(self, digest: Digest) -> tuple[ContentSource, ...]:
        """Where to read a digest, best first: what is on this disk already, then where it comes from."""
        here = [source for source in self._kept if _holds(source, digest)]
        return (*here, *self.routes.sources(digest))

    def _definition(self) -> Piece:
        lock = self.what.config.lock
        paths = {file.digest: self.what.folder / file.path for file in lock.files}
        self._route(FileSource(paths), paths)
        files = [
            (file.path, Descriptor(media_type=content.FILE_TYPE, digest=file.digest, size=file.size))
            for file in lock.files
        ]
        for item in lock.kustomizations:
            rendered = self._blobs.add(content.FILE_TYPE, self._materials.rendering(item))
            files.append((content.rendering_title(item.component, item.name), rendered))
        return content.definition_piece(self._blobs, self.what.config, self.what.definition_text, files)

    def _charts(self) -> Iterable[Piece]:
        for chart in self.what.config.lock.charts:
            if not chart.source.startswith("oci://"):
                archive = self._materials.chart_archive(chart)
                yield content.chart_piece(
                    self._blobs,
                    name=chart.name,
                    component=chart.component,
                    metadata=self._materials.chart_metadata(archive),
                    archive=self._blobs.add(chart.media_type, archive),
                )
                continue
            source = self._materials.chart_source(chart)
            descriptor = Descriptor(media_type=chart.media_type, digest=chart.digest, size=chart.size)
            self._explore([descriptor], source)
            yield Piece("chart", descriptor, chart.name, (chart.component,))

    def _git(self) -> Iterable[Piece]:
        for repository in self.what.config.lock.git:
            yield content.git_piece(self._blobs, repository, self._materials.git_bundle(repository))

    def _images(self) -> list[Piece]:
        lock = self.what.config.lock
        items: list[LockedImage | LockedArtifact] = [*lock.images, *lock.artifacts]
        self.reporter.phase("Reading manifests", items=len(items))
        failed = Crew(self.what.workers, "manifests").each(items, self._explore_image)
        failures = [type(error)(f"{item.name}: {error.message}", hint=error.hint) for item, error in failed]
        if failures:
            message = f"Could not read the manifests of {len(failures)} of {len(items)} images."
            raise PackhorseError.summarise(message, failures)
        return [piece for item in items for piece in content.image_pieces(item)]

    def _explore_image(self, item: LockedImage | LockedArtifact) -> None:
        self.reporter.started(item.name, item.name)
        source = self._materials.image_source(item)
        self._explore([piece.listed() for piece in content.image_pieces(item)], source)
        self.reporter.finished(item.name)

    def _explore(self, roots: list[Descriptor], source: ContentSource) -> None:
        def read(descriptor: Descriptor) -> bytes:
            known = self._blobs.content.get(descriptor.digest)
            return known if known is not None else self._read_first(descriptor, (*self._kept, source))

        graph = walk(roots, read)
        for node in graph.nodes:
            self._blobs.content[node.descriptor.digest] = node.content
        self._route(source, (blob.digest for blob in graph.blobs))

    def _read_first(self, descriptor: Descriptor, sources: Iterable[ContentSource]) -> bytes:
        usable = [source for source in sources if _holds(source, descriptor.digest)]
        for source in usable[:-1]:
            try:
                return read_verified(source, descriptor, max_bytes=MAX_MANIFEST_BYTES)
            except IntegrityError:
                continue
        return read_verified(usable[-1], descriptor, max_bytes=MAX_MANIFEST_BYTES)

    def _read(self, descriptor: Descriptor) -> bytes:
        return self._blobs.content[descriptor.digest]

    def _route(self, source: ContentSource, digests: Iterable[Digest]) -> None:
        for digest in digests:
            self.routes.add(digest, source)


def _write(assembly: _Assembly, names: PartFile, left: LeftOver | None, tree: tuple[Descriptor, Graph]) -> int:
    root, graph = tree
    reporter = assembly.reporter
    index_content = content.index_file(root, assembly.packages)
    blobs = content.arrange(graph)
    layout = TarLayout(content.file_list(index_content, blobs))
    fetched = 0
    with BundleWriter(names, layout, index_content, boot_id()) as writer:
        writer.begin(left)
        missing = [blob for blob in blobs if not writer.has(blob.digest)]
        reporter.phase("Fetching", items=len(missing), total_bytes=sum(blob.size for blob in missing))
        fetched = sum(blob.size for blob in missing)
        failures = _fetch_all(assembly, writer, missing)
        if failures:
            kept = len(blobs) - len(failures)
            message = f"Could not fetch {len(failures)} of {len(blobs)} blobs; the other {kept} are kept."
            raise PackhorseError.summarise(message, failures, hint="run packhorse build again; it goes on from here")
        reporter.phase("Sealing")
        writer.commit()
    return fetched


def _fetch_all(assembly: _Assembly, writer: BundleWriter, missing: list[Descriptor]) -> list[PackhorseError]:
    labels = Labels(assembly.entries, assembly.nodes)
    crew = Crew(assembly.what.workers, "blobs")
    reporter = assembly.reporter

    def fetch(blob: Descriptor) -> None:
        def progress(count: int) -> None:
            crew.check()
            reporter.advanced(blob.digest, count)

        reporter.started(blob.digest, labels.of(blob.digest), total_bytes=blob.size)
        try:
            _write_blob(writer, blob, assembly.source_order(blob.digest), progress)
        except PackhorseError as error:
            reporter.failed(blob.digest, error.message)
            raise
        reporter.finished(blob.digest)

    largest_first = sorted(missing, key=lambda blob: (-blob.size, blob.digest))
    return [
        type(error)(f"{blob.digest} ({labels.of(blob.digest)}, {blob.size:,} bytes): {error.message}", hint=error.hint)
        for blob, error in crew.each(largest_first, fetch)
    ]


def _write_blob(
    writer: BundleWriter, blob: Descriptor, sources: tuple[ContentSource, ...], progress: Callable[[int], None]
) -> None:
    """Write a blob from the first source that gives it whole; the error of the last one stands for all."""
    for source in sources[:-1]:
        try:
            writer.write(blob, source, progress)
        except PackhorseError:
            continue
        return
    writer.write(blob, sources[-1], progress)


def _check_lock(what: BuildInput) -> None:
    lock = what.config.lock
    found = Digest.of(what.definition_text)
    if lock.package.digest != found:
        message = (
            f"packhorse.lock is stale: it was made from another packhorse.yaml (version {lock.package.version}); "
            f"expected {lock.package.digest.short}, found {found.short}"
        )
        raise ConfigError(message, hint="packhorse lock")


def _previous(path: Path) -> Bundle | None:
    """A bundle that stands under the final name, to take blobs from; anything else there is passed over."""
    try:
        return Bundle.open_file(path) if path.is_file() else None
    except PackhorseError:
        return None


def _holds(source: ContentSource, digest: Digest) -> bool:
    if isinstance(source, LeftOver):
        return source.has(digest)
    return source.member(digest) is not None if isinstance(source, Bundle) else True


def _damaged(bundle: Bundle, what: BuildInput, reporter: Reporter) -> bool:
    reporter.phase("Checking the bundle that is there", total_bytes=sum(blob.size for blob in bundle.blobs))
    return bool(
        verify(bundle, workers=what.workers, progress=lambda blob, count: reporter.advanced(blob.digest, count))
    )


def _result(
    what: BuildInput, root: Descriptor, graph: Graph, *, fetched: int, begun: float, unchanged: bool = False
) -> BuildResult:
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
        fetched_bytes=fetched,
        seconds=time.monotonic() - begun,
        unchanged=unchanged,
    )


def _parts(node: Node) -> tuple[Descriptor, ...]:
    return successors(node.parsed) if isinstance(node.parsed, Manifest) else ()
