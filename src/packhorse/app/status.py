"""``status``: what is deployed, and how it is."""

from packhorse.app.site import ClusterAccess, open_site
from packhorse.base.errors import UsageError
from packhorse.base.spelling import nearest
from packhorse.deploy.record_store import RecordStore
from packhorse.deploy.status import ReleaseHealth, release_health

__all__ = ["cluster_status"]


def cluster_status(access: ClusterAccess, name: str | None = None) -> tuple[ReleaseHealth, ...]:
    """Look at one release, or at all of a cluster.

    Raises:
        UsageError: There is no release of this name.
        ClusterError, NetworkError: The cluster can't be looked at.
    """
    with open_site(access) as site:
        records = RecordStore(site.cluster).releases()
        if name is not None:
            known = [record.name for record in records]
            if name not in known:
                near = nearest(name, known)
                hint = f"did you mean {near!r}?" if near else f"there are: {', '.join(known) or 'none'}"
                raise UsageError(f"there is no release {name!r} in this cluster", hint=hint)
            records = tuple(record for record in records if record.name == name)
        return tuple(release_health(site.cluster, record) for record in records)
