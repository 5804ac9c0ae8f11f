"""A real Kubernetes API for tests that ask for it, where its programs are there.

They are looked for in ``PACKHORSE_E2E_BIN``, else in ``.cache/e2e/bin`` of the project, where ``make e2e`` builds them.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["running_api_server", "why_not"]

_PROGRAMS = ("etcd", "kube-apiserver", "kube-controller-manager")
_ROOT = Path(__file__).parents[2]


def program_folder() -> Path:
    """Return where the programs are, or would be."""
    named = os.environ.get("PACKHORSE_E2E_BIN")
    if named:
        return Path(named)
    built = _ROOT / ".cache" / "e2e" / "bin"
    # One folder for each set of sources; the newest is what was built last.
    folders = sorted((path for path in built.glob("*") if path.is_dir()), key=lambda path: path.stat().st_mtime)
    return folders[-1] if folders else built


def why_not() -> str:
    """Why no API server can be had here; empty when it can."""
    folder = program_folder()
    missing = [name for name in _PROGRAMS if not (folder / name).exists()]
    if missing:
        return f"no {', '.join(missing)} in {folder}; make e2e builds them"
    return "" if shutil.which("setpriv") else "no setpriv on PATH (util-linux)"


@contextmanager
def running_api_server(state: Path) -> Iterator[Path]:
    """Run etcd, the API server and its controllers, and give the administrator's kubeconfig."""
    # Only where it is used: the cluster's own needs (certificates) are not everybody's.
    from e2e.cluster.api_server import ApiServer  # noqa: PLC0415

    with ApiServer(program_folder(), state, controllers=True) as server:
        yield server.kubeconfig
