"""Why pods aren't ready, on statuses and events as a kubelet and a scheduler write them."""

from typing import Any

import pytest

from packhorse.kube.pod_trouble import ContainerTrouble, pod_trouble

IMAGE = "ghcr.io/acme/api:1.4.0"


def pod(*statuses: dict[str, Any], phase: str = "Running", spec: Any = None, **status: Any) -> dict[str, Any]:
    containers = [{"name": each["name"], **(spec or {})} for each in statuses]
    return {
        "kind": "Pod",
        "metadata": {"name": "api-7c9f"},
        "spec": {"containers": containers},
        "status": {"phase": phase, "containerStatuses": list(statuses), **status},
    }


def waiting(reason: str, message: str = "", **more: Any) -> dict[str, Any]:
    state = {"waiting": {"reason": reason, "message": message}}
    return {"name": "api", "image": IMAGE, "ready": False, "state": state, **more}


def event(reason: str, message: str) -> dict[str, Any]:
    return {"reason": reason, "message": message, "type": "Warning"}


RUNNING = {"name": "api", "image": IMAGE, "ready": False, "state": {"running": {}}}
HTTP = {"readinessProbe": {"httpGet": {"path": "/healthz", "port": 8080}}}
TCP = {"livenessProbe": {"tcpSocket": {"port": 5432}}}
SCHEDULING = {
    "type": "PodScheduled",
    "status": "False",
    "reason": "Unschedulable",
    "message": "0/2 nodes are available: 1 Insufficient cpu, 1 node(s) had untolerated taint {a: b}. "
    "preemption: 0/2 nodes are available: 2 No preemption victims found for incoming pod.",
}
NOT_FOUND = (
    f'Failed to pull image "{IMAGE}": rpc error: code = NotFound desc = failed to pull and unpack image "{IMAGE}": '
    f"{IMAGE}: not found"
)
CRASHED = {"terminated": {"exitCode": 3, "reason": "Error"}}

CASES: list[tuple[str, dict[str, Any], list[dict[str, Any]], str]] = [
    (
        "no node",
        pod(phase="Pending", conditions=[SCHEDULING]),
        [],
        "no node takes it: 1 Insufficient cpu, 1 node(s) had untolerated taint {a: b}",
    ),
    (
        "image not found",
        pod(waiting("ErrImagePull", NOT_FOUND.removeprefix(f'Failed to pull image "{IMAGE}": '))),
        [],
        f"cannot pull {IMAGE}: {IMAGE}: not found",
    ),
    (
        "back-off after not found",
        pod(waiting("ImagePullBackOff", f'Back-off pulling image "{IMAGE}"')),
        [event("Failed", NOT_FOUND), event("BackOff", "Back-off")],
        f"cannot pull {IMAGE}: {IMAGE}: not found",
    ),
    (
        "back-off, nothing known",
        pod(waiting("ImagePullBackOff", f'Back-off pulling image "{IMAGE}"')),
        [],
        f"cannot pull {IMAGE}",
    ),
    (
        "crash loop",
        pod(waiting("CrashLoopBackOff", "back-off 10s", restartCount=4, lastState=CRASHED)),
        [],
        "crashed 4 times, exit code 3",
    ),
    (
        "out of memory",
        pod(
            waiting(
                "CrashLoopBackOff",
                "",
                restartCount=1,
                lastState={"terminated": {"exitCode": 137, "reason": "OOMKilled"}},
            )
        ),
        [],
        "crashed once, out of memory (OOMKilled)",
    ),
    (
        "killed",
        pod(waiting("CrashLoopBackOff", "", restartCount=2, lastState={"terminated": {"exitCode": 143}})),
        [],
        "crashed 2 times, killed by signal 15",
    ),
    (
        "missing secret",
        pod(waiting("CreateContainerConfigError", 'secret "db" not found')),
        [],
        'CreateContainerConfigError: secret "db" not found',
    ),
    ("just ended", pod({"name": "api", "ready": False, "state": CRASHED}), [], "container api ended, exit code 3"),
    (
        "readiness by HTTP",
        pod(RUNNING, spec=HTTP),
        [event("Unhealthy", "Readiness probe failed: HTTP probe failed with statuscode: 503")],
        "readiness GET /healthz 503",
    ),
    (
        "readiness by HTTP, refused",
        pod(RUNNING, spec=HTTP),
        [
            event(
                "Unhealthy", 'Readiness probe failed: Get "http://10.0.0.3:8080/healthz": dial tcp: connection refused'
            )
        ],
        'readiness GET /healthz: Get "http://10.0.0.3:8080/healthz": dial tcp: connection refused',
    ),
    (
        "liveness by TCP",
        pod(RUNNING, spec=TCP),
        [event("Unhealthy", "Liveness probe failed: dial tcp 10.0.0.3:5432: connect: connection refused")],
        "liveness TCP 5432: dial tcp 10.0.0.3:5432: connect: connection refused",
    ),
    (
        "readiness by command",
        pod(RUNNING),
        [event("Unhealthy", "Readiness probe failed: no response")],
        "readiness: no response",
    ),
    (
        "volume missing",
        pod(waiting("ContainerCreating"), phase="Pending"),
        [event("FailedMount", 'MountVolume.SetUp failed for volume "a" : configmap "a" not found')],
        'MountVolume.SetUp failed for volume "a" : configmap "a" not found',
    ),
    (
        "evicted",
        pod(phase="Failed", message="The node was low on resource: memory."),
        [],
        "The node was low on resource: memory.",
    ),
]


@pytest.mark.parametrize(("live", "events", "message"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_trouble(live: dict[str, Any], events: list[dict[str, Any]], message: str) -> None:
    trouble = pod_trouble(live, events)
    assert trouble is not None
    assert trouble.message == message


@pytest.mark.parametrize(
    "live",
    [
        pod(RUNNING, conditions=[{"type": "Ready", "status": "True"}]),
        pod(phase="Succeeded"),
        pod(waiting("ContainerCreating"), phase="Pending"),
        pod(RUNNING),
        {"kind": "Pod"},
    ],
    ids=["ready", "done", "being made", "starting", "empty"],
)
def test_where_nothing_is_known_nothing_is_said(live: dict[str, Any]) -> None:
    assert pod_trouble(live) is None


def test_the_log_to_look_at_is_named() -> None:
    crashed = pod(waiting("CrashLoopBackOff", restartCount=4, lastState=CRASHED))
    assert pod_trouble(crashed) == ContainerTrouble("crashed 4 times, exit code 3", "api", crashed=True)
    unready = pod_trouble(pod(RUNNING, spec=HTTP), [event("Unhealthy", "Readiness probe failed: x")])
    assert unready is not None
    assert (unready.container, unready.crashed) == ("api", False)
    unpulled = pod_trouble(pod(waiting("ErrImagePull", "x")))
    assert unpulled is not None
    assert unpulled.container == ""


def test_init_containers_come_first() -> None:
    live = pod(waiting("PodInitializing"), phase="Pending")
    live["status"]["initContainerStatuses"] = [{"name": "wait", "state": CRASHED}]
    trouble = pod_trouble(live)
    assert trouble is not None
    assert trouble.message == "container wait ended, exit code 3"


def test_long_messages_are_cut() -> None:
    trouble = pod_trouble(pod(waiting("CreateContainerError", "x" * 1000)))
    assert trouble is not None
    assert len(trouble.message) == 200
    assert trouble.message.endswith("…")
