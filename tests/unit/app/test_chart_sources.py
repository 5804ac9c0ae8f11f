"""Charts from everywhere: locked, fetched again for a build, and refused when they are others."""

import functools
import http.server
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from packhorse.app.chart_sources import ChartSources
from packhorse.app.package_folder import PackageFolder
from packhorse.app.workspace import Programs
from packhorse.base.errors import ConfigError, IntegrityError, NetworkError, RegistryError
from packhorse.base.program import Program
from packhorse.helm.chart_archive import pack
from packhorse.helm.cli_helm import CliHelm
from packhorse.helm.kustomize_cli import CliKustomize
from packhorse.oci import media_types
from packhorse.oci.digest import Digest
from packhorse.oci.model import Descriptor, Manifest
from packhorse.package.lock import LockedChart, LockedGit, LockedRendering
from tests.support.locking import HEAD, Shop
from tests.support.programs import HELM, KUBECTL, needs_helm, needs_kubectl, program
from tests.support.registry import Registry, serving

TEMPLATE = b"""apiVersion: apps/v1
kind: Deployment
metadata: {name: {{ .Release.Name }}}
spec: {template: {spec: {containers: [{name: a, image: "{{ .Values.image }}"}]}}}
"""


def chart(image: str = "example.com/app:1", version: str = "1.2.3", name: str = "shop") -> bytes:
    return pack(
        name,
        {
            "Chart.yaml": f"apiVersion: v2\nname: {name}\nversion: {version}\n".encode(),
            "values.yaml": f"image: {image}\n".encode(),
            "templates/app.yaml": TEMPLATE,
        },
    )


@pytest.fixture
def registry() -> Iterator[Registry]:
    with serving() as server:
        yield server


@pytest.fixture
def helm() -> CliHelm:
    return CliHelm(program(HELM))


@pytest.fixture
def shop(tmp_path: Path, registry: Registry) -> Shop:
    registry.put_image("example.com/app", "1", b"one")
    registry.put_image("example.com/app", "2", b"two")
    programs = Programs(git=Program(Path("/nowhere")))
    if HELM is not None and KUBECTL is not None:
        renderer = CliHelm(program(HELM))
        programs = Programs(programs.git, renderer, renderer, CliKustomize(program(KUBECTL)))
    return Shop(tmp_path / "package", registry, programs)


class Repository:
    """A chart repository on loopback."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder = folder
        self.url = url

    def put(self, content: bytes, version: str = "1.2.3") -> None:
        (self.folder / f"shop-{version}.tgz").write_bytes(content)
        entry = f"{{name: shop, version: {version}, apiVersion: v2, urls: [shop-{version}.tgz]}}"
        (self.folder / "index.yaml").write_text(f"apiVersion: v1\nentries: {{shop: [{entry}]}}\n")


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name that the base class has
        pass


@pytest.fixture
def repository(tmp_path: Path) -> Iterator[Repository]:
    folder = tmp_path / "repository"
    folder.mkdir()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield Repository(folder, f"http://127.0.0.1:{server.server_address[1]}")
    server.shutdown()
    server.server_close()
    thread.join()


def put_chart(registry: Registry, content: bytes, tag: str, config_type: str = media_types.HELM_CONFIG) -> Descriptor:
    manifest = Manifest(
        schema_version=2,
        media_type=media_types.OCI_MANIFEST,
        config=registry.put_blob("example.com/charts/shop", b'{"name":"shop"}', config_type),
        layers=(registry.put_blob("example.com/charts/shop", content, media_types.HELM_CHART),),
    )
    return registry.put_manifest("example.com/charts/shop", manifest, tag)


def archive_of(shop: Shop, locked: LockedChart) -> bytes:
    with shop.opened(None, {}) as (_, workspace):
        return workspace.materials.chart_archive(locked)


@needs_helm
@needs_kubectl
@pytest.mark.peer("helm")
def test_a_folder_is_locked_and_given_to_the_build(shop: Shop) -> None:
    for path, text in {"Chart.yaml": "apiVersion: v2\nname: inner\nversion: 1.0.0\n",
                          "values.yaml": "image: example.com/app:1\n",
                          "templates/app.yaml": TEMPLATE.decode()}.items():  # fmt: skip
        shop.write(f"charts/shop/{path}", text)
    shop.write("values.yaml", 'image: "example.com/app:${var.tag}"\n')
    shop.write("big.yaml", "image: example.com/app:2\n")
    shop.define(
        "variables: [{name: tag, default: '1'}]\n"
        "components: [{name: a, charts: [{name: front, source: ./charts/shop, values: [values.yaml], "
        "valuesSets: {again: [values.yaml], big: [big.yaml]}}]}]\n"
    )
    result = shop.lock()
    (locked,) = result.lock.charts
    assert (locked.name, locked.chart, locked.version, locked.source) == ("front", "inner", "1.0.0", "./charts/shop")
    assert result.discovered.values_sets == 3
    assert [(i.name, f.file, f.object, f.values) for i in result.lock.images for f in i.found] == [
        ("example.com/app:1", "charts/shop/templates/app.yaml", "Deployment/front", ""),
        ("example.com/app:2", "charts/shop/templates/app.yaml", "Deployment/front", "big"),
    ]
    assert [file.path for file in result.lock.files] == ["big.yaml", "values.yaml"]
    content = archive_of(shop, locked)
    assert (Digest.of(content), len(content)) == (locked.digest, locked.size)
    with shop.opened(None, {}) as (_, workspace):
        assert workspace.materials.chart_metadata(content) == {"apiVersion": "v2", "name": "inner", "version": "1.0.0"}
    shop.check(result.lock)
    shop.write("charts/shop/README.md", "new")
    with pytest.raises(ConfigError, match="is stale") as caught:
        shop.check(result.lock)
    assert [failure.message for failure in caught.value.failures] == ["chart front of component a has changed"]
    with pytest.raises(ConfigError, match=r"packhorse\.lock is stale: chart front \(\./charts/shop\) has changed"):
        archive_of(shop, locked)


@needs_helm
@needs_kubectl
@pytest.mark.peer("helm")
def test_an_archive_keeps_its_bytes(shop: Shop) -> None:
    content = chart()
    shop.define("components: [{name: a, charts: [{name: shop, source: shop-1.2.3.tgz}]}]\n", HEAD)
    (shop.folder / "shop-1.2.3.tgz").write_bytes(content)
    result = shop.lock()
    assert result.lock.charts[0].digest == Digest.of(content)
    assert result.lock.images[0].found[0].file == "shop/templates/app.yaml"
    assert archive_of(shop, result.lock.charts[0]) == content


@needs_helm
@needs_kubectl
@pytest.mark.peer("helm")
def test_a_chart_repository(shop: Shop, repository: Repository) -> None:
    repository.put(chart())
    shop.define(f"components: [{{name: a, charts: [{{name: shop, source: '{repository.url}', version: 1.2.3}}]}}]\n")
    result = shop.lock()
    (locked,) = result.lock.charts
    assert (locked.digest, locked.version) == (Digest.of(chart()), "1.2.3")
    assert archive_of(shop, locked) == chart()
    shop.check(result.lock)
    repository.put(chart("example.com/app:2"))
    with pytest.raises(ConfigError, match=r"has another shop 1\.2\.3 now") as caught:
        shop.lock(result.lock)
    assert "packhorse lock --update shop" in str(caught.value.hint)
    with pytest.raises(ConfigError, match=r"has another shop 1\.2\.3 now"):
        archive_of(shop, locked)
    updated = shop.lock(result.lock, update=("shop",)).lock
    assert [image.name for image in updated.images] == ["example.com/app:2"]
    shop.define(f"components: [{{name: a, charts: [{{name: shop, source: '{repository.url}', version: 9.9.9}}]}}]\n")
    with pytest.raises(NetworkError, match=r"could not fetch chart shop 9\.9\.9"):
        shop.lock()
    with pytest.raises(ConfigError) as stale:
        shop.check(result.lock)
    assert [failure.message for failure in stale.value.failures] == [
        "packhorse.yaml has changed",
        "chart shop of component a has changed",
    ]


@needs_helm
@needs_kubectl
@pytest.mark.peer("helm")
def test_a_dependency_from_a_chart_repository(shop: Shop, repository: Repository) -> None:
    repository.put(chart())
    shop.write(
        "chart/Chart.yaml",
        "apiVersion: v2\nname: outer\nversion: 1.0.0\n"
        f"dependencies: [{{name: shop, version: 1.2.3, repository: '{repository.url}'}}]\n",
    )
    shop.define("components: [{name: a, charts: [{name: outer, source: ./chart}]}]\n")
    result = shop.lock()
    assert [(i.name, i.found[0].file) for i in result.lock.images] == [
        ("example.com/app:1", "chart/charts/shop/templates/app.yaml")
    ]
    assert sorted(path.name for path in (shop.folder / "chart").iterdir()) == ["Chart.yaml"]
    assert Digest.of(archive_of(shop, result.lock.charts[0])) == result.lock.charts[0].digest


@needs_helm
@needs_kubectl
@pytest.mark.peer("helm")
def test_a_chart_in_a_registry(shop: Shop, registry: Registry) -> None:
    pushed = put_chart(registry, chart(version="1.2.3+build"), "1.2.3_build")
    shop.define(
        "components: [{name: a, charts: [{name: shop, source: 'oci://example.com/charts/shop', "
        "version: 1.2.3+build}]}]\n"
    )
    result = shop.lock()
    (locked,) = result.lock.charts
    assert (locked.digest, locked.size, locked.media_type) == (pushed.digest, pushed.size, media_types.OCI_MANIFEST)
    assert locked.version == "1.2.3+build"
    assert [image.name for image in result.lock.images] == ["example.com/app:1"]
    put_chart(registry, chart("example.com/app:2"), "1.2.3_build")
    assert shop.lock(result.lock).lock == result.lock
    assert shop.lock(result.lock, update=("shop",)).lock.images[0].name == "example.com/app:2"
    with shop.opened(None, {}) as (_, workspace), workspace.materials.chart_source(locked).open(pushed) as stream:
        buffer = bytearray(pushed.size)
        assert stream.readinto(memoryview(buffer)) == pushed.size
    assert Digest.of(bytes(buffer)) == pushed.digest


@needs_helm
@needs_kubectl
@pytest.mark.peer("helm")
def test_a_dependency_from_a_registry_goes_the_way_of_images(shop: Shop, registry: Registry) -> None:
    put_chart(registry, chart(), "1.2.3")
    depends = "dependencies: [{name: shop, version: 1.2.3, repository: 'oci://example.com/charts/'}]\n"
    shop.write("chart/Chart.yaml", "apiVersion: v2\nname: outer\nversion: 1.0.0\n" + depends)
    shop.define("components: [{name: a, charts: [{name: outer, source: ./chart}]}]\n")
    result = shop.lock()
    assert [(i.name, i.found[0].file) for i in result.lock.images] == [
        ("example.com/app:1", "chart/charts/shop/templates/app.yaml")
    ]
    assert Digest.of(archive_of(shop, result.lock.charts[0])) == result.lock.charts[0].digest
    registry.requests.clear()
    shop.check(result.lock)
    assert registry.requests == []
    put_chart(registry, chart("example.com/app:2"), "1.2.3")
    with pytest.raises(ConfigError, match=r"packhorse\.lock is stale: chart outer \(\./chart\) has changed"):
        archive_of(shop, result.lock.charts[0])
    put_chart(registry, chart(name="other"), "1.2.3")
    with pytest.raises(
        ConfigError, match=r"chart chart depends on shop, and oci://example\.com/charts has other there"
    ):
        shop.lock()
    shop.write("chart/Chart.yaml", "apiVersion: v2\nname: outer\nversion: 1.0.0\n" + depends.replace("1.2.3", "9.9.9"))
    with pytest.raises(RegistryError, match=r"depends on shop, which is not in its charts/ and could not be") as caught:
        shop.lock()
    assert "example.com/charts/shop:9.9.9" in caught.value.failures[0].message
    shop.write(
        "chart/Chart.yaml", "apiVersion: v2\nname: outer\nversion: 1.0.0\n" + depends.replace("example.com", "x")
    )
    with pytest.raises(ConfigError, match="without a registry"):
        shop.lock()


@needs_helm
@needs_kubectl
@pytest.mark.peer("helm")
def test_a_chart_whose_own_values_only_helm_can_read_still_says_what_is_refused(shop: Shop) -> None:
    shop.write("chart/Chart.yaml", "apiVersion: v2\nname: inner\nversion: 1.0.0\n")
    shop.write("chart/values.yaml", "a: 1\n---\nb: 2\n")
    shop.write("chart/values.schema.json", '{"properties": {"size": {"type": "integer"}}}')
    shop.write("chart/templates/app.yaml", '{{ fail "no" }}')
    shop.write("values.yaml", "size: big\n")
    shop.define("components: [{name: a, charts: [{name: c, source: chart, values: [values.yaml]}]}]\n")
    with pytest.raises(ConfigError, match="1 value is not what the chart's schema allows") as caught:
        shop.lock()
    assert caught.value.failures[0].message.startswith("values.yaml:1:7: size: got string, want integer")
    shop.write("values.yaml", "size: 1\n")
    with pytest.raises(
        ConfigError, match=r"^chart c of component a: execution error at \(chart/templates/app\.yaml:1:3\)"
    ):
        shop.lock()


def test_what_is_no_chart_in_a_registry(shop: Shop, registry: Registry, tmp_path: Path) -> None:
    put_chart(registry, chart(), "1.0.0", config_type="application/vnd.example+json")
    with shop_opened(shop) as sources, pytest.raises(IntegrityError, match="is no Helm chart"):
        sources.archive(locked_chart("oci://example.com/charts/shop", tag="1.0.0", registry=registry))
    assert not list(tmp_path.glob("*.tgz"))


def shop_opened(shop: Shop) -> "_Sources":
    return _Sources(shop)


class _Sources:
    def __init__(self, shop: Shop) -> None:
        shop.define("components: [{name: a, images: [example.com/app:1]}]\n")
        self._opened = shop.opened(None, {})

    def __enter__(self) -> ChartSources:
        return self._opened.__enter__()[1].charts

    def __exit__(self, *exc_info: object) -> None:
        self._opened.__exit__(None, None, None)


def locked_chart(source: str, *, tag: str, registry: Registry) -> LockedChart:
    digest = registry.repository("example.com/charts/shop").tags[tag]
    return LockedChart(
        component="a", name="shop", chart="shop", version=tag, source=source, digest=Digest(digest), size=1
    )


@pytest.mark.parametrize("source", ["https://charts.example", "oci://example.com/charts/shop"])
def test_without_a_way_there(tmp_path: Path, source: str) -> None:
    locked = LockedChart(
        component="a", name="shop", chart="shop", version="1.0.0", source=source, digest=Digest.of(b""), size=0
    )
    with pytest.raises(ConfigError, match=f"chart shop of component a: {source}"):
        ChartSources(PackageFolder(tmp_path)).archive(locked)


@needs_helm
@needs_kubectl
@pytest.mark.peer("kubectl")
def test_a_kustomization_is_locked_and_built_again(shop: Shop) -> None:
    pod = (
        "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec: {containers: [{name: a, image: 'example.com/app:1'}]}\n"
    )
    shop.write("k/kustomization.yaml", "resources: [pod.yaml]\nnamePrefix: x-\n")
    shop.write("k/pod.yaml", pod)
    shop.define("components: [{name: a, kustomizations: [{name: k, path: ./k}]}]\n")
    result = shop.lock()
    (locked,) = result.lock.kustomizations
    found = result.lock.images[0].found[0]
    assert (found.file, found.object) == ("k/kustomization.yaml", "Pod/x-p")
    with shop.opened(None, {}) as (_, workspace):
        content = workspace.materials.rendering(locked)
    assert (Digest.of(content), len(content)) == (locked.digest, locked.size)
    shop.write("k/pod.yaml", pod.replace("name: p", "name: q"))
    with (
        shop.opened(None, {}) as (_, workspace),
        pytest.raises(ConfigError, match="kustomization k of component a builds"),
    ):
        workspace.materials.rendering(locked)
    with pytest.raises(ConfigError) as caught:
        shop.check(result.lock)
    assert [failure.message for failure in caught.value.failures] == ["kustomization k of component a has changed"]


def test_a_kustomization_needs_its_program(tmp_path: Path, registry: Registry) -> None:
    shop = Shop(tmp_path, registry)
    shop.write("k/kustomization.yaml", "resources: []\n")
    shop.define("components: [{name: a, kustomizations: [{name: k, path: k}]}]\n")
    with pytest.raises(ConfigError, match="kustomization k of component a needs kubectl or kustomize"):
        shop.lock()
    rendering = LockedRendering(component="a", name="k", path="k", digest=Digest.of(b""), size=0)
    with shop.opened(None, {}) as (_, workspace), pytest.raises(ConfigError, match="needs kubectl or kustomize"):
        workspace.materials.rendering(rendering)


def test_git_without_git(tmp_path: Path, registry: Registry) -> None:
    shop = Shop(tmp_path, registry)
    shop.define("components: [{name: a, images: [example.com/app:1]}]\n")
    locked = LockedGit(component="a", name="g", source="https://example.com/g", ref="main", commit="0" * 40)
    with shop.opened(None, {}) as (_, workspace), pytest.raises(ConfigError):
        workspace.registries.git.commit(locked.source, locked.ref)
