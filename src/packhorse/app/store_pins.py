"""``store pin``: what must stay in a store, because somebody uses it."""

from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

from packhorse.app.site import ClusterAccess, open_site
from packhorse.base.errors import ConfigError, UsageError
from packhorse.deploy.record import ReleaseRecord, known_charts, known_objects
from packhorse.deploy.record_store import RecordStore
from packhorse.kube.errors import NotServedError
from packhorse.kube.fields import mapping
from packhorse.kube.object_identity import KubeObject, ObjectIdentity
from packhorse.kube.ports import ObjectReader, ObjectStore, ServedKind
from packhorse.kube.workloads import image_uses
from packhorse.oci.digest import Digest
from packhorse.oci.reference import Reference
from packhorse.registry.names import find_repository
from packhorse.store.directory_store import DirectoryStore
from packhorse.store.store_folder import is_store

__all__ = ["pin", "pin_from_cluster", "unpin", "used_by_releases"]

_KINDS = (ServedKind("v1", "Pod"), ServedKind("apps/v1", "ReplicaSet"), ServedKind("batch/v1", "CronJob"))
"""What runs images in a release's namespaces besides the objects that it made itself: what operators make, and what a
rollout has not ended yet or could go back to."""


def pin(path: Path, owner: str, references: Sequence[str]) -> list[Digest]:
    """Pin images on behalf of somebody, and nothing else for them.

    Raises:
        ConfigError: There is no store, or a reference is none.
        UsageError: The store does not have one of the images.
    """
    with closing(_open(path)) as store:
        pins: dict[Digest, str] = {}
        for text in references:
            found = _in_store(store, str(Reference.parse(text)))
            if not found:
                raise UsageError(f"the store {path} has no {text}", hint=f"packhorse store inventory {path}")
            pins.update(dict.fromkeys(found, text))
        store.set_pins(owner, pins)
    return sorted(pins)


def unpin(path: Path, owner: str) -> int:
    """Take away what somebody has pinned, and return how much that was.

    Raises:
        UsageError: They have nothing pinned.
    """
    with closing(_open(path)) as store:
        count = sum(1 for each, _, _ in store.pins() if each == owner)
        if not count:
            owners = ", ".join(dict.fromkeys(each for each, _, _ in store.pins()))
            raise UsageError(
                f"{owner} has pinned nothing in the store {path}", hint=f"pins are of: {owners or 'nobody'}"
            )
        store.set_pins(owner, {})
    return count


def pin_from_cluster(path: Path, access: ClusterAccess, cluster: str) -> dict[str, list[Digest]]:
    """Pin what the releases of a cluster use: their bundles, and the images that run in their namespaces.

    What was pinned before for releases that are gone is pinned no more. Images that the store does not have are passed
    over: they come from elsewhere.

    Args:
        path: The store.
        access: How the cluster is reached.
        cluster: What it is called in the names of the pins: ``cluster/shop``.

    Raises:
        ConfigError: There is no store.
        ClusterError, NetworkError: The cluster can't be looked at; the pins are as they were.
    """
    with open_site(access) as site, closing(_open(path)) as store:
        pins = {f"{cluster}/{name}": used for name, used in used_by_releases(site.cluster, store).items()}
        before = {owner for owner, _, _ in store.pins() if owner.startswith(f"{cluster}/")}
        # New ones first: what is used must not be without a pin for a moment.
        for owner in [*sorted(pins), *sorted(before - pins.keys())]:
            store.set_pins(owner, pins.get(owner, {}))
    return {owner: sorted(digests) for owner, digests in pins.items()}


def used_by_releases(cluster: ObjectStore, store: DirectoryStore) -> dict[str, dict[Digest, str]]:
    """Return what each release of a cluster uses, as far as a store has it, and by which names."""
    records = RecordStore(cluster)
    found = {}
    for newest in records.releases():
        history = records.history(newest.name)
        used = {Digest(record.root_digest): f"{record.name} {record.version}" for record in _in_use(history)}
        for image in sorted(_images(cluster, _objects(history))):
            used.update(dict.fromkeys(_in_store(store, image), image))
        found[newest.name] = used
    return found


def _open(path: Path) -> DirectoryStore:
    if not is_store(path):
        raise ConfigError(f"{path} is no store", hint="make one with: packhorse load BUNDLE --store DIR")
    return DirectoryStore.create(path)


def _in_use(history: Sequence[ReleaseRecord]) -> list[ReleaseRecord]:
    """Return the newest record, and those before it down to the last that went well: what runs, or is gone back to."""
    used = []
    for record in history:
        used.append(record)
        if record.status in {"deployed", "superseded"}:
            break
    return used


def _objects(history: Sequence[ReleaseRecord]) -> list[ObjectIdentity]:
    objects = [recorded.identity for recorded in known_objects(history).values()]
    for chart in known_charts(history).values():
        objects += [recorded.identity for recorded in (*chart.objects, *chart.hooks)]
    return objects


def _images(cluster: ObjectReader, objects: Sequence[ObjectIdentity]) -> set[str]:
    images: set[str] = set()
    for identity in objects:
        try:
            live = cluster.get(identity)
        except NotServedError:
            continue
        if live is not None:
            images.update(_images_of(live))
    for namespace in sorted({identity.namespace for identity in objects} - {""}):
        for kind in _KINDS:
            for live in cluster.list(kind, namespace=namespace):
                images.update(_images_of({"apiVersion": kind.api_version, "kind": kind.kind, **live}))
    return images


def _images_of(live: KubeObject) -> Iterator[str]:
    """Yield the images that an object names, and of a pod what they stood for when it was started."""
    yield from (use.image for use in image_uses(live))
    status = mapping(live.get("status"))
    for part in ("initContainerStatuses", "containerStatuses", "ephemeralContainerStatuses"):
        for container in status.get(part) or ():
            image = mapping(container).get("imageID")
            if isinstance(image, str) and image:
                # Docker's shim puts a scheme in front.
                yield image.rpartition("://")[2]


def _in_store(store: DirectoryStore, image: str) -> list[Digest]:
    """Return the digests that a store has of an image: that of its tag, and the one that it is pinned to.

    An image that is pulled from the site's registry by its address is here under the name that follows the address.
    """
    try:
        reference = Reference.parse(image)
    except ConfigError:
        return []
    names = [reference.name]
    if isinstance(found := find_repository(reference.repository, None, store), str):
        names.append(found)
    targets = [target for target in (reference.tag, reference.digest) if target]
    held = (store.manifest(name, target) for name in names for target in targets)
    return list(dict.fromkeys(each.digest for each in held if each is not None))
