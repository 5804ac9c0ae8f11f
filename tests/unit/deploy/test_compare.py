"""What differs between two states of an object, and that secrets are not in it."""

from typing import Any

import pytest

from packhorse.deploy.change_text import describe_changes
from packhorse.deploy.compare import Secrets, compare, overlay, sensitive_paths
from packhorse.deploy.model import SENSITIVE, FieldChange


def deployment(image: str = "acme/api:1.3.2", replicas: int = 2, **container: Any) -> dict[str, Any]:
    containers = [{"name": "api", "image": image, **container}]
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "api", "labels": {"app": "api"}},
        "spec": {"replicas": replicas, "template": {"spec": {"containers": containers}}},
    }


def config(**data: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": data}


def shown(changes: tuple[FieldChange, ...]) -> list[tuple[str, Any, Any]]:
    return [(change.path, change.before, change.after) for change in changes]


def test_what_the_server_keeps_is_no_change() -> None:
    live = deployment()
    live["metadata"] |= {
        "uid": "1",
        "resourceVersion": "2",
        "generation": 3,
        "managedFields": [{}],
        "creationTimestamp": "x",
    }
    live["status"] = {"replicas": 2}
    assert compare(live, deployment()) == ()
    assert compare({**live, "apiVersion": "apps/v1beta1"}, deployment()) == ()


def test_an_empty_value_is_no_change_from_none() -> None:
    live = deployment(resources={}, args=[])
    live["spec"]["paused"] = None
    assert compare(live, deployment()) == ()


def test_items_are_matched_by_their_name() -> None:
    before = deployment(env=[{"name": "A", "value": "1"}, {"name": "B", "value": "2"}])
    after = deployment(env=[{"name": "B", "value": "3"}, {"name": "C", "value": "4"}])
    prefix = "spec.template.spec.containers[api].env"
    assert shown(compare(before, after)) == [
        (f"{prefix}[B].value", "2", "3"),
        (f"{prefix}[C]", None, {"name": "C", "value": "4"}),
        (f"{prefix}[A]", {"name": "A", "value": "1"}, None),
    ]


def test_lists_without_names_are_compared_as_a_whole() -> None:
    assert shown(compare(deployment(args=["a", "b"]), deployment(args=["b"]))) == [
        ("spec.template.spec.containers[api].args", ["a", "b"], ["b"])
    ]
    doubled = [{"name": "A", "value": "1"}, {"name": "A", "value": "2"}]
    assert shown(compare(deployment(env=doubled), deployment(env=doubled[:1])))[0][0].endswith(".env")


def test_a_number_is_not_a_truth() -> None:
    assert shown(compare(config(a=1), config(a=True))) == [("data.a", 1, True)]


def test_ignored_fields_do_not_count() -> None:
    assert compare(config(a="1"), config(a="2"), ignored=("data.a",)) == ()


def test_the_data_of_a_secret_is_never_shown() -> None:
    before = {**config(), "kind": "Secret", "data": {"password": "b2xk", "gone": "eA=="}}
    after = {**config(), "kind": "Secret", "data": {"password": "bmV3", "added": "eA=="}}
    assert shown(compare(before, after)) == [
        ("data.password", SENSITIVE, SENSITIVE),
        ("data.added", None, SENSITIVE),
        ("data.gone", SENSITIVE, None),
    ]
    assert all(change.sensitive for change in compare(before, after))


@pytest.mark.parametrize("text", ["hunter2!", "postgres://shop:hunter2!@db", "aHVudGVyMiE=", "x\nhunter2!\n"])
def test_a_sensitive_value_hides_every_field_that_has_it(text: str) -> None:
    [change] = compare(config(url="old"), config(url=text), Secrets(frozenset({"hunter2!"})))
    assert (change.before, change.after, change.sensitive) == (SENSITIVE, SENSITIVE, True)


def test_a_short_sensitive_value_hides_only_fields_that_equal_it() -> None:
    secrets = Secrets(frozenset({"1"}))
    assert [change.sensitive for change in compare(config(a="0", b="0"), config(a="1", b="31"), secrets)] == [
        True,
        False,
    ]


@pytest.mark.parametrize(("value", "hidden"), [(5432, True), (True, False), (None, False), ([{"a": "5432"}], True)])
def test_values_of_any_type_are_looked_at(value: object, *, hidden: bool) -> None:
    assert Secrets(frozenset({"5432"})).hides(value) is hidden


def test_an_empty_sensitive_value_hides_nothing() -> None:
    assert not Secrets(frozenset({""})).hides("anything")


def test_where_a_secret_was_nothing_is_shown_later() -> None:
    secrets = Secrets(frozenset({"correct horse"}))
    first = deployment(env=[{"name": "DSN", "value": "pg://correct horse@db"}, {"name": "LEVEL", "value": "info"}])
    places = sensitive_paths(first, secrets)
    assert places == ("spec.template.spec.containers[api].env[DSN].value",)
    second = deployment(env=[{"name": "DSN", "value": "pg://db"}, {"name": "LEVEL", "value": "warn"}])
    assert [
        (change.path.rpartition(".env")[2], change.sensitive) for change in compare(first, second, hidden=places)
    ] == [
        ("[DSN].value", True),
        ("[LEVEL].value", False),
    ]
    # The whole container goes, and the place with it.
    gone = {**second, "spec": {"template": {"spec": {"containers": []}}}}
    assert all(change.sensitive for change in compare(first, gone, hidden=places) if "containers" in change.path)


def test_laying_over_keeps_what_is_not_mentioned() -> None:
    live = deployment(env=[{"name": "A", "value": "1"}, {"name": "B", "value": "2"}], terminationMessagePath="/dev/log")
    wanted = deployment(image="acme/api:2", env=[{"name": "B", "value": "3"}])
    assert overlay(live, wanted) == deployment(
        image="acme/api:2", env=[{"name": "B", "value": "3"}], terminationMessagePath="/dev/log"
    )


@pytest.mark.parametrize(
    ("before", "after", "text"),
    [
        (deployment(), deployment(image="acme/api:1.4.0"), "image 1.3.2 → 1.4.0"),
        (deployment(), deployment(image="acme/backend:1.4.0"), "image acme/api:1.3.2 → acme/backend:1.4.0"),
        (deployment(), deployment(image="acme/api@sha256:" + "a" * 64), "image 1.3.2 → sha256:aaaaaaaa…"),
        (deployment(image="reg:5000/api"), deployment(image="reg:5000/api:2"), "image latest → 2"),
        (
            deployment(env=[{"name": "LOG_LEVEL", "value": "info"}]),
            deployment(env=[{"name": "LOG_LEVEL", "value": "warn"}], replicas=3),
            "replicas 2 → 3 · env LOG_LEVEL info → warn",
        ),
        (deployment(env=[]), deployment(env=[{"name": "A", "value": "x"}]), "env A added: x"),
        (
            deployment(env=[{"name": "A", "value": "x"}]),
            deployment(env=[{"name": "A", "value": "x"}, {"name": "B", "value": "y"}]),
            "env B added: y",
        ),
        (config(a="1"), config(a=""), 'data.a 1 → ""'),
        (config(a="one\ntwo"), config(a="x" * 100), "data.a (changed)"),
        (
            config(a="1", b="1", c="1", d="1", e="1"),
            config(),
            "data.a removed: 1 · data.b removed: 1 · data.c removed: 1 · and 2 more",
        ),
        (
            config(a="1", b="1", c="1", d="1", e="1"),
            config(a="2", b="2", c="2", d="2", e="2"),
            "data.a 1 → 2 · data.b 1 → 2 · data.c 1 → 2 · and 2 more",
        ),
    ],
)
def test_changes_in_words(before: dict[str, Any], after: dict[str, Any], text: str) -> None:
    assert describe_changes(compare(before, after)).replace("template.spec.containers[api].", "") == text


def test_labels_that_repeat_are_said_once() -> None:
    before, after = deployment(), deployment()
    for obj, version in ((before, "1"), (after, "2")):
        obj["metadata"]["labels"]["version"] = version
        obj["spec"]["template"]["metadata"] = {"labels": {"version": version}}
    assert describe_changes(compare(before, after)) == "label version 1 → 2"


def test_images_of_several_containers_are_told_apart() -> None:
    def two(version: str) -> dict[str, Any]:
        obj = deployment(f"acme/api:{version}")
        obj["spec"]["template"]["spec"]["containers"].append({"name": "proxy", "image": f"acme/proxy:{version}"})
        return obj

    assert describe_changes(compare(two("1"), two("2"))) == "image of api 1 → 2 · image of proxy 1 → 2"


def test_sensitive_changes_in_words() -> None:
    secret = {**config(), "kind": "Secret"}
    before, after = {**secret, "data": {"a": "eA==", "b": "eA=="}}, {**secret, "data": {"b": "eQ==", "c": "eA=="}}
    assert describe_changes(compare(before, after)) == (
        "data.b (changed, sensitive) · data.c added (sensitive) · data.a removed (sensitive)"
    )
