"""Carrying out a plan of file changes: each file is replaced whole, and what somebody else wrote is kept beside it."""

from pathlib import Path

from packhorse.base.errors import PackhorseError
from packhorse.base.unfinished import new_file
from packhorse.registry.nodes.model import BACKUP_SUFFIX, FileChange, NodePlan

__all__ = ["apply", "read_file"]

_MAX_SETTINGS_BYTES = 16 * 1024 * 1024


def read_file(path: Path) -> bytes | None:
    """Read a file of settings; None where there is none.

    Raises:
        PackhorseError: It cannot be read, or is too large to be one.
    """
    try:
        with path.open("rb") as file:
            content = file.read(_MAX_SETTINGS_BYTES + 1)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        message = f"{path} cannot be read: {error.strerror}"
        raise PackhorseError(message) from error
    if len(content) > _MAX_SETTINGS_BYTES:
        message = f"{path} has more than {_MAX_SETTINGS_BYTES} bytes, which no file of settings has"
        raise PackhorseError(message)
    return content


def apply(plan: NodePlan) -> None:
    """Carry out a plan; doing it twice does nothing the second time.

    Raises:
        PackhorseError: A file cannot be written, or is not what it was when the plan was made.
    """
    for change in plan.pending:
        if read_file(change.path) != change.before:
            message = f"{change.path} was changed by somebody else just now; nothing further was written"
            raise PackhorseError(message, hint="run it again")
        try:
            _carry_out(change)
        except OSError as error:
            message = f"{change.path} cannot be written: {error.strerror}"
            raise PackhorseError(message, hint="are you root?" if error.errno in (1, 13) else None) from error


def _carry_out(change: FileChange) -> None:
    if change.after is None:
        change.path.unlink()
        _remove_empty(change.path.parent)
        return
    change.path.parent.mkdir(parents=True, exist_ok=True)
    if change.backup and change.before is not None:
        _write(change.path.with_name(change.path.name + BACKUP_SUFFIX), change.before, _mode(change.path))
    _write(change.path, change.after, 0o600 if change.secret else _mode(change.path))


def _mode(path: Path) -> int:
    try:
        return path.stat().st_mode & 0o777
    except FileNotFoundError:
        return 0o644


def _write(path: Path, content: bytes, mode: int) -> None:
    with new_file(path, mode) as file:
        file.write(content)


def _remove_empty(folder: Path) -> None:
    """Remove a folder that only held what we wrote; one with anything else in it stays."""
    if folder.name in ("_default", "config.yaml.d") or folder.parent.name == "certs.d":
        try:
            folder.rmdir()
        except OSError:
            return
