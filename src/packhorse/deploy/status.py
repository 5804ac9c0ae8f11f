"""What is deployed and how it is: the records in the cluster, and every object's health."""

from collections.abc import Iterator
from dataclasses import dataclass

from packhorse.deploy.health import Finding, examine
from packhorse.deploy.record import RecordedObject, ReleaseRecord
from packhorse.kube.ports import Cluster

__all__ = ["ReleaseHealth", "recorded_objects", "release_health"]


@dataclass(frozen=True, slots=True)
class ReleaseHealth:
    """One release as it is now."""

    record: ReleaseRecord
    findings: tuple[tuple[str, Finding], ...]
    """Each object with its component."""

    @property
    def unhealthy(self) -> tuple[Finding, ...]:
        """The objects that are not ready."""
        return tuple(finding for _, finding in self.findings if not finding.health.is_ready)

    @property
    def is_healthy(self) -> bool:
        """Whether the last deployment ended well and everything is ready."""
        return self.record.status == "deployed" and not self.unhealthy


def recorded_objects(record: ReleaseRecord) -> Iterator[RecordedObject]:
    """Yield every object of a release that stays: its own, and those of its charts."""
    yield from record.objects
    for chart in record.charts:
        yield from chart.objects


def release_health(cluster: Cluster, record: ReleaseRecord) -> ReleaseHealth:
    """Look at every object of a release.

    Raises:
        ClusterError, NetworkError: The cluster can't be looked at.
    """
    return ReleaseHealth(
        record, tuple((each.component, examine(cluster, each.identity)) for each in recorded_objects(record))
    )
