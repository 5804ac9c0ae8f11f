"""What a Cache becomes. Pure: from the resource to the objects that the controller applies, and to its status."""

CACHES = "/apis/caching.example.com/v1alpha1"
NAME_LABEL = "caching.example.com/cache"
_SERVER_PORT, _METRICS_PORT = 6379, 9121
# What the server needs on top of what it holds.
_OVERHEAD_MEGABYTES = 48


def children(cache: dict, exporter_image: str) -> dict[str, dict]:
    """Give the objects that a cache consists of, by their path in the API."""
    namespace, name = cache["metadata"]["namespace"], cache["metadata"]["name"]
    return {
        f"/apis/apps/v1/namespaces/{namespace}/deployments/{name}": _deployment(cache, exporter_image),
        f"/api/v1/namespaces/{namespace}/services/{name}": _service(cache),
    }


def status(cache: dict, deployment: dict, now: str) -> dict:
    """Give the status of a cache whose Deployment is as it is; a condition that stays keeps its time."""
    ready, reason, message = _readiness(deployment)
    metadata = cache["metadata"]
    known = {item["type"]: item for item in cache.get("status", {}).get("conditions", ())}.get("Ready", {})
    return {
        "observedGeneration": metadata["generation"],
        "address": f"{metadata['name']}.{metadata['namespace']}.svc:{_SERVER_PORT}",
        "conditions": [
            {
                "type": "Ready",
                "status": ready,
                "observedGeneration": metadata["generation"],
                "lastTransitionTime": known["lastTransitionTime"] if known.get("status") == ready else now,
                "reason": reason,
                "message": message,
            }
        ],
    }


def _readiness(deployment: dict) -> tuple[str, str, str]:
    found, wanted = deployment.get("status", {}), deployment["spec"]["replicas"]
    if found.get("observedGeneration", 0) < deployment["metadata"]["generation"]:
        return "False", "Changing", "the Deployment's change has not been taken up yet"
    updated, total = found.get("updatedReplicas", 0), found.get("replicas", 0)
    available = found.get("availableReplicas", 0)
    if updated == total == available == wanted:
        return "True", "Serving", "the server answers"
    return "False", "Starting", f"{available} of {wanted} pods answer"


def _deployment(cache: dict, exporter_image: str) -> dict:
    spec, labels = cache["spec"], _labels(cache)
    containers = [_server(spec), *([_exporter(exporter_image)] if spec["metrics"] else [])]
    pod = {
        "automountServiceAccountToken": False,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": 999,
            "runAsGroup": 999,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": containers,
        "volumes": [{"name": "data", "emptyDir": {}}],
    }
    template = {"metadata": {"labels": labels}, "spec": pod}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": _metadata(cache),
        "spec": {"replicas": 1, "selector": {"matchLabels": labels}, "template": template},
    }


def _server(spec: dict) -> dict:
    megabytes = spec["memoryMegabytes"]
    return {
        **_container("server", spec["image"], _SERVER_PORT, megabytes + _OVERHEAD_MEGABYTES),
        "args": [
            *("redis-server", "--bind", "*", "--protected-mode", "no", "--dir", "/data", "--save", ""),
            *("--maxmemory", f"{megabytes}mb", "--maxmemory-policy", "allkeys-lru"),
        ],
        "readinessProbe": {"tcpSocket": {"port": "server"}, "periodSeconds": 2},
        "volumeMounts": [{"name": "data", "mountPath": "/data"}],
    }


def _exporter(image: str) -> dict:
    return {
        **_container("metrics", image, _METRICS_PORT, 64),
        "env": [
            {"name": "CACHE_PORT", "value": str(_SERVER_PORT)},
            {"name": "PORT", "value": str(_METRICS_PORT)},
        ],
        "readinessProbe": {"httpGet": {"path": "/metrics", "port": "metrics"}, "periodSeconds": 2},
    }


def _container(name: str, image: str, port: int, megabytes: int) -> dict:
    return {
        "name": name,
        "image": image,
        "ports": [{"name": name, "containerPort": port, "protocol": "TCP"}],
        "resources": {"requests": {"cpu": "10m", "memory": "32Mi"}, "limits": {"memory": f"{megabytes}Mi"}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
    }


def _service(cache: dict) -> dict:
    ports = {"server": _SERVER_PORT, **({"metrics": _METRICS_PORT} if cache["spec"]["metrics"] else {})}
    listed = [{"name": name, "port": port, "targetPort": name, "protocol": "TCP"} for name, port in ports.items()]
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": _metadata(cache),
        "spec": {"selector": _labels(cache), "ports": listed},
    }


def _labels(cache: dict) -> dict[str, str]:
    return {NAME_LABEL: cache["metadata"]["name"]}


def _metadata(cache: dict) -> dict:
    """Name the cache as the owner: when it goes, Kubernetes removes what was made for it."""
    owner = {
        "apiVersion": cache["apiVersion"],
        "kind": cache["kind"],
        "name": cache["metadata"]["name"],
        "uid": cache["metadata"]["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }
    metadata = cache["metadata"]
    return {
        "name": metadata["name"],
        "namespace": metadata["namespace"],
        "labels": _labels(cache),
        "ownerReferences": [owner],
    }
