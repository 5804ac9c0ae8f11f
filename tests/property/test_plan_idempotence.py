"""Deploying twice does nothing the second time, whatever the package and whatever was there; removal leaves nothing."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml
from hypothesis import given
from hypothesis import strategies as st

from packhorse.deploy.apply import ApplySettings
from packhorse.deploy.planner import Choice
from packhorse.kube.object_identity import KubeObject, ObjectIdentity
from packhorse.kube.ports import ApplyOptions, ServedKind
from tests.support.deployable import MemoryContent, definition
from tests.support.deploying import TestSite

NAMES = st.sampled_from(["a", "b", "c"])
VALUES = st.one_of(st.text(max_size=5), st.integers(), st.booleans(), st.none())
DATA = st.dictionaries(st.sampled_from(["x", "y", "z.w"]), VALUES, max_size=3)
CHOICE = Choice(allow_missing_images=True)
FORCED = ApplySettings(timeout_seconds=60, force_conflicts=True)


@st.composite
def objects(draw: st.DrawFn) -> KubeObject:
    kind = draw(st.sampled_from(["ConfigMap", "Secret", "Deployment", "Namespace"]))
    metadata: dict[str, Any] = {"name": draw(NAMES)}
    if kind != "Namespace":
        metadata["namespace"] = draw(st.sampled_from(["one", "two"]))
    if kind == "Deployment":
        env = [{"name": name, "value": str(value)} for name, value in draw(DATA).items()]
        containers = [{"name": name, "image": "a:1", "env": env} for name in draw(st.sets(NAMES, min_size=1))]
        spec = {"replicas": draw(st.integers(0, 3)), "template": {"spec": {"containers": containers}}}
        return {"apiVersion": "apps/v1", "kind": kind, "metadata": metadata, "spec": spec}
    return {
        "apiVersion": "v1",
        "kind": kind,
        "metadata": metadata,
        **({"data": draw(DATA)} if kind != "Namespace" else {}),
    }


@st.composite
def packages(draw: st.DrawFn) -> MemoryContent:
    found = {ObjectIdentity.of(obj).key: obj for obj in draw(st.lists(objects(), max_size=6))}
    files: dict[str, str] = {"0.yaml": "", "1.yaml": ""}
    for number, obj in enumerate(found.values()):
        files[f"{number % 2}.yaml"] += f"---\n{yaml.safe_dump(obj)}"
    components = [
        {"name": name, "manifests": [{"name": "m", "files": [file]}]} for name, file in zip("pq", files, strict=True)
    ]
    version = f"1.{draw(st.integers(0, 9))}.0"
    return MemoryContent(
        definition(*components, version=version), files, root_digest=f"sha256:{draw(st.integers(1, 9))}"
    )


@contextmanager
def new_site() -> Iterator[TestSite]:
    with tempfile.TemporaryDirectory() as folder:
        yield TestSite(Path(folder))


def everything(site: TestSite) -> dict[tuple[str, str, str, str], KubeObject]:
    kinds = (*site.cluster.namespaced_kinds(), ServedKind("v1", "Namespace"))
    found = [obj for kind in kinds for obj in site.cluster.list(kind)]
    return {ObjectIdentity.of(obj).key: obj for obj in found if obj["metadata"].get("namespace") != "packhorse-system"}


@given(packages())
def test_the_plan_of_what_is_deployed_is_empty(package: MemoryContent) -> None:
    with new_site() as site:
        site.deploy(package, choice=CHOICE)
        before = everything(site)
        planned = site.plan(package, choice=CHOICE)
        assert planned.is_settled
        assert not site.deploy(package, choice=CHOICE).changed
        assert everything(site) == before


@given(packages(), packages())
def test_from_any_version_to_any_other_ends_as_if_it_came_first(old: MemoryContent, new: MemoryContent) -> None:
    with new_site() as upgraded, new_site() as fresh:
        upgraded.deploy(old, choice=CHOICE)
        upgraded.deploy(new, choice=CHOICE)
        fresh.deploy(new, choice=CHOICE)
        assert upgraded.plan(new, choice=CHOICE).is_settled
        # Namespaces stay, and so does what is in none of the two versions.
        assert _content(upgraded) == _content(fresh)


@given(packages(), st.lists(objects(), max_size=3))
def test_what_others_changed_is_put_right(package: MemoryContent, foreign: list[KubeObject]) -> None:
    with new_site() as site:
        site.deploy(package, choice=CHOICE)
        for obj in foreign:
            namespace = obj["metadata"].get("namespace")
            if namespace is None or site.cluster.get(ObjectIdentity("v1", "Namespace", "", namespace)) is not None:
                site.cluster.apply(obj, ApplyOptions(manager="other", force=True))
        site.deploy(package, choice=CHOICE, settings=FORCED)
        assert site.plan(package, choice=CHOICE).is_settled


def _content(site: TestSite) -> dict[tuple[str, str, str, str], Any]:
    def told(obj: KubeObject) -> KubeObject:
        metadata = {key: obj["metadata"].get(key) for key in ("name", "namespace", "labels", "annotations")}
        return {**{key: value for key, value in obj.items() if key != "status"}, "metadata": metadata}

    return {key: _plain(told(obj)) for key, obj in everything(site).items() if key[1] != "Namespace"}


def _plain(value: Any) -> Any:
    """Leave out what means the same as its absence, and put items that have names into one order."""
    if isinstance(value, dict):
        return {key: told for key, item in value.items() if (told := _plain(item)) not in (None, {}, [])}
    if isinstance(value, list):
        return sorted((_plain(item) for item in value), key=lambda item: str(item.get("name")))
    return value
