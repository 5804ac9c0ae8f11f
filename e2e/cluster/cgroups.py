"""The control groups that a node's pods live under: one folder in each hierarchy, removed with everything in it."""

from pathlib import Path

from e2e.cluster.errors import BedError
from e2e.cluster.process import wait_until
from e2e.cluster.state import is_stale

__all__ = ["create", "remove", "remove_stale"]

_ROOT = Path("/sys/fs/cgroup")
_PREFIX = "packhorse-e2e-"
_REMOVE_SECONDS = 10.0


def create(owner: str) -> str:
    """Make the groups of the node that ``owner`` runs, and return their path below each hierarchy's root."""
    name = _PREFIX + owner
    for hierarchy in _hierarchies():
        (hierarchy / name).mkdir(exist_ok=True)
        if (hierarchy / "cgroup.subtree_control").exists():
            _delegate(hierarchy)
        if (hierarchy / "cpuset.mems").exists():
            # In the first version of cpuset a new group has no processor and no memory until it is given some.
            for setting in ("cpuset.cpus", "cpuset.mems"):
                (hierarchy / name / setting).write_text((hierarchy / setting).read_text())
    return f"/{name}"


def remove(owner: str) -> None:
    """Remove the groups of a node whose processes have been ended.

    Raises:
        BedError: Some are still in use after ten seconds.
    """
    groups = [hierarchy / (_PREFIX + owner) for hierarchy in _hierarchies()]
    wait_until(
        lambda: not [group for group in groups if not _removed(group)],
        f"the control groups {_PREFIX}{owner} to be empty",
        timeout_seconds=_REMOVE_SECONDS,
    )


def remove_stale() -> None:
    """Remove the groups of nodes whose owners died without doing it."""
    names = {group.name for hierarchy in _hierarchies() for group in hierarchy.glob(_PREFIX + "*")}
    for owner in {name.removeprefix(_PREFIX) for name in names}:
        if is_stale(owner):
            remove(owner)


def _hierarchies() -> list[Path]:
    """List the mounted hierarchies: one with version 2 alone, one for each controller with version 1."""
    if (_ROOT / "cgroup.controllers").exists():
        return [_ROOT]
    found = [path for path in _ROOT.iterdir() if path.is_dir() and not path.is_symlink()]
    if not found:
        raise BedError(f"no control groups are mounted under {_ROOT}; a kubelet cannot run without")
    return sorted(found)


def _delegate(hierarchy: Path) -> None:
    """Let groups below the root have every controller that the root has."""
    available = (hierarchy / "cgroup.controllers").read_text().split()
    (hierarchy / "cgroup.subtree_control").write_text(" ".join(f"+{controller}" for controller in available))


def _removed(group: Path) -> bool:
    """Remove ``group`` and the groups below it as far as that goes now; tell whether it is gone."""
    for folder in sorted(group.rglob("*/"), reverse=True):
        _rmdir(folder)
    return not group.exists() or _rmdir(group)


def _rmdir(folder: Path) -> bool:
    try:
        folder.rmdir()
    except FileNotFoundError:
        return True
    except OSError:  # busy: a process in it is still on its way out
        return False
    return True
