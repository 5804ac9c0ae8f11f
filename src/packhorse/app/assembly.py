"""Gathering what a bundle is made of: every manifest, and where each blob comes from."""

from collections.abc import Iterable

from packhorse.app.build_model import BuildInput, Materials
from packhorse.base.errors import IntegrityError, PackhorseError
from packhorse.base.events import Reporter
from packhorse.base.parallel import Crew
from packhorse.bundle import content
from packhorse.bundle.content import Blobs, Piece
from packhorse.bundle.reader import Bundle
from packhorse.bundle.sources import BytesSource, FileSource, RoutedSource
from packhorse.bundle.writer import LeftOver
from packhorse.oci.digest import Digest
from packhorse.oci.graph import Graph, Node, read_verified, walk
from packhorse.oci.manifest import MAX_MANIFEST_BYTES
from packhorse.oci.model import Descriptor, Index
from packhorse.oci.ports import ContentSource
from packhorse.package.lock import LockedArtifact, LockedImage

__all__ = ["Assembly"]


class Assembly:
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

    def is_kept(self, source: ContentSource) -> bool:
        """Whether a source is an earlier run or another bundle."""
        return source in self._kept

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


def _holds(source: ContentSource, digest: Digest) -> bool:
    if isinstance(source, LeftOver):
        return source.has(digest)
    return source.member(digest) is not None if isinstance(source, Bundle) else True
