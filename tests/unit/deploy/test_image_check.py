import pytest

from packhorse.deploy.image_check import MissingImage, missing_images
from packhorse.deploy.ports import CarriedImage
from packhorse.kube.object_identity import KubeObject, ObjectIdentity

DIGEST = "sha256:" + "a" * 64
CHILD = "sha256:" + "b" * 64
CARRIED = (CarriedImage("docker.io/library/redis:7.2", (DIGEST, CHILD)), CarriedImage("ghcr.io/acme/api:1.4.0"))


def pod(*images: str) -> KubeObject:
    containers = [{"name": f"c{number}", "image": image} for number, image in enumerate(images)]
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}, "spec": {"containers": containers}}


@pytest.mark.parametrize(
    "image",
    [
        "redis:7.2",
        "docker.io/library/redis:7.2",
        "ghcr.io/acme/api:1.4.0",
        f"redis@{DIGEST}",
        f"redis:9@{CHILD}",
        f"docker.io/library/redis:7.2@{DIGEST}",
    ],
)
def test_what_came_along_is_found_however_it_is_written(image: str) -> None:
    assert missing_images([pod(image)], CARRIED) == ()


@pytest.mark.parametrize(
    "image",
    [
        "redis",
        "redis:7.3",
        "quay.io/redis:7.2",
        f"ghcr.io/acme/api@{DIGEST}",
        f"redis:7.2@sha256:{'c' * 64}",
        "NOT:A:NAME",
    ],
)
def test_what_did_not_come_along_is_missing(image: str) -> None:
    identity = ObjectIdentity("v1", "Pod", "", "a")
    assert missing_images([pod(image)], CARRIED) == (MissingImage(image, identity, "spec.containers[0].image"),)


def test_each_is_named_once() -> None:
    assert [each.image for each in missing_images([pod("a:1", "b:1"), pod("a:1")], CARRIED)] == ["a:1", "b:1"]
