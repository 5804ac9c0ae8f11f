"""Objects and charts as the package wants them."""

from typing import Any

import pytest

from packhorse.base.errors import ConfigError, UsageError
from packhorse.deploy.desired import desired_charts, desired_objects
from packhorse.kube.memory_cluster import MemoryCluster
from packhorse.package.substitution import substitute
from packhorse.package.variables import VariableValues
from tests.support.deployable import MemoryContent, definition

SCOPE = MemoryCluster().is_namespaced
MANIFEST = {"name": "all", "files": ["a.yaml"], "namespace": "shop"}


def put(document: Any, source: str) -> Any:
    return substitute(document, VariableValues({"domain": "shop.local", "replicas": 3}), source)


def read(text: str, manifest: dict[str, Any] | None = None) -> list[tuple[str, str, dict[str, Any]]]:
    package = definition({"name": "web", "manifests": [manifest or MANIFEST]})
    content = MemoryContent(
        package, {"a.yaml": text, "b.yaml": "{apiVersion: v1, kind: ConfigMap, metadata: {name: b}}"}
    )
    found = desired_objects(content, package.components, put, SCOPE)
    return [(each.identity.title, each.source, each.obj) for each in found]


def test_objects_get_their_namespace_and_the_releases_mark() -> None:
    [(title, source, obj)] = read("{apiVersion: v1, kind: ConfigMap, metadata: {name: a}, data: {d: '${var.domain}'}}")
    assert (title, source) == ("ConfigMap/a in shop", "a.yaml")
    assert obj == {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "a", "namespace": "shop", "annotations": {"packhorse.dev/release": "shop"}},
        "data": {"d": "shop.local"},
    }


@pytest.mark.parametrize(
    ("metadata", "kind", "title"),
    [
        ("{name: a, namespace: other}", "ConfigMap", "ConfigMap/a in other"),
        ("{name: a, namespace: other}", "Namespace", "Namespace/a"),
        ("{name: a}", "Namespace", "Namespace/a"),
    ],
)
def test_namespaces_follow_the_kind(metadata: str, kind: str, title: str) -> None:
    assert read(f"{{apiVersion: v1, kind: {kind}, metadata: {metadata}}}")[0][0] == title


def test_without_a_namespace_it_is_the_default_one() -> None:
    manifest = {"name": "all", "files": ["a.yaml"]}
    assert read("{apiVersion: v1, kind: ConfigMap, metadata: {name: a}}", manifest)[0][0] == "ConfigMap/a in default"


def test_kinds_that_the_package_brings_are_known() -> None:
    text = """
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: themes.shop.dev}
spec: {group: shop.dev, scope: Cluster, names: {kind: Theme}, versions: [{name: v1}]}
---
{apiVersion: shop.dev/v1, kind: Theme, metadata: {name: dark}}
---
{apiVersion: nobody.dev/v1, kind: Thing, metadata: {name: a}}
"""
    assert [title for title, _, _ in read(text)][1:] == ["Theme/dark", "Thing/a in shop"]


def test_lists_are_unpacked_and_empty_documents_passed_over() -> None:
    text = """
---
apiVersion: v1
kind: List
items:
  - {apiVersion: v1, kind: ConfigMap, metadata: {name: a}}
  - {kind: ConfigMapList, items: [{apiVersion: v1, kind: ConfigMap, metadata: {name: b}}]}
---
# nothing
"""
    assert [title for title, _, _ in read(text)] == ["ConfigMap/a in shop", "ConfigMap/b in shop"]


def test_what_only_a_server_may_say_is_left_out() -> None:
    text = """
apiVersion: v1
kind: ConfigMap
metadata: {name: a, uid: x, resourceVersion: "3", generation: 2, creationTimestamp: null, labels: {l: x}}
status: {a: b}
"""
    [(_, _, obj)] = read(text)
    assert set(obj["metadata"]) == {"name", "namespace", "annotations", "labels"}
    assert "status" not in obj


def test_text_of_secrets_is_encoded() -> None:
    data = "data: {x: eA==}, stringData: {count: 12, d: '${var.domain}'}"
    [(_, _, obj)] = read(f"{{apiVersion: v1, kind: Secret, metadata: {{name: a}}, {data}}}")
    assert obj["data"] == {"x": "eA==", "count": "MTI=", "d": "c2hvcC5sb2NhbA=="}
    assert "stringData" not in obj


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{apiVersion: v1, kind: ConfigMap}", "a.yaml: not a Kubernetes object: expected text in metadata.name"),
        ("{apiVersion: v1, kind: Pod, metadata: {name: x, generateName: a-}}", "generateName"),
        ("[1]", "expected a Kubernetes object"),
        ("{apiVersion: v1, kind: ConfigMap, metadata: {name: a}, data: {d: '${var.none}'}}", "no variable none"),
        ("a: [", "a.yaml"),
    ],
)
def test_mistakes_name_the_file(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        read(text)


def test_the_same_object_twice_is_a_mistake() -> None:
    manifest = {"name": "all", "files": ["a.yaml", "b.yaml"], "namespace": "shop"}
    with pytest.raises(ConfigError, match=r"ConfigMap/b in shop is both in a\.yaml and in b\.yaml"):
        read("{apiVersion: v1, kind: ConfigMap, metadata: {name: b}}", manifest)


def test_kustomizations_are_read_like_manifests() -> None:
    package = definition({"name": "web", "kustomizations": [{"name": "base", "path": "base", "namespace": "shop"}]})
    content = MemoryContent(
        package, renderings={("web", "base"): "{apiVersion: v1, kind: ConfigMap, metadata: {name: a}}"}
    )
    [found] = desired_objects(content, package.components, put, SCOPE)
    assert (found.source, found.identity.title) == ("kustomization base", "ConfigMap/a in shop")


def chart_content() -> MemoryContent:
    sets = {"large": ["large.yaml"]}
    chart = {"name": "api", "source": "chart", "namespace": "shop", "values": ["values.yaml"], "valuesSets": sets}
    package = definition(
        {"name": "web", "charts": [chart, {**chart, "name": "other", "valuesSets": {}, "release": "r"}]}
    )
    files = {"values.yaml": "{replicas: '${var.replicas}', version: '1.10'}", "large.yaml": "size: large"}
    return MemoryContent(package, files, {("web", "api"): b"one", ("web", "other"): b"two"})


def test_charts_have_their_values_with_types_kept() -> None:
    content = chart_content()
    first, second = desired_charts(content, content.definition.components, put)
    assert (first.release, second.release) == ("api", "r")
    assert first.values == (b'{"replicas":3,"version":"1.10"}',)
    assert first.archive_digest != second.archive_digest


def test_a_set_of_values_lies_over_those_of_the_charts_that_have_it() -> None:
    content = chart_content()
    first, second = desired_charts(content, content.definition.components, put, "large")
    assert first.values[1:] == (b'{"size":"large"}',)
    assert second.values[1:] == ()
    with pytest.raises(UsageError, match="no chart that is deployed has a set of values 'larg'") as caught:
        desired_charts(content, content.definition.components, put, "larg")
    assert caught.value.hint == "did you mean 'large'?"
