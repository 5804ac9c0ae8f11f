"""The main job from end to end with embedded parts only: what ``make demo`` runs.

It makes the images of ``examples/demo`` out of real programs, locks, builds, verifies, serves the bundle in place,
pulls every image back over HTTP and checks each digest, and plans the deployment. With ``KUBECONFIG`` set it deploys
too, from the address in ``PACKHORSE_DEMO_LISTEN`` that the nodes pull from (see ``packhorse node mirror``).
"""

import hashlib
import http.client
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

_TREE = Path(__file__).parents[1]
_WORK = _TREE / ".cache" / "demo"
_BIN = Path(sys.executable).parent
_PACKHORSE = str(_BIN / "packhorse")
_BUNDLE = "noticeboard-1.0.0.bundle.tar"
_MIB = 1024 * 1024
_PIECE = 1024 * 1024
_INDEXES = ("application/vnd.oci.image.index.v1+json", "application/vnd.docker.distribution.manifest.list.v2+json")
_ACCEPT = ", ".join(
    (
        *_INDEXES,
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.docker.distribution.manifest.v2+json",
    )
)


class DemoError(Exception):
    """A step did not do what it should."""


@dataclass
class Report:
    """What was done, for the end."""

    lines: list[tuple[str, float, int]] = field(default_factory=list)

    @contextmanager
    def step(self, title: str) -> Iterator[list[int]]:
        """Say that a step begins, and remember how long it took; the list takes the bytes that it moved."""
        print(f"\n\033[1m{title}\033[0m" if sys.stdout.isatty() else f"\n{title}", flush=True)
        moved: list[int] = []
        begun = time.monotonic()
        yield moved
        self.lines.append((title, time.monotonic() - begun, sum(moved)))

    def show(self) -> None:
        """Print all steps with their times and bytes."""
        print("\nWhat was done")
        for title, seconds, moved in self.lines:
            amount = f"{moved / _MIB:8.1f} MiB" if moved else " " * 12
            print(f"  {title:44} {seconds:7.2f} s  {amount}")


def main() -> int:
    """Run the demo, and return the exit code."""
    report = Report()
    begun = time.monotonic()
    try:
        root = _run(report)
    except (DemoError, subprocess.CalledProcessError, OSError) as error:
        print(f"The demo failed: {error}", file=sys.stderr)
        return 1
    report.show()
    print(f"\nAll of it worked, in {time.monotonic() - begun:.1f} s. The bundle: {_WORK / _BUNDLE}\nroot  {root}")
    return 0


def _run(report: Report) -> str:
    bundle = _WORK / _BUNDLE
    with report.step("Make the images from real programs") as moved:
        _make_package()
        moved.append(_size_of(_WORK / "images"))
    with report.step("Lock: find every image, pin every reference"):
        _packhorse("lock", "--strict")
    with report.step("Build the bundle") as moved:
        bundle.unlink(missing_ok=True)
        _packhorse("build", "--output", str(bundle))
        moved.append(bundle.stat().st_size)
    root = _inspect(bundle)["root"]
    with report.step("Verify every byte of it") as moved:
        _packhorse("verify", str(bundle), "--root", root)
        moved.append(bundle.stat().st_size)
    with _serving(bundle) as url:
        with report.step("Serve it in place, pull every image over HTTP") as moved:
            moved.extend(_pull(url, image) for image in _inspect(bundle)["packages"][0]["images"])
        kubeconfig = os.environ.get("KUBECONFIG")
        with report.step("Plan the deployment"):
            _packhorse("plan", str(bundle), *([] if kubeconfig else ["--offline"]))
        if kubeconfig:
            with report.step("Deploy it"):
                _packhorse("deploy", str(bundle))
                _packhorse("status", "noticeboard")
        else:
            print("No KUBECONFIG is set, so nothing is deployed.")
    return str(root)


def _make_package() -> None:
    """Copy the example into a folder of its own, with its images in a layout beside it."""
    images = _WORK / "images"
    for path in (_WORK / "charts", _WORK / "manifests", _WORK / "values"):
        shutil.rmtree(path, ignore_errors=True)
    shutil.copytree(
        _TREE / "examples" / "demo", _WORK, dirs_exist_ok=True, ignore=shutil.ignore_patterns("images", "*.bundle.tar*")
    )
    _command([sys.executable, "-m", "corpus", "demo", "--out", str(images)], _TREE)


def _packhorse(*arguments: str) -> None:
    print(f"$ packhorse {' '.join(arguments)}".replace(str(_WORK) + "/", ""), flush=True)
    _command([_PACKHORSE, *arguments], _WORK)


def _command(arguments: Sequence[str], folder: Path) -> None:
    subprocess.run(arguments, cwd=folder, check=True, stdin=subprocess.DEVNULL)


def _inspect(bundle: Path) -> dict[str, Any]:
    done = subprocess.run(
        [_PACKHORSE, "inspect", str(bundle), "--output", "json"], check=True, capture_output=True, text=True
    )
    return dict(json.loads(done.stdout))


@contextmanager
def _serving(bundle: Path) -> Iterator[str]:
    listen = os.environ.get("PACKHORSE_DEMO_LISTEN", "127.0.0.1:0")
    command = [_PACKHORSE, "serve", str(bundle), "--listen", listen]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True)
    try:
        line = server.stdout.readline() if server.stdout is not None else ""
        if " at " not in line:
            raise DemoError("packhorse serve did not start")
        yield line.split(" at ", 1)[1].split(" ", 1)[0]
    finally:
        server.terminate()
        server.wait(20)


def _pull(url: str, image: dict[str, Any]) -> int:
    """Pull all that the bundle has of one image, and return how many bytes."""
    name, digest = str(image["name"]), str(image["digest"])
    host, _, rest = name.partition("/")
    repository, _, tag = rest.rpartition(":")
    base = f"{url}/v2/{repository}"
    index = _get(f"{base}/manifests/{tag}?ns={host}", digest)
    pulled = len(index)
    platforms = image["platforms"]
    for platform in platforms:
        manifest = _get(f"{base}/manifests/{platform['digest']}?ns={host}", platform["digest"])
        parsed = json.loads(manifest)
        pulled += len(manifest)
        for blob in (parsed["config"], *parsed["layers"]):
            pulled += _check_blob(f"{base}/blobs/{blob['digest']}?ns={host}", blob["digest"], blob["size"])
    print(f"  {name}: {len(platforms)} platforms, {pulled / _MIB:.1f} MiB, every digest is right", flush=True)
    return pulled


def _get(url: str, digest: str) -> bytes:
    content = b"".join(_stream(url))
    if f"sha256:{hashlib.sha256(content).hexdigest()}" != digest:
        raise DemoError(f"{url}: expected {digest}, got other bytes")
    return content


def _check_blob(url: str, digest: str, size: int) -> int:
    hasher = hashlib.sha256()
    pulled = 0
    for piece in _stream(url):
        hasher.update(piece)
        pulled += len(piece)
    if f"sha256:{hasher.hexdigest()}" != digest or pulled != size:
        raise DemoError(f"{url}: expected {digest} with {size} bytes, got other bytes")
    return pulled


def _stream(url: str) -> Iterator[bytes]:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=30)
    try:
        connection.request("GET", f"{parts.path}?{parts.query}", headers={"Accept": _ACCEPT})
        answer = connection.getresponse()
        if answer.status != http.HTTPStatus.OK:
            raise DemoError(f"{url}: HTTP {answer.status}")
        while piece := answer.read(_PIECE):
            yield piece
    finally:
        connection.close()


def _size_of(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


if __name__ == "__main__":
    sys.exit(main())
