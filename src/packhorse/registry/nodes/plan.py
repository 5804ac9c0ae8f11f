"""From a runtime, a mirror and the files that are there to a plan of changes; nothing is written."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from packhorse.base.errors import ConfigError, UsageError
from packhorse.registry.nodes import registries_yaml
from packhorse.registry.nodes.hosts_toml import CA_FILE, DEFAULT_FOLDER, HOSTS_FILE, render_hosts_toml
from packhorse.registry.nodes.model import BACKUP_SUFFIX, FileChange, Mirror, NodePlan, Runtime, is_ours
from packhorse.registry.nodes.registries_conf import mirror_host, render_registries_conf

__all__ = ["NodePaths", "Read", "plan_mirror", "plan_removal"]

Read = Callable[[Path], bytes | None]
"""Returns the content of a file; None where there is none."""

_CONFIG_FOLDERS = {
    Runtime.CONTAINERD: "/etc/containerd/certs.d",
    Runtime.K3S: "/etc/rancher/k3s",
    Runtime.RKE2: "/etc/rancher/rke2",
    Runtime.CRIO: "/etc/containers",
    Runtime.PODMAN: "/etc/containers",
}
_RESTART = {
    Runtime.K3S: "systemctl restart k3s (on agents: k3s-agent)",
    Runtime.RKE2: "systemctl restart rke2-server (on agents: rke2-agent)",
    Runtime.CRIO: "systemctl reload crio",
}


@dataclass(frozen=True, slots=True)
class NodePaths:
    """Where a runtime's settings lie.

    ``folder`` is the folder as the runtime sees it, ``root`` what stands before it while we write: a node's file
    system mounted somewhere, or ``/``.
    """

    runtime: Runtime
    folder: Path
    root: Path = Path("/")

    @classmethod
    def usual(cls, runtime: Runtime, *, root: Path = Path("/"), folder: Path | None = None) -> "NodePaths":
        """Return the runtime's own folder, or the one that is named."""
        return cls(runtime, folder or Path(_CONFIG_FOLDERS[runtime]), root)

    def here(self, path: Path) -> Path:
        """Return where we find a path of the node."""
        return self.root / path.relative_to(path.anchor)

    @property
    def settings(self) -> Path:
        """The file that says where images come from."""
        if self.runtime is Runtime.CONTAINERD:
            return self.folder / DEFAULT_FOLDER / HOSTS_FILE
        if self.runtime in (Runtime.K3S, Runtime.RKE2):
            return self.folder / "registries.yaml"
        return self.folder / "registries.conf.d" / "50-packhorse.conf"

    def ca(self, host: str | None) -> Path | None:
        """The file for the mirror's certificates; None where its name depends on a mirror that is not known."""
        if self.runtime is Runtime.CONTAINERD:
            return self.folder / DEFAULT_FOLDER / CA_FILE
        if self.runtime in (Runtime.K3S, Runtime.RKE2):
            return self.folder / CA_FILE
        # These runtimes find certificates by the registry's host, and name their files as they like.
        return self.folder / "certs.d" / host / CA_FILE if host is not None else None


def plan_mirror(
    paths: NodePaths, mirror: Mirror, upstreams: Sequence[str], read: Read, *, force: bool = False
) -> NodePlan:
    """Plan what makes a runtime pull everything from the mirror.

    Args:
        paths: The runtime and its folder.
        mirror: The site's registry.
        upstreams: Registry hosts that images are named after; only CRI-O and Podman need them.
        read: Reads the node's files.
        force: Put our file in the place of one that somebody else wrote, which is kept beside it.

    Raises:
        ConfigError: There is a file that is not ours, and ``force`` is not given.
        UsageError: The runtime keeps its logins elsewhere.
    """
    if mirror.login is not None and paths.runtime in (Runtime.CRIO, Runtime.PODMAN):
        raise UsageError(
            f"{paths.runtime.value} keeps its logins itself",
            hint=f"podman login {mirror.host}; CRI-O reads the file of its global_auth_file",
        )
    ca_path = paths.ca(mirror.host) if mirror.ca is not None else None
    ca_on_node = str(ca_path) if ca_path is not None else None
    changes = []
    if paths.runtime in (Runtime.K3S, Runtime.RKE2):
        changes += [
            _merged(paths, mirror, ca_on_node, read, force=force),
            _whole(paths, paths.folder / registries_yaml.DROP_IN, registries_yaml.render_drop_in(), read, force=force),
        ]
    elif paths.runtime is Runtime.CONTAINERD:
        changes.append(_whole(paths, paths.settings, render_hosts_toml(mirror, ca_on_node), read, force=force))
        changes[-1] = replace(changes[-1], secret=mirror.login is not None)
    else:
        content = render_registries_conf(mirror, upstreams)
        changes.append(_whole(paths, paths.settings, content, read, force=force))
    if ca_path is not None:
        # The certificates first: settings that name a missing file would break pulls between the two writes.
        changes.insert(0, FileChange(paths.here(ca_path), read(paths.here(ca_path)), mirror.ca))
    return NodePlan(paths.runtime, tuple(changes), _RESTART.get(paths.runtime), _notes(paths, upstreams))


def plan_removal(paths: NodePaths, read: Read) -> NodePlan:
    """Plan what takes everything away again that :func:`plan_mirror` brought, and puts back what it kept aside.

    Args:
        paths: The runtime and its folder.
        read: Reads the node's files.
    """
    changes = [_restored(paths, paths.settings, read)]
    if paths.runtime in (Runtime.K3S, Runtime.RKE2):
        changes.append(_restored(paths, paths.folder / registries_yaml.DROP_IN, read))
    ca_path = paths.ca(_present_host(paths, read))
    if ca_path is not None:
        changes.append(FileChange(paths.here(ca_path), read(paths.here(ca_path)), None))
    backups = [_spent_backup(change, read) for change in changes]
    return NodePlan(paths.runtime, (*changes, *(backup for backup in backups if backup)), _RESTART.get(paths.runtime))


def _whole(paths: NodePaths, path: Path, content: bytes, read: Read, *, force: bool) -> FileChange:
    """Plan a file that is wholly ours."""
    present = read(paths.here(path))
    foreign = present is not None and not is_ours(present)
    if foreign and not force:
        message = f"{paths.here(path)} was written by somebody else"
        raise ConfigError(message, hint=f"--force replaces it, and keeps it as {path.name}{BACKUP_SUFFIX}")
    return FileChange(paths.here(path), present, content, backup=foreign)


def _merged(paths: NodePaths, mirror: Mirror, ca_path: str | None, read: Read, *, force: bool) -> FileChange:
    here = paths.here(paths.settings)
    present = read(here)
    content = registries_yaml.add_mirror(present, mirror, ca_path, str(here), force=force)
    rewritten = is_ours(content) and not is_ours(present)
    backup = rewritten and present is not None
    return FileChange(here, present, content, backup=backup, secret=mirror.login is not None)


def _restored(paths: NodePaths, path: Path, read: Read) -> FileChange:
    here = paths.here(path)
    present = read(here)
    if is_ours(present):
        return FileChange(here, present, read(_backup_path(here)))
    if present is not None and here.name == "registries.yaml":
        return FileChange(here, present, registries_yaml.remove_mirror(present))
    return FileChange(here, present, present)


def _spent_backup(change: FileChange, read: Read) -> FileChange | None:
    path = _backup_path(change.path)
    kept = read(path)
    return FileChange(path, kept, None) if kept is not None and change.after == kept else None


def _backup_path(path: Path) -> Path:
    return path.with_name(path.name + BACKUP_SUFFIX)


def _present_host(paths: NodePaths, read: Read) -> str | None:
    """The mirror's host, from our own drop-in of CRI-O and Podman."""
    content = read(paths.here(paths.settings))
    return mirror_host(content) if content is not None and is_ours(content) else None


def _notes(paths: NodePaths, upstreams: Sequence[str]) -> tuple[str, ...]:
    if paths.runtime not in (Runtime.CRIO, Runtime.PODMAN):
        return ()
    names = ", ".join(sorted(upstreams)) or "none"
    return (f"{paths.runtime.value} knows no mirror for everything; it has one for: {names}",)
