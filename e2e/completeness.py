"""The completeness proof: what a node pulled is what the lock names, each by its digest, and nothing else.

It proves both directions of discovery. What the lock lacks could not have been pulled at all, for the site has nothing
but the bundle; what the lock has and nobody pulled was carried for nothing. So everything that the package can run must
have run: optional components are chosen, and jobs of a schedule started (:func:`run_scheduled_jobs`).
"""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import yaml

from e2e.cluster.cluster import Cluster
from e2e.cluster.process import wait_until

__all__ = ["check_completeness", "differences", "run_scheduled_jobs"]

_PLATFORM = "linux/amd64"
_JOB_SECONDS = 120


def check_completeness(cluster: Cluster, lock: Path, components: Collection[str] = ()) -> None:
    """Hold what the node pulled against a lock.

    Args:
        cluster: Whose node had no images but its own before the deployment.
        lock: The package's ``packhorse.lock``.
        components: Those that were deployed; all of them where it is left out.

    Raises:
        AssertionError: Names each image that is missing, and each that is there and should not be.
    """
    images = [
        image
        for image in yaml.safe_load(lock.read_text(encoding="utf-8"))["images"]
        if not components or set(components) & set(image["components"])
    ]
    wrong = differences({image["name"]: image["digest"] for image in images}, cluster.pulled_images())
    wrong += platform_differences(images, cluster.pulled_content())
    assert not wrong, f"what the node pulled is not what {lock} has:\n  " + "\n  ".join(wrong)


def differences(locked: Mapping[str, str], pulled: Mapping[str, str]) -> list[str]:
    """Say in a line each what is missing, what is something else, and what is there that should not be.

    Args:
        locked: Digest by name.
        pulled: Digest by reference, as containerd has them: with a tag, and once more with the digest alone.
    """
    found = []
    for name, digest in sorted(locked.items()):
        if name not in pulled:
            found.append(f"missing: {name} ({digest}) is in the lock, and was never pulled")
        elif pulled[name] != digest:
            found.append(f"different: {name} is {digest} in the lock, and {pulled[name]} was pulled")
    for reference, digest in sorted(pulled.items()):
        named = reference in locked or ("@" in reference and digest in locked.values())
        if not named:
            found.append(f"extra: {reference} ({digest}) was pulled, and is not in the lock")
    return found


def platform_differences(images: list[dict[str, Any]], content: Collection[str]) -> list[str]:
    """Say which manifest of the node's platform was not pulled, and which of another platform was.

    Args:
        images: As the lock has them; an image that is one manifest has none below it.
        content: The digests of all that containerd has.
    """
    found = []
    for image in images:
        for manifest in image.get("manifests", ()):
            platform = manifest.get("platform", "")
            if platform == _PLATFORM and manifest["digest"] not in content:
                found.append(f"missing: {manifest['digest']}, which is {image['name']} for {platform}")
            if platform not in ("", _PLATFORM) and manifest["digest"] in content:
                found.append(f"extra: {manifest['digest']}, which is {image['name']} for {platform}")
    return found


def run_scheduled_jobs(cluster: Cluster, namespace: str) -> list[str]:
    """Start what a namespace's CronJobs would start at their time, wait until it has ended well, and give the names."""
    jobs = f"/apis/batch/v1/namespaces/{namespace}/jobs"
    found = (cluster.get(f"/apis/batch/v1/namespaces/{namespace}/cronjobs") or {}).get("items", [])
    names = [f"{item['metadata']['name']}-by-hand" for item in found]
    for name, item in zip(names, found, strict=True):
        # With its owner it is removed when the CronJob is, as one that was started on time.
        owner = {"apiVersion": "batch/v1", "kind": "CronJob", "controller": True, "blockOwnerDeletion": False}
        owner |= {key: item["metadata"][key] for key in ("name", "uid")}
        template = item["spec"]["jobTemplate"]
        metadata = {**template.get("metadata", {}), "name": name, "ownerReferences": [owner]}
        cluster.apply(jobs, {"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": template["spec"]})
    for name in names:
        wait_until(
            lambda path=f"{jobs}/{name}": has_completed(cluster.get(path) or {}),  # type: ignore[misc]
            f"the job {name} to complete",
            timeout_seconds=_JOB_SECONDS,
        )
    return names


def has_completed(job: Mapping[str, Any]) -> bool:
    """Tell whether a Job has ended well.

    Raises:
        AssertionError: It has failed for good.
    """
    conditions = {item["type"]: item["status"] for item in job.get("status", {}).get("conditions", ())}
    assert conditions.get("Failed") != "True", f"the job {job['metadata']['name']} failed: {job['status']}"
    return conditions.get("Complete") == "True"
