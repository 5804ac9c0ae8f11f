"""Pod templates, images and selectors of built-in kinds."""

from typing import Any

import pytest

from packhorse.kube.workloads import ImageUse, image_uses, pod_selector, pod_templates

POD = {
    "initContainers": [{"name": "i", "image": "init:1"}],
    "containers": [{"name": "a", "image": "a:1"}, {"name": "b", "image": "b:1"}],
    "ephemeralContainers": [{"name": "e", "image": "debug:1"}],
    "volumes": [{"name": "v", "emptyDir": {}}, {"name": "m", "image": {"reference": "models:1"}}],
}


@pytest.mark.parametrize(
    ("api_version", "kind", "path"),
    [
        ("v1", "Pod", ""),
        ("v1", "PodTemplate", "template"),
        ("v1", "ReplicationController", "spec.template"),
        ("apps/v1", "Deployment", "spec.template"),
        ("apps/v1beta2", "StatefulSet", "spec.template"),
        ("batch/v1", "Job", "spec.template"),
        ("batch/v1", "CronJob", "spec.jobTemplate.spec.template"),
    ],
)
def test_every_image_of_a_kind_is_found_with_its_field(api_version: str, kind: str, path: str) -> None:
    obj: dict[str, Any] = {"spec": POD}
    for step in reversed(path.split(".")) if path else ():
        obj = {step: obj}
    prefix = f"{path}.spec" if path else "spec"
    assert image_uses({**obj, "apiVersion": api_version, "kind": kind}) == (
        ImageUse(f"{prefix}.initContainers[0].image", "init:1"),
        ImageUse(f"{prefix}.containers[0].image", "a:1"),
        ImageUse(f"{prefix}.containers[1].image", "b:1"),
        ImageUse(f"{prefix}.ephemeralContainers[0].image", "debug:1"),
        ImageUse(f"{prefix}.volumes[1].image.reference", "models:1"),
    )


def test_lists_are_unpacked() -> None:
    pod = {"apiVersion": "v1", "kind": "Pod", "spec": {"containers": [{"image": "a:1"}]}}
    nested = {"kind": "List", "items": [{"kind": "PodList", "items": [pod]}, pod]}
    assert [use.field for use in image_uses(nested)] == [
        "items[0].items[0].spec.containers[0].image",
        "items[1].spec.containers[0].image",
    ]


@pytest.mark.parametrize(
    "obj",
    [
        {},
        {"apiVersion": "v1", "kind": "ConfigMap", "spec": POD},
        {"apiVersion": "shop.dev/v1", "kind": "Deployment", "spec": {"template": {"spec": POD}}},
        {"apiVersion": "apps/v1", "kind": "Deployment", "spec": None},
        {"apiVersion": "v1", "kind": "Pod", "spec": {"containers": [None, {"image": 1}, {"image": ""}], "volumes": 3}},
    ],
)
def test_what_pulls_nothing_has_no_images(obj: dict[str, Any]) -> None:
    assert image_uses(obj) == ()


def test_a_template_is_the_part_with_the_spec() -> None:
    [template] = pod_templates({"apiVersion": "apps/v1", "kind": "Deployment", "spec": {"template": {"spec": POD}}})
    assert template.path == "spec.template"
    assert template.spec == POD


@pytest.mark.parametrize(
    ("obj", "selector"),
    [
        (
            {
                "apiVersion": "apps/v1",
                "kind": "Deployment",
                "spec": {"selector": {"matchLabels": {"b": "2", "a": "1"}}},
            },
            "a=1,b=2",
        ),
        ({"apiVersion": "v1", "kind": "ReplicationController", "spec": {"selector": {"a": "1"}}}, "a=1"),
        (
            {
                "apiVersion": "apps/v1",
                "kind": "StatefulSet",
                "spec": {
                    "selector": {
                        "matchExpressions": [
                            {"key": "a", "operator": "In", "values": ["1", "2"]},
                            {"key": "b", "operator": "NotIn", "values": ["3"]},
                            {"key": "c", "operator": "Exists"},
                            {"key": "d", "operator": "DoesNotExist"},
                        ]
                    }
                },
            },
            "a in (1,2),b notin (3),c,!d",
        ),
        ({"apiVersion": "batch/v1", "kind": "CronJob", "spec": {}}, None),
        ({"apiVersion": "v1", "kind": "Service", "spec": {"selector": {"a": "1"}}}, None),
        ({"apiVersion": "apps/v1", "kind": "Deployment", "spec": {}}, None),
    ],
)
def test_selector(obj: dict[str, Any], selector: str | None) -> None:
    assert pod_selector(obj) == selector
