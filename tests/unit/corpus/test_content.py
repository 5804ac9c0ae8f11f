"""Every chart, kustomization and manifest of the corpus is locked: what is expected is found, where, and nothing else.

What is expected was read against the rules, line by line; nothing here writes it anew.
"""

import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from corpus.content import REFUSED, Case, cases, listing
from packhorse.app.lock import LockResult
from packhorse.app.wanted_images import described
from packhorse.app.workspace import Programs
from packhorse.base.errors import PackhorseError
from packhorse.base.program import Program
from packhorse.helm.chart_folder import pack_folder
from packhorse.helm.cli_helm import CliHelm
from packhorse.helm.kustomize_cli import CliKustomize
from packhorse.oci import media_types
from packhorse.oci.model import Manifest
from packhorse.oci.reference import Reference
from tests.support.locking import HEAD, Shop, stand_in
from tests.support.programs import HELM, KUBECTL, needs_helm, needs_kubectl, program
from tests.support.registry import Registry, serving

CONTENT = b"content of the corpus"
"""The layer of every image; the digests that cases name are of the image that it makes."""

CHARTS, KUSTOMIZATIONS, MANIFESTS = (cases(kind) for kind in ("charts", "kustomizations", "manifests"))
PUBLISHED = "published"
"""The folder of a case with charts that others have published in a registry."""

CHARTS_IN_REGISTRY = "registry.example.com/charts"
DEFINE = "components: [{name: all, manifests: [{name: all, files: [%s]}]}]\n"


@pytest.fixture
def registry() -> Iterator[Registry]:
    with serving() as server:
        yield server


def shop_of(case: Case, folder: Path, registry: Registry) -> Shop:
    """A copy of the case as a package, and a registry with the images that it must ask for, and the charts."""
    references = {Reference.parse(name) for name in case.images} if case.expected.exists() else set()
    for reference in references:
        registry.put_image(stand_in(reference.name), reference.tag, CONTENT)
    if case.path.is_dir():
        shutil.copytree(case.path, folder, ignore=shutil.ignore_patterns("expected", PUBLISHED))
        for chart in sorted(path for path in (case.path / PUBLISHED).glob("*") if path.is_dir()):
            put_chart(registry, chart)
    hosts = {"registry.example.com", *(reference.registry for reference in references)}
    renderer = CliHelm(program(HELM)) if HELM else None
    kustomize = CliKustomize(program(KUBECTL)) if KUBECTL else None
    programs = Programs(Program(Path("/nowhere/git")), renderer, renderer, kustomize)
    shop = Shop(folder, registry, programs, tuple(sorted(hosts)))
    if not case.path.is_dir():
        shop.write(case.path.name, case.path.read_text(encoding="utf-8"))
        shop.define(DEFINE % case.path.name, HEAD)
    return shop


def put_chart(registry: Registry, chart: Path) -> None:
    tree = yaml.safe_load((chart / "Chart.yaml").read_text(encoding="utf-8"))
    repository = f"{CHARTS_IN_REGISTRY}/{tree['name']}"
    content = pack_folder(chart, root=chart)
    manifest = Manifest(
        schema_version=2,
        media_type=media_types.OCI_MANIFEST,
        config=registry.put_blob(repository, b"{}", media_types.HELM_CONFIG),
        layers=(registry.put_blob(repository, content, media_types.HELM_CHART),),
    )
    registry.put_manifest(repository, manifest, str(tree["version"]).replace("+", "_"))


def outcome_of(shop: Shop) -> tuple[list[str], LockResult | None]:
    try:
        result = shop.lock()
    except PackhorseError as error:
        told = [error.message, *(failure.message for failure in error.failures)]
        hint = [f"hint: {error.hint}"] if error.hint else []
        return [REFUSED, *"\n".join((*told, *hint)).splitlines()], None
    lines = [
        f"{found.certainty:8} {image.name}  {described(found)}" for image in result.lock.images for found in image.found
    ]
    remarks = [f"unused   {name}" for name in result.unused]
    remarks += [f"not as an upgrade  {line}" for why in result.discovered.not_upgraded for line in why.splitlines()]
    return [*lines, *remarks], result


def check(case: Case, shop: Shop) -> LockResult | None:
    lines, result = outcome_of(shop)
    assert lines == case.expected.read_text(encoding="utf-8").splitlines()
    return result


@pytest.mark.parametrize("case", MANIFESTS, ids=lambda case: case.name)
def test_manifests(case: Case, tmp_path: Path, registry: Registry) -> None:
    check(case, shop_of(case, tmp_path / "package", registry))


@needs_helm
@needs_kubectl
@pytest.mark.peer("kubectl")
@pytest.mark.parametrize("case", KUSTOMIZATIONS, ids=lambda case: case.name)
def test_kustomizations(case: Case, tmp_path: Path, registry: Registry) -> None:
    result = check(case, shop_of(case, tmp_path / "package", registry))
    if result is not None:
        package = yaml.safe_load((case.path / "packhorse.yaml").read_text(encoding="utf-8"))
        folders = [k["path"] for component in package["components"] for k in component.get("kustomizations", [])]
        text = "".join(output_of("kubectl", "kustomize", case.path / folder) + "---\n" for folder in folders)
        for variable in package.get("variables", []):
            text = text.replace(f"${{var.{variable['name']}}}", variable["default"])
        assert images_in(text) <= {image.name for image in result.lock.images}


@needs_helm
@pytest.mark.peer("helm")
@pytest.mark.parametrize("case", CHARTS, ids=lambda case: case.name)
def test_charts(case: Case, tmp_path: Path, registry: Registry) -> None:
    result = check(case, shop_of(case, tmp_path / "package", registry))
    if result is not None:
        rendered = images_in("".join(rendered_by_helm(case, tmp_path / "by-helm")))
        assert rendered
        assert rendered <= {image.name for image in result.lock.images}


def rendered_by_helm(case: Case, scratch: Path) -> Iterator[str]:
    """What Helm itself makes of each chart with each of its sets of values."""
    package = yaml.safe_load((case.path / "packhorse.yaml").read_text(encoding="utf-8"))
    shutil.copytree(case.path, scratch)
    kubernetes = package.get("kubernetes", {})
    cluster = ["--kube-version", kubernetes.get("version", "v1.34.0")]
    cluster += [word for api in kubernetes.get("apiVersions", []) for word in ("--api-versions", api)]
    for chart in (chart for component in package["components"] for chart in component.get("charts", [])):
        folder = chart_for_helm(chart, scratch)
        for further in ([], *chart.get("valuesSets", {}).values()):
            values = [w for path in (*chart.get("values", []), *further) for w in ("--values", str(scratch / path))]
            yield output_of("helm", "template", chart["name"], folder, "--include-crds", *cluster, *values)


def chart_for_helm(chart: Mapping[str, Any], scratch: Path) -> Path:
    """The chart's folder with everything that it depends on, put there without Packhorse."""
    if chart["source"].startswith("oci://"):
        return scratch / PUBLISHED / str(chart["source"]).rpartition("/")[2]
    folder: Path = scratch / chart["source"]
    for published in (scratch / PUBLISHED).glob("*"):
        shutil.copytree(published, folder / "charts" / published.name)
    tree = yaml.safe_load((folder / "Chart.yaml").read_text(encoding="utf-8"))
    for dependency in tree.get("dependencies", []):
        if dependency.get("repository", "").startswith("file://"):
            source = folder / dependency["repository"].removeprefix("file://")
            shutil.copytree(source, folder / "charts" / source.name, dirs_exist_ok=True)
    return folder


def output_of(*command: str | Path) -> str:
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def images_in(text: str) -> set[str]:
    """The containers' images in a rendering, found without any code of Packhorse's."""
    containers = [one for tree in yaml.safe_load_all(text) for one in containers_in(tree)]
    return {str(Reference.parse(one["image"])) for one in containers if "image" in one}


def containers_in(tree: Any) -> Iterator[Mapping[str, Any]]:
    if isinstance(tree, list):
        for item in tree:
            yield from containers_in(item)
    if isinstance(tree, dict):
        for key, child in tree.items():
            if re.fullmatch(r"(?:init|ephemeral)?[cC]ontainers", str(key)) and isinstance(child, list):
                yield from (item for item in child if isinstance(item, dict))
            yield from containers_in(child)


def test_every_case_is_listed_with_what_it_shows() -> None:
    lines = list(listing())
    assert len(lines) == len(CHARTS) + len(KUSTOMIZATIONS) + len(MANIFESTS)
    for line in lines:
        _, outcome, about = line.split("\t")
        assert re.fullmatch(r"refused|1 image|[1-9]\d* images", outcome), line
        assert about.endswith("."), line


def test_there_are_cases_of_every_kind() -> None:
    assert (len(MANIFESTS) >= 12, len(CHARTS) >= 12, len(KUSTOMIZATIONS) >= 8) == (True, True, True)
    assert [case.name for case in (*CHARTS, *KUSTOMIZATIONS, *MANIFESTS) if not case.expected.is_file()] == []
