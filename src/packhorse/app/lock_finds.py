"""Everything that a package renders to, and the images found in it."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import msgspec

from packhorse.app.chart_rendering import ChartRendering, Fill
from packhorse.app.chart_sources import ChartContent, ChartSources
from packhorse.app.package_folder import PackageFolder, plain
from packhorse.base.errors import ConfigError
from packhorse.base.events import Reporter
from packhorse.base.program import private_folder
from packhorse.helm.ports import ChartRenderer, KustomizeBuilder
from packhorse.oci.digest import Digest
from packhorse.package.discovery import ImageFind, chart_annotation_finds, discover
from packhorse.package.kubernetes_objects import SourcedObject, objects_of, read_documents
from packhorse.package.lock import Found, Lock, LockedChart, LockedRendering
from packhorse.package.model import ChartEntry, Component, Package
from packhorse.package.resource_schemas import Schemas
from packhorse.package.yaml_document import load_all

__all__ = ["Discovered", "Discovery", "FoundImage", "Tools"]

_HELM_HINT = "put helm 3.14 or newer on PATH, name it in PACKHORSE_HELM, or install packhorse[helm-sdk]"


class Tools(msgspec.Struct, frozen=True):
    """What renders. A package without charts or kustomizations needs neither."""

    renderer: ChartRenderer | None = None
    kustomize: KustomizeBuilder | None = None


class FoundImage(msgspec.Struct, frozen=True):
    """A reference as it is written, and where."""

    reference: str
    found: Found


@dataclass(frozen=True, slots=True)
class Discovered:
    """What was read and rendered, and what was found in it.

    Attributes:
        skipped: Charts that were left out, because they would have to be fetched.
        values_sets: How many charts' sets of values were rendered, a chart's own values counted as one.
        objects: How many objects stand in manifests and kustomizations.
        not_upgraded: Why charts could be rendered as they are installed, and not as they are upgraded.
    """

    charts: tuple[LockedChart, ...]
    renderings: tuple[LockedRendering, ...]
    finds: tuple[FoundImage, ...] = field(repr=False)
    skipped: tuple[tuple[str, str], ...] = ()
    values_sets: int = 0
    objects: int = 0
    not_upgraded: tuple[str, ...] = ()


class _Batch(msgspec.Struct, frozen=True):
    """Objects of one rendering."""

    component: str
    items: tuple[SourcedObject, ...]
    values: str = ""


class _Gathering:
    def __init__(self, folder: PackageFolder, package: Package, fill: Fill) -> None:
        self.folder = folder
        self.package = package
        self.fill = fill
        self.charts: list[LockedChart] = []
        self.renderings: list[LockedRendering] = []
        self.batches: list[_Batch] = []
        self.annotated: list[tuple[str, ImageFind]] = []
        self.not_upgraded: list[str] = []

    def add_chart(
        self, component: Component, entry: ChartEntry, content: ChartContent, renderer: ChartRenderer
    ) -> None:
        self.charts.append(content.locked)
        what = f"chart {entry.name} of component {component.name}"
        for place, metadata in content.unpacked.charts():
            finds = chart_annotation_finds(
                metadata.annotations, content.shown(f"{content.locked.chart}/{place}Chart.yaml")
            )
            self.annotated += [(component.name, find) for find in finds]
        with private_folder("chart") as scratch:
            archive = scratch / f"{content.locked.chart}.tgz"
            archive.write_bytes(content.archive)
            kubernetes = self.package.kubernetes
            rendering = ChartRendering(self.folder, entry, content, archive, kubernetes, self.fill, what)
            differs = rendering.differs_on_upgrade()
            for name in ("", *entry.values_sets):
                items = rendering.objects(renderer, name)
                upgraded = self._upgraded(rendering, renderer, name) if differs else ()
                self.batches.append(_Batch(component.name, (*items, *upgraded), name))

    def add_manifests(self, component: Component) -> None:
        for entry in component.manifests:
            for path in entry.files:
                what = f"manifest {entry.name} of component {component.name}"
                written = load_all(self.folder.read(path, what), path)
                documents = [self.fill(document, path) for document in written]
                self.batches.append(_Batch(component.name, tuple(objects_of(documents, path))))

    def add_kustomizations(self, component: Component, kustomize: KustomizeBuilder | None) -> None:
        for entry in component.kustomizations:
            what = f"kustomization {entry.name} of component {component.name}"
            if kustomize is None:
                raise ConfigError(f"{what} needs kubectl or kustomize", hint="install one of them")
            content = kustomize.build(self.folder.inside(entry.path, what), root=self.folder.path)
            self.renderings.append(
                LockedRendering(
                    component=component.name,
                    name=entry.name,
                    path=entry.path,
                    digest=Digest.of(content),
                    size=len(content),
                )
            )
            where = f"{plain(entry.path)}/kustomization.yaml"
            documents = [self.fill(document, entry.path) for document in read_documents(_text(content, where), where)]
            self.batches.append(_Batch(component.name, tuple(objects_of(documents, where))))

    def finds(self) -> Iterator[FoundImage]:
        schemas = Schemas.of(item for batch in self.batches for item in batch.items)
        seen: set[tuple[str, ...]] = set()
        for component, find in self.annotated:
            yield _found(find, component, "")
        for batch in self.batches:
            for find in discover(batch.items, schemas):
                key = (find.reference, batch.component, find.file, find.object, find.field)
                # With further sets of values only what is new is told: the rest stands there for the chart's own.
                if key not in seen:
                    seen.add(key)
                    yield _found(find, batch.component, batch.values)

    def _upgraded(self, rendering: ChartRendering, renderer: ChartRenderer, name: str) -> tuple[SourcedObject, ...]:
        try:
            return rendering.objects(renderer, name, is_upgrade=True)
        except ConfigError as error:
            # Many charts refuse to be upgraded without the passwords of the first installation.
            self.not_upgraded.append(error.message)
            return ()


class Discovery(msgspec.Struct, frozen=True):
    """Finds the images of one package.

    Attributes:
        fill: Puts the variables' values in.
    """

    folder: PackageFolder
    package: Package
    sources: ChartSources
    tools: Tools
    fill: Fill

    def run(self, known: Lock | None, reporter: Reporter, *, offline: bool = False) -> Discovered:
        """Fetch and render everything that the package is made of, and look through it.

        Args:
            known: The lock as it was; remote charts must still be those that it names.
            offline: Leave out what would have to be fetched.

        Raises:
            ConfigError: Something can't be rendered or read.
            NetworkError, RegistryError: A chart could not be fetched.
        """
        gathering = _Gathering(self.folder, self.package, self.fill)
        skipped = self._charts(gathering, known, reporter, offline=offline)
        renderings = len(gathering.batches)
        for component in self.package.components:
            gathering.add_manifests(component)
            gathering.add_kustomizations(component, self.tools.kustomize)
        return Discovered(
            charts=tuple(sorted(gathering.charts, key=lambda chart: (chart.name, chart.component))),
            renderings=tuple(sorted(gathering.renderings, key=lambda one: (one.name, one.component))),
            finds=tuple(gathering.finds()),
            skipped=tuple(skipped),
            values_sets=renderings,
            objects=sum(len(batch.items) for batch in gathering.batches[renderings:]),
            not_upgraded=tuple(gathering.not_upgraded),
        )

    def _charts(
        self, gathering: _Gathering, known: Lock | None, reporter: Reporter, *, offline: bool
    ) -> list[tuple[str, str]]:
        locked = {(chart.component, chart.name): chart for chart in (known.charts if known is not None else ())}
        entries = [(component, entry) for component in self.package.components for entry in component.charts]
        skipped = []
        if entries:
            reporter.phase("Rendering charts", items=len(entries))
        for component, entry in entries:
            if self.tools.renderer is None:
                raise ConfigError(f"chart {entry.name} needs Helm to be rendered", hint=_HELM_HINT)
            key = f"{component.name}/{entry.name}"
            if offline and not self.sources.is_at_hand(entry):
                skipped.append((component.name, entry.name))
                continue
            reporter.started(key, entry.name)
            content = self.sources.fetch(component.name, entry, locked.get((component.name, entry.name)))
            gathering.add_chart(component, entry, content, self.tools.renderer)
            reporter.finished(key)
        return skipped


def _found(find: ImageFind, component: str, values: str) -> FoundImage:
    found = Found(
        certainty=find.certainty,
        component=component,
        file=find.file,
        object=find.object,
        field=find.field,
        values=values,
    )
    return FoundImage(find.reference, found)


def _text(content: bytes, where: str) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError(f"{where} is not UTF-8: {error}") from error
