"""What Helm says on its error output, turned into the errors of Packhorse."""

import re
from collections.abc import Mapping, Sequence

from packhorse.base.errors import ClusterError, ConfigError, PackhorseError
from packhorse.base.program import Outcome

__all__ = [
    "chart_error",
    "clean",
    "cluster_error",
    "install_error",
    "is_not_found",
    "proxies",
    "without_paths",
]

_PROXY_NAMES = frozenset({"http_proxy", "https_proxy", "no_proxy", "all_proxy"})
_NOISE = re.compile(r"^(WARNING: .*|Use --debug flag .*|level=(WARN|INFO).*|[IWE]\d{4} .*|walk\.go:.*)$")
_CHART_FAULTS = re.compile(
    r"YAML parse error|execution error at|error calling|executing \"|parse error at|template: |"
    r"values don't meet the specifications|chart requires kubeVersion|cannot unmarshal|"
    r"missing in charts/ directory|Chart\.yaml file is missing|failed to parse /|validation: chart\.metadata|"
    r"nil pointer evaluating|cannot load values|invalid chart"
)
_REMOTE_SCHEMA = re.compile(r"(https?://[^\s\"']+)")


def clean(stderr: str) -> str:
    """Leave out what is not about the failure: warnings, advice about flags, and the word ``Error:``."""
    lines = [line.rstrip() for line in stderr.splitlines() if line.strip() and not _NOISE.match(line.strip())]
    return (
        "\n".join(lines).removeprefix("Error: ").removeprefix("INSTALLATION FAILED: ").removeprefix("UPGRADE FAILED: ")
    )


def chart_error(what: str, stderr: str) -> ConfigError:
    """Build the error for a chart that can't be rendered."""
    reason = clean(stderr)
    if "127.0.0.1:9" in reason:
        match = _REMOTE_SCHEMA.search(reason)
        where = match[1] if match else "another host"
        return ConfigError(
            f"{what}: it wants to read {where} while it is rendered",
            hint="charts are rendered without a network: put what it refers to into the chart",
        )
    return ConfigError(f"{what}: {reason}")


def cluster_error(what: str, stderr: str) -> ClusterError:
    """Build the error for a cluster that can't be reached or refuses."""
    reason = clean(stderr)
    hint = None
    if "another operation" in reason:
        hint = "wait for it to end; if whoever ran it was stopped, roll the release back with helm rollback"
    elif "unreachable" in reason:
        hint = "check the kubeconfig and its context"
    elif "conflict" in reason.lower():
        hint = "another program set these fields: stop it, or let the package own the object"
    return ClusterError(f"{what}: {reason}", hint=hint)


def install_error(what: str, stderr: str) -> PackhorseError:
    """Build the error for a failed installation: the chart's fault, or the cluster's."""
    if _CHART_FAULTS.search(stderr) and "unreachable" not in stderr:
        return chart_error(what, stderr)
    return cluster_error(what, stderr)


def is_not_found(stderr: str) -> bool:
    """Whether Helm says that there is no such release."""
    return "release: not found" in stderr.lower()


def proxies(environment: Mapping[str, str]) -> dict[str, str]:
    """Pick the variables that say which proxy to use."""
    return {name: value for name, value in environment.items() if name.lower() in _PROXY_NAMES}


def without_paths(outcome: Outcome, paths: Sequence[str]) -> Outcome:
    """Say ``values 2`` in messages where Helm wrote the path of a file that exists only for it."""
    stderr = outcome.stderr
    for number, path in enumerate(paths, 1):
        stderr = re.sub(re.escape(path) + r"\b", f"values file {number}", stderr)
    return Outcome(outcome.status, outcome.stdout, stderr)
