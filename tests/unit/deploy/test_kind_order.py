from packhorse.deploy.kind_order import CHARTS, CUSTOM, FIRST, rank
from packhorse.deploy.model import ChartAction, ObjectAction
from packhorse.deploy.removal_order import removal_stages
from packhorse.kube.object_identity import ObjectIdentity


def identity(kind: str, name: str = "a") -> ObjectIdentity:
    return ObjectIdentity("v1", kind, "shop", name)


def test_what_others_refer_to_comes_first() -> None:
    order = [
        "CustomResourceDefinition",
        "NetworkPolicy",
        "ServiceAccount",
        "PersistentVolumeClaim",
        "RoleBinding",
        "Service",
        "Deployment",
        "HorizontalPodAutoscaler",
        "Job",
        "Ingress",
        "SomethingCustom",
        "ValidatingWebhookConfiguration",
    ]
    ranks = [rank(identity(kind)) for kind in order]
    assert ranks == sorted(set(ranks))
    assert rank(identity("Namespace")) == FIRST
    assert rank(identity("RoleBinding")) < CHARTS < rank(identity("Service"))
    assert rank(identity("SomethingCustom")) == CUSTOM


def test_removal_goes_backwards_and_custom_resources_first() -> None:
    objects = [
        ("one", ObjectAction("remove", identity("ConfigMap"))),
        ("one", ObjectAction("remove", identity("Deployment"))),
        ("two", ObjectAction("remove", identity("Deployment", "b"))),
        ("two", ObjectAction("remove", identity("Deployment", "c"))),
        ("two", ObjectAction("remove", identity("Backup"))),
        ("two", ObjectAction("remove", identity("Secret"))),
    ]
    charts = [ChartAction("remove", "two", name, name, "shop") for name in ("first", "second")]
    stages = removal_stages(objects, charts)
    assert [
        (
            stage.component,
            [str(step.identity) if isinstance(step, ObjectAction) else step.chart for step in stage.steps],
        )
        for stage in stages
    ] == [
        ("two", ["Backup/a"]),
        ("two", ["Deployment/c", "Deployment/b", "second", "first", "Secret/a"]),
        ("one", ["Deployment/a", "ConfigMap/a"]),
    ]
    assert removal_stages([], []) == ()
