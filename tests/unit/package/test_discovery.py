"""Each file of ``discovery_cases/`` has objects; beside it stands what must be found in them, and nothing else.

``PACKHORSE_UPDATE_GOLDEN=1 pytest`` writes the second file anew, to be read before it is committed.
"""

import os
from pathlib import Path

import pytest

from packhorse.base.errors import ConfigError
from packhorse.package.discovery import ImageFind, chart_annotation_finds, discover
from packhorse.package.kubernetes_objects import SourcedObject, read_objects
from packhorse.package.resource_schemas import Schemas

CASES = sorted((Path(__file__).parent / "discovery_cases").glob("*.yaml"))


@pytest.mark.parametrize("case", CASES, ids=lambda path: path.stem)
def test_finds_exactly_what_is_written_down(case: Path) -> None:
    finds = discover(read_objects(case.read_text(encoding="utf-8"), case.name))
    lines = [f"{find.certainty:8} {find.reference}  {find.object}  {find.field}\n" for find in finds]
    expected = case.with_suffix(".expected")
    if os.environ.get("PACKHORSE_UPDATE_GOLDEN"):
        expected.write_text("".join(lines), encoding="utf-8")
    assert "".join(lines) == expected.read_text(encoding="utf-8")


def test_there_are_cases() -> None:
    assert len(CASES) >= 6


def test_the_definition_may_stand_in_another_rendering() -> None:
    text = (Path(__file__).parent / "discovery_cases" / "definitions.yaml").read_text(encoding="utf-8")
    items = read_objects(text, "x.yaml")
    resource = next(item for item in items if item.kind == "Cache")
    alone = discover([resource])
    with_schema = discover([resource], Schemas.of(items))
    assert {find.certainty for find in alone if find.field == "spec.agents[0].image"} == {"likely"}
    assert {find.certainty for find in with_schema if find.field == "spec.agents[0].image"} == {"declared"}


def test_a_chart_declares_images_by_annotation() -> None:
    where = "charts/a/Chart.yaml"
    text = "- name: agent\n  image: quay.io/acme/agent:1\n- image: not an image\n- plain\n"
    assert chart_annotation_finds(
        {"artifacthub.io/images": text, "other": "- image: a/b:1"}, "charts/a/Chart.yaml"
    ) == (
        ImageFind(
            "quay.io/acme/agent:1",
            "declared",
            where,
            "",
            'annotations["artifacthub.io/images"] > [0].image',
        ),
    )


def test_a_broken_chart_annotation_is_named() -> None:
    with pytest.raises(ConfigError, match=r"charts/a/Chart\.yaml: annotation artifacthub\.io/images"):
        chart_annotation_finds({"artifacthub.io/images": "- image: ["}, "charts/a/Chart.yaml")


def test_a_bomb_of_aliases_is_refused_in_time() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    text = "apiVersion: example.com/v1\nkind: Bomb\nmetadata: {name: b}\nspec:\n  " + "\n  ".join(lines)
    with pytest.raises(ConfigError, match="Bomb/b is too large"):
        discover(read_objects(text, "bomb.yaml"))


def test_a_bomb_in_a_schema_is_looked_at_once() -> None:
    lines = ["s0: &s0 {type: string, default: 'a/b:1'}"]
    lines += [
        f"s{n}: &s{n} {{properties: {{image: {{type: string, default: 'a/b:{n}'}}, a: *s{n - 1}, b: *s{n - 1}}}}}"
        for n in range(1, 40)
    ]
    text = (
        "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: b}\nx:\n  "
        + "\n  ".join(lines)
        + "\nspec: {group: e.com, names: {kind: B}, versions: [{name: v1, schema: {openAPIV3Schema: *s39}}]}\n"
    )
    assert len(discover(read_objects(text, "bomb.yaml"))) == 39


def test_endless_nesting_is_refused() -> None:
    tree: dict[str, object] = {}
    tree["more"] = tree
    with pytest.raises(ConfigError, match="too deeply nested"):
        discover([SourcedObject("x.yaml", {"apiVersion": "example.com/v1", "kind": "A", "spec": tree})])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- 1\n", "document 1 is no Kubernetes object"),
        ("apiVersion: v1\nmetadata: {}\n", "document 1 is no Kubernetes object"),
        ("apiVersion: v1\nkind: List\nitems: [1]\n", "an item of List/ is no object"),
        ("a: [\n", "x.yaml:2:1: not YAML"),
        ("a: !!python/object:os.system x\n", "x.yaml:1:4: not YAML"),
    ],
)
def test_what_is_no_object_is_refused(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message.replace("[", r"\[")):
        read_objects(text, "x.yaml")


def test_lists_in_lists_have_an_end() -> None:
    text = "{apiVersion: v1, kind: List, items: [" * 10 + "]}" * 10
    with pytest.raises(ConfigError, match="a List stands in 8 others"):
        read_objects(text, "x.yaml")


def test_a_date_stays_text() -> None:
    (item,) = read_objects("apiVersion: v1\nkind: ConfigMap\ndata: {day: 2026-11-22, sign: =}\n", "x.yaml")
    assert item.tree["data"] == {"day": "2026-11-22", "sign": "="}
