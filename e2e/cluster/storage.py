"""The node's storage: gives each claim of the class ``standard`` a folder on the node, and takes it back.

Runs on the node as a program of its own. The provisioner that Kubernetes has for tests makes folders that only root can
write to, and hardly any application runs as root.
"""

import argparse
import shutil
import time
from collections.abc import Iterable
from pathlib import Path

from e2e.cluster.kube_api import Json, KubeApi
from e2e.cluster.pki import Issued

__all__ = ["PROVISIONER", "removable", "volume_for", "waiting"]

PROVISIONER = "e2e.packhorse.dev/folder"

_CLAIMS = "/api/v1/persistentvolumeclaims"
_VOLUMES = "/api/v1/persistentvolumes"
_POLL_SECONDS = 0.25
# Set by the volume controller on a claim that somebody else is to provision; and by us, as is the custom.
_ASKED = "volume.kubernetes.io/storage-provisioner"
_PROVISIONED_BY = "pv.kubernetes.io/provisioned-by"


def waiting(claims: Iterable[Json], volumes: Iterable[Json]) -> list[Json]:
    """Choose the claims that want a volume from here and have none yet."""
    there = {volume["metadata"]["name"] for volume in volumes}
    return [
        claim
        for claim in claims
        if claim["metadata"].get("annotations", {}).get(_ASKED) == PROVISIONER
        and not claim["spec"].get("volumeName")
        and "deletionTimestamp" not in claim["metadata"]
        and _name(claim) not in there
    ]


def removable(volumes: Iterable[Json]) -> list[Json]:
    """Choose the volumes made here whose claims are gone, and that nobody wants to keep."""
    return [
        volume
        for volume in volumes
        if volume["metadata"].get("annotations", {}).get(_PROVISIONED_BY) == PROVISIONER
        and volume["status"].get("phase") == "Released"
        and volume["spec"]["persistentVolumeReclaimPolicy"] == "Delete"
    ]


def volume_for(claim: Json, folder: Path) -> Json:
    """Describe the volume for a claim, bound to it from the start."""
    where, wanted = claim["metadata"], claim["spec"]
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": _name(claim), "annotations": {_PROVISIONED_BY: PROVISIONER}},
        "spec": {
            "accessModes": wanted["accessModes"],
            "capacity": {"storage": wanted["resources"]["requests"]["storage"]},
            "claimRef": {
                "apiVersion": "v1",
                "kind": "PersistentVolumeClaim",
                "namespace": where["namespace"],
                "name": where["name"],
                "uid": where["uid"],
            },
            "hostPath": {"path": str(folder / _name(claim)), "type": "Directory"},
            "persistentVolumeReclaimPolicy": "Delete",
            "storageClassName": wanted["storageClassName"],
        },
    }


def _name(claim: Json) -> str:
    return f"pvc-{claim['metadata']['uid']}"


def _serve_once(api: KubeApi, folder: Path) -> None:
    """Look at all claims and volumes, and do what is to be done."""
    claims = api.request("GET", _CLAIMS)["items"]
    volumes = api.request("GET", _VOLUMES)["items"]
    for claim in waiting(claims, volumes):
        volume = volume_for(claim, folder)
        path = Path(volume["spec"]["hostPath"]["path"])
        path.mkdir(parents=True, exist_ok=True)
        path.chmod(0o777)
        api.request("POST", _VOLUMES, volume)
    for volume in removable(volumes):
        shutil.rmtree(volume["spec"]["hostPath"]["path"], ignore_errors=True)
        api.request("DELETE", f"{_VOLUMES}/{volume['metadata']['name']}")


def main() -> None:
    """Serve claims until killed."""
    parser = argparse.ArgumentParser(description="Give each claim a folder on the node.")
    parser.add_argument("host")
    parser.add_argument("port", type=int)
    for name in ("authority", "certificate", "key", "folder"):
        parser.add_argument(name, type=Path)
    asked = parser.parse_args()
    api = KubeApi(asked.host, asked.port, asked.authority, Issued(asked.certificate, asked.key))
    while True:
        _serve_once(api, asked.folder)
        time.sleep(_POLL_SECONDS)


if __name__ == "__main__":
    main()
