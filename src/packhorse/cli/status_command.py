"""``packhorse status``: what is deployed, and whether it is healthy."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import click

from packhorse.app.status import cluster_status
from packhorse.base.errors import ClusterError
from packhorse.cli.cluster_options import ClusterOptions, cluster_options
from packhorse.cli.console import Console, examples, pass_console
from packhorse.cli.output import OutputFormat, output_option, print_json
from packhorse.deploy.health import Finding
from packhorse.deploy.status import ReleaseHealth

__all__ = ["command"]

_SIGNS = {"ready": "✓", "progressing": "◌", "terminating": "◌", "failed": "✗", "missing": "✗"}


@click.command("status", epilog=examples("packhorse status", "packhorse status shop --output json"))
@click.argument("release", required=False)
@cluster_options
@output_option
@pass_console
def command(console: Console, release: str | None, cluster: ClusterOptions, output: OutputFormat) -> int:
    """Tell what is deployed and whether it is healthy: all releases, or every object of RELEASE.

    The exit code is 0 when everything is ready, and 8 when something is not.
    """
    found = cluster_status(cluster.access(), release)
    if output == "json":
        print_json({"healthy": all(each.is_healthy for each in found), "releases": [_json(each) for each in found]})
    elif not found:
        console.show("Nothing is deployed here.")
    else:
        for each in found:
            for line in _lines(each, everything=release is not None):
                console.show(line)
    return 0 if all(each.is_healthy for each in found) else ClusterError.exit_code


def _lines(release: ReleaseHealth, *, everything: bool) -> Iterator[str]:
    record = release.record
    total, bad = len(release.findings), len(release.unhealthy)
    health = f"{bad} of {total} objects not ready" if bad else f"all {total} objects ready" if total > 1 else "ready"
    state = record.status if record.status == "deployed" else f"{record.status.upper()}"
    yield f"{record.name} {record.version}  revision {record.revision}  {state} {_time(record)}  {health}"
    if record.message:
        yield f"  ✗ {record.message.splitlines()[0]}"
    shown = [finding for _, finding in release.findings] if everything else list(release.unhealthy)
    width = max((len(finding.identity.title) for finding in shown), default=0)
    for finding in shown:
        yield f"  {_SIGNS[finding.health.state]} {finding.identity.title.ljust(width)}  {finding.line}"


def _time(record: Any) -> str:
    return datetime.fromtimestamp(record.ended or record.started, UTC).strftime("%Y-%m-%d %H:%M UTC")


def _json(release: ReleaseHealth) -> dict[str, Any]:
    record = release.record
    return {
        "name": record.name,
        "version": record.version,
        "revision": record.revision,
        "status": record.status,
        "healthy": release.is_healthy,
        "rootDigest": record.root_digest,
        "components": record.components,
        "variables": record.variables,
        "started": _iso(record.started),
        "ended": _iso(record.ended) if record.ended else None,
        "message": record.message,
        "objects": [_object_json(component, finding) for component, finding in release.findings],
    }


def _object_json(component: str, finding: Finding) -> dict[str, Any]:
    identity = finding.identity
    return {
        "component": component,
        "apiVersion": identity.api_version,
        "kind": identity.kind,
        "namespace": identity.namespace,
        "name": identity.name,
        "state": finding.health.state,
        "message": finding.health.message,
        "reasons": finding.troubles,
    }


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")
