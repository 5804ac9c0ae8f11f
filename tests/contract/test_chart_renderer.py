"""What every chart renderer does: the helm program, and the Helm SDK where its wheel is installed."""

import importlib.util
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from packhorse.base.errors import ConfigError
from packhorse.helm.chart_archive import pack
from packhorse.helm.cli_helm import CliHelm
from packhorse.helm.model import Rendering, RenderRequest
from packhorse.helm.ports import ChartRenderer
from packhorse.helm.sdk_helm import SdkHelm
from packhorse.package.kubernetes_objects import read_objects
from tests.support.programs import HELM, needs_helm, program

KUBERNETES = "v1.36.0"
"""What the SDK tells charts, so that both can."""

needs_sdk = pytest.mark.skipif(importlib.util.find_spec("helm_python") is None, reason="needs the helm-sdk extra")

LIB = {
    "Chart.yaml": b"apiVersion: v2\nname: lib\nversion: 1.0.0\n",
    "values.yaml": b"word: from-lib\n",
    "templates/lib.yaml": b"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: lib}\ndata: {word: {{ .Values.word }}}\n",
}
DEFINITION = b"apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: %s}\n"
CHART = {
    "Chart.yaml": b"apiVersion: v2\nname: shop\nversion: 1.2.3\nappVersion: '9'\n"
    b"dependencies:\n  - {name: lib, version: 1.0.0, repository: '', condition: lib.enabled}\n",
    "values.yaml": b"replicas: 1\nlist: [a]\nmap: {kept: 1, gone: 2}\nlib: {enabled: false}\n",
    "crds/one.yaml": DEFINITION % b"one" + b"---\n" + DEFINITION % b"two",
    "templates/_helpers.tpl": b'{{ define "name" }}{{ .Release.Name }}-{{ .Chart.Name }}{{ end }}',
    "templates/NOTES.txt": b"Thank you.",
    "templates/empty.yaml": b"{{ if false }}kind: Never{{ end }}",
    "templates/a.yaml": b"""apiVersion: v1
kind: ConfigMap
metadata: {name: {{ include "name" . }}, namespace: {{ .Release.Namespace }}}
data:
  replicas: {{ .Values.replicas | quote }}
  list: {{ .Values.list | toJson | quote }}
  map: {{ .Values.map | toJson | quote }}
  upgrade: {{ .Release.IsUpgrade | quote }}
  kubernetes: {{ .Capabilities.KubeVersion.Version }}
  found: {{ lookup "v1" "Secret" "a" "b" | toJson | quote }}
---
apiVersion: v1
kind: Secret
metadata: {name: second}
""",
    "templates/hook.yaml": b"""apiVersion: batch/v1
kind: Job
metadata: {name: hook, annotations: {helm.sh/hook: pre-install}}
""",
}


@pytest.fixture(
    params=[pytest.param("cli", marks=[needs_helm, pytest.mark.peer("helm")]), pytest.param("sdk", marks=needs_sdk)]
)
def renderer(request: pytest.FixtureRequest) -> ChartRenderer:
    return CliHelm(program(HELM)) if request.param == "cli" else SdkHelm()


def archive(folder: Path, files: Mapping[str, bytes] = CHART) -> Path:
    path = folder / "shop-1.2.3.tgz"
    path.write_bytes(pack("shop", {**files, "charts/lib-1.0.0.tgz": pack("lib", LIB)}))
    return path


def request(chart: Path, *values: bytes, **settings: Any) -> RenderRequest:
    return RenderRequest(
        release="r", namespace="front", chart=chart, values=values, kube_version=KUBERNETES, **settings
    )


def objects(rendering: Rendering) -> dict[str, tuple[str, Mapping[str, Any]]]:
    found = {}
    for document in rendering.documents:
        for item in read_objects(document.text, document.source):
            found[item.title] = (item.file, item.tree)
    return found


def test_all_that_helm_would_install_is_there(renderer: ChartRenderer, tmp_path: Path) -> None:
    found = objects(renderer.render(request(archive(tmp_path))))
    assert {title: file for title, (file, _) in found.items()} == {
        "CustomResourceDefinition/one": "shop/crds/one.yaml",
        "CustomResourceDefinition/two": "shop/crds/one.yaml",
        "ConfigMap/r-shop": "shop/templates/a.yaml",
        "Secret/second": "shop/templates/a.yaml",
        "Job/hook": "shop/templates/hook.yaml",
    }
    tree = found["ConfigMap/r-shop"][1]
    assert tree["metadata"] == {"name": "r-shop", "namespace": "front"}
    assert tree["data"] == {
        "replicas": "1",
        "list": '["a"]',
        "map": '{"gone":2,"kept":1}',
        "upgrade": "false",
        "kubernetes": KUBERNETES,
        "found": "{}",
    }


def test_later_values_win_and_nothing_takes_a_key_away(renderer: ChartRenderer, tmp_path: Path) -> None:
    values = (b"replicas: 2\nlist: [b, c]\nmap: {gone: null, new: 3}\n", b"replicas: 5\n")
    _, tree = objects(renderer.render(request(archive(tmp_path), *values)))["ConfigMap/r-shop"]
    assert tree["data"]["replicas"] == "5"
    assert tree["data"]["list"] == '["b","c"]'
    assert tree["data"]["map"] == '{"kept":1,"new":3}'


def test_a_dependency_comes_and_goes_with_its_condition(renderer: ChartRenderer, tmp_path: Path) -> None:
    chart = archive(tmp_path)
    on, off = b"lib: {enabled: true, word: changed}\n", b"lib: {enabled: false}\n"
    for values, expected in ((on, True), (off, False), (on, True)):
        found = objects(renderer.render(request(chart, values)))
        assert ("ConfigMap/lib" in found) is expected
    assert found["ConfigMap/lib"] == (
        "shop/charts/lib/templates/lib.yaml",
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "lib"}, "data": {"word": "changed"}},
    )


def test_definitions_can_be_left_out(renderer: ChartRenderer, tmp_path: Path) -> None:
    found = objects(renderer.render(request(archive(tmp_path), include_crds=False)))
    assert "CustomResourceDefinition/one" not in found


def test_an_upgrade_says_so(renderer: ChartRenderer, tmp_path: Path) -> None:
    _, tree = objects(renderer.render(request(archive(tmp_path), is_upgrade=True)))["ConfigMap/r-shop"]
    assert tree["data"]["upgrade"] == "true"


def test_the_same_request_gives_the_same_rendering(renderer: ChartRenderer, tmp_path: Path) -> None:
    chart = archive(tmp_path)
    assert renderer.render(request(chart)) == renderer.render(request(chart))


def test_it_says_what_it_is(renderer: ChartRenderer) -> None:
    assert renderer.description.startswith("Helm ")


@pytest.mark.parametrize(
    ("files", "values", "message"),
    [
        (
            {"templates/bad.yaml": b'\n{{ fail "set the domain" }}'},
            b"",
            r"shop/templates/bad\.yaml:2:3\): set the domain",
        ),
        ({"templates/bad.yaml": b"{{ .Values.a.b.c }}"}, b"", r"shop/templates/bad\.yaml:1:1"),
        ({"templates/bad.yaml": b"{{ if }}"}, b"", r"shop/templates/bad\.yaml:1"),
        ({"values.schema.json": b'{"properties": {"replicas": {"type": "integer"}}}'}, b"replicas: many", "replicas"),
        ({}, b"a: [", "pars|YAML|yaml"),
        ({"values.schema.json": b'{"$ref": "https://schemas.example/x.json"}'}, b"", "https://schemas.example/x.json"),
    ],
)
def test_what_is_wrong_is_named(
    renderer: ChartRenderer, tmp_path: Path, files: dict[str, bytes], values: bytes, message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        renderer.render(request(archive(tmp_path, {**CHART, **files}), values))


@needs_sdk
def test_the_sdk_refuses_what_it_cannot_tell_a_chart(tmp_path: Path) -> None:
    chart = archive(tmp_path)
    with pytest.raises(ConfigError, match=r"tells charts that Kubernetes is v1\.36\.0, and v1\.34\.0 is asked for"):
        SdkHelm().render(RenderRequest(release="r", namespace="n", chart=chart, kube_version="v1.34.0"))
    with pytest.raises(ConfigError, match="further API versions"):
        SdkHelm().render(request(chart, api_versions=("a/v1",)))


@needs_helm
def test_the_program_tells_a_chart_what_it_is_asked_to(tmp_path: Path) -> None:
    template = b'{{ if .Capabilities.APIVersions.Has "a.example/v1" }}kind: A{{ end }}\napiVersion: v1\nmetadata: {}\n'
    chart = archive(tmp_path, {**CHART, "templates/a.yaml": template})
    rendering = CliHelm(program(HELM)).render(
        RenderRequest(release="r", namespace="n", chart=chart, kube_version="v1.30.1", api_versions=("a.example/v1",))
    )
    assert "A/" in objects(rendering)
