"""Why a pod isn't ready, in a few words, from its status and its events. Pure.

What kubelets and the scheduler write is long and full of ids; here it becomes what a person would say: ``cannot pull
ghcr.io/acme/api:1.4.0: not found``, ``readiness GET /healthz 503``, ``no node takes it: 1 Insufficient cpu``.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from packhorse.kube.fields import condition, count, mapping
from packhorse.kube.object_identity import KubeObject

__all__ = ["ContainerTrouble", "pod_trouble"]

_PULL_REASONS = frozenset({"ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull"})
_SETUP_EVENTS = frozenset({"FailedMount", "FailedAttachVolume", "FailedCreatePodSandBox", "FailedMapVolume"})
_STATUS_CODE = re.compile(r"statuscode: (\d{3})")
_NODES = re.compile(r"^\d+/\d+ nodes are available: ")
_PREEMPTION = re.compile(r"\.? ?(no new claims to deallocate, )?preemption: .*$")
_PULL_NOISE = re.compile(r'^(?:Failed to pull image|Back-off pulling image) "[^"]*":? ?')
_RPC_NOISE = re.compile(r"rpc error: code = \w+ desc = ")
# Of "failed to pull: failed to unpack: failed to resolve: no such host" the last part is the reason.
_CHAIN_NOISE = re.compile(
    r'(?:Err\w*Pull|failed to pull and unpack image "[^"]*"|failed to resolve (?:image|reference "[^"]*")'
    r"|failed to do request): "
)
_MAX_LENGTH = 200
_SIGNAL_EXIT = 128


@dataclass(frozen=True, slots=True)
class ContainerTrouble:
    """What keeps a pod from being ready."""

    message: str
    container: str = ""
    """The container whose log may tell more; empty where none has run."""
    crashed: bool = False
    """Whether what there is to read is in the log of its previous run."""


def pod_trouble(pod: KubeObject, events: Sequence[KubeObject] = ()) -> ContainerTrouble | None:
    """Say what keeps a pod from being ready; None when it is ready or done, or nothing is known.

    Args:
        pod: The live pod.
        events: Its events, the newest last.
    """
    status = mapping(pod.get("status"))
    if status.get("phase") == "Succeeded" or condition(status, "Ready").get("status") == "True":
        return None
    unscheduled = condition(status, "PodScheduled")
    if unscheduled.get("status") == "False":
        return ContainerTrouble(_short(f"no node takes it: {_tidy_scheduling(str(unscheduled.get('message', '')))}"))
    for container, spec in _containers(pod):
        trouble = _container_trouble(container, spec, events)
        if trouble is not None:
            return trouble
    setup = _newest(events, _SETUP_EVENTS)
    if setup is not None:
        return ContainerTrouble(_short(_tidy(str(setup.get("message", "")))))
    if status.get("phase") == "Failed":
        return ContainerTrouble(_short(str(status.get("message") or status.get("reason") or "failed")))
    return None


def _container_trouble(
    container: KubeObject, spec: KubeObject, events: Sequence[KubeObject]
) -> ContainerTrouble | None:
    name = str(container.get("name", ""))
    state = mapping(container.get("state"))
    waiting = mapping(state.get("waiting"))
    reason = str(waiting.get("reason", ""))
    if reason in _PULL_REASONS:
        return ContainerTrouble(_short(_pull_message(container, waiting, events)))
    if reason == "CrashLoopBackOff":
        last = mapping(mapping(container.get("lastState")).get("terminated"))
        tries = count(container, "restartCount")
        often = f"{tries} times" if tries > 1 else "once"
        return ContainerTrouble(_short(f"crashed {often}, {_exit_text(last)}"), name, crashed=True)
    if reason and reason not in {"ContainerCreating", "PodInitializing"}:
        return ContainerTrouble(_short(f"{reason}: {_tidy(str(waiting.get('message', '')))}".rstrip(": ")))
    terminated = mapping(state.get("terminated"))
    if terminated and terminated.get("exitCode") != 0:
        return ContainerTrouble(_short(f"container {name} ended, {_exit_text(terminated)}"), name)
    if "running" in state and container.get("ready") is not True:
        probe = _newest(events, frozenset({"Unhealthy"}))
        if probe is not None:
            return ContainerTrouble(_short(_probe_message(spec, str(probe.get("message", "")))), name)
    return None


def _pull_message(container: KubeObject, waiting: KubeObject, events: Sequence[KubeObject]) -> str:
    image = container.get("image", "its image")
    why = _PULL_NOISE.sub("", str(waiting.get("message", "")))
    if not why:
        # Older kubelets' back-off message says only the image; why it failed is in the event before it.
        failures = [e for e in events if e.get("reason") == "Failed" and "pull" in str(e.get("message", ""))]
        why = _PULL_NOISE.sub("", str(failures[-1].get("message", ""))) if failures else ""
    tidy = _CHAIN_NOISE.sub("", _tidy(why))
    return f"cannot pull {image}: {tidy}" if tidy else f"cannot pull {image}"


def _probe_message(spec: KubeObject, message: str) -> str:
    """Turn ``Readiness probe failed: HTTP probe failed with statuscode: 503`` into ``readiness GET /healthz 503``."""
    kind = message.split(" ", 1)[0].lower()
    detail = message.partition("probe failed: ")[2] or message
    probe = mapping(spec.get(f"{kind}Probe"))
    http = mapping(probe.get("httpGet"))
    code = _STATUS_CODE.search(message)
    if http:
        asked = f"{kind} GET {http.get('path', '/')}"
        return f"{asked} {code.group(1)}" if code else f"{asked}: {_tidy(detail)}"
    if "tcpSocket" in probe:
        return f"{kind} TCP {mapping(probe.get('tcpSocket')).get('port')}: {_tidy(detail)}"
    return f"{kind}: {_tidy(detail)}"


def _exit_text(terminated: KubeObject) -> str:
    code = terminated.get("exitCode")
    reason = terminated.get("reason")
    if reason == "OOMKilled":
        return "out of memory (OOMKilled)"
    if isinstance(code, int) and code > _SIGNAL_EXIT:
        return f"killed by signal {code - _SIGNAL_EXIT}"
    return f"exit code {code}" if code is not None else "no exit code known"


def _containers(pod: KubeObject) -> Iterator[tuple[KubeObject, KubeObject]]:
    """Yield the status and the spec of each container, init containers first."""
    status, spec = mapping(pod.get("status")), mapping(pod.get("spec"))
    for statuses, specs in (("initContainerStatuses", "initContainers"), ("containerStatuses", "containers")):
        by_name = {str(each.get("name")): each for each in spec.get(specs) or () if isinstance(each, dict)}
        for container in status.get(statuses) or ():
            if isinstance(container, dict):
                yield container, by_name.get(str(container.get("name")), {})


def _newest(events: Sequence[KubeObject], reasons: frozenset[str]) -> KubeObject | None:
    found = [event for event in events if event.get("reason") in reasons]
    return found[-1] if found else None


def _tidy_scheduling(message: str) -> str:
    return _PREEMPTION.sub("", _NODES.sub("", message)).strip().rstrip(".") or "no reason is given"


def _tidy(message: str) -> str:
    return _RPC_NOISE.sub("", " ".join(message.split())).strip()


def _short(message: str) -> str:
    return message if len(message) <= _MAX_LENGTH else message[: _MAX_LENGTH - 1] + "…"
