import pytest

from packhorse.base.errors import ConfigError
from packhorse.kube.object_identity import KubeObject, ObjectIdentity


def test_an_object_says_who_it_is() -> None:
    obj = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "api", "namespace": "shop"}}
    identity = ObjectIdentity.of(obj)
    assert identity == ObjectIdentity("apps/v1", "Deployment", "shop", "api")
    assert (str(identity), identity.title, identity.group) == ("Deployment/api", "Deployment/api in shop", "apps")


def test_the_version_does_not_make_another_object() -> None:
    one = ObjectIdentity("autoscaling/v1", "HorizontalPodAutoscaler", "shop", "api")
    two = ObjectIdentity("autoscaling/v2", "HorizontalPodAutoscaler", "shop", "api")
    assert one != two
    assert one.key == two.key


def test_objects_of_the_cluster_have_no_namespace() -> None:
    identity = ObjectIdentity.of({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}})
    assert identity.title == "Namespace/shop"
    assert identity.group == ""
    assert identity.inside("x").namespace == "x"


@pytest.mark.parametrize(
    "obj",
    [
        {},
        {"apiVersion": "v1", "kind": "Pod"},
        {"apiVersion": "v1", "kind": "Pod", "metadata": None},
        {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": 3}},
        {"apiVersion": "v1", "kind": "", "metadata": {"name": "a"}},
        {"apiVersion": None, "kind": "Pod", "metadata": {"name": "a"}},
    ],
)
def test_what_is_no_object_is_refused(obj: KubeObject) -> None:
    with pytest.raises(ConfigError, match="not a Kubernetes object: expected text in"):
        ObjectIdentity.of(obj)
