"""The how-to of a registry for a site, typed word for word, with the real programs that it names.

All places are one network namespace without a road out, with mounts of its own: so the page's port is free, its host
has a name, and what it puts under ``/etc`` and ``/srv`` is nobody else's.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from e2e.cluster.images import ProgramImage, write_archive
from e2e.cluster.process import wait_until
from e2e.journey import PROJECT
from e2e.terminal import Terminal
from e2e.walkthrough import CACHE, Page, check_output

_PAGE = Page(PROJECT / "docs" / "how-to" / "registry-for-a-site.md", (), "", ())
_HOST = "registry.site.example"
_FOLDERS = ("/srv", "/etc/docker", "/etc/containerd", "/run", "/var/lib")
_CONTAINERD = """\
version = 3
disabled_plugins = ["io.containerd.cri.v1.images", "io.containerd.cri.v1.runtime", "io.containerd.grpc.v1.cri"]
"""

pytestmark = pytest.mark.skipif(shutil.which("docker") is None, reason="the page logs in with docker")


class Site:
    """The namespace, and a terminal for each place in it."""

    def __init__(self, folder: Path, bin_dir: Path) -> None:
        self._folder = folder
        self._bin_dir = bin_dir
        self._terminals: dict[str, Terminal] = {}
        home = folder / "home"
        home.mkdir()
        self._home = home
        self._holder = subprocess.Popen(
            [
                "setpriv",
                "--pdeathsig",
                "KILL",
                "unshare",
                "--net",
                "--mount",
                "--propagation",
                "private",
                "sleep",
                "900",
            ]
        )
        wait_until(self._is_apart, "a namespace", timeout_seconds=10)
        hosts = folder / "hosts"
        hosts.write_text(f"127.0.0.1 localhost {_HOST}\n")
        self.run("ip", "link", "set", "lo", "up")
        self.run("mount", "--bind", str(hosts), "/etc/hosts")
        for path in _FOLDERS:
            self.run("sh", "-c", f"mkdir -p {path} && mount -t tmpfs tmpfs {path}")

    def start_containerd(self) -> None:
        """Run a containerd whose folders are the namespace's own."""
        config = self._folder / "containerd.toml"
        config.write_text(_CONTAINERD)
        terminal = self.terminal("node")
        terminal.type(f"containerd --config {config} >{self._folder}/containerd.log 2>&1 &")
        ready = "for i in $(seq 100); do ctr version >/dev/null 2>&1 && break; sleep 0.1; done; ctr version >/dev/null"
        terminal.type(ready)

    def terminal(self, place: str) -> Terminal:
        """Return the terminal of a place."""
        if place not in self._terminals:
            enter = [*self._enter(), "env", f"--chdir={self._home}"]
            self._terminals[place] = Terminal(enter, self._environment(), self._home, self._folder / f"{place}.log")
        return self._terminals[place]

    def run(self, *command: str) -> str:
        """Run a command in the namespace."""
        done = subprocess.run(
            [*self._enter(), *command], env=self._environment(), capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{command}: {done.stderr}"
        return done.stdout

    def close(self) -> None:
        """End all that runs there."""
        for terminal in self._terminals.values():
            terminal.close()
        self._holder.kill()
        self._holder.wait(10)

    def _enter(self) -> list[str]:
        return ["nsenter", f"--target={self._holder.pid}", "--net", "--mount"]

    def _is_apart(self) -> bool:
        own, its = (Path(f"/proc/{process}/ns/net").readlink() for process in ("self", self._holder.pid))
        return own != its

    def _environment(self) -> Mapping[str, str]:
        programs = (Path(sys.executable).parent, CACHE / "tools" / "bin", self._bin_dir)
        path = ":".join([*map(str, programs), os.environ["PATH"], "/usr/sbin", "/sbin"])
        return {"PATH": path, "HOME": str(self._home), "LANG": "C.UTF-8"}


@pytest.fixture
def site(tmp_path: Path, bin_dir: Path) -> Iterator[Site]:
    made = Site(tmp_path, bin_dir)
    try:
        yield made
    finally:
        made.close()


def test_the_page_does_what_it_says(site: Site, bin_dir: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    write_archive(tmp_path / "app.oci.tar", [ProgramImage("registry.example/team/app:1", bin_dir / "pause")])
    source = f"oci-archive:{tmp_path / 'app.oci.tar'}:registry.example/team/app:1"
    site.run("skopeo", "copy", "--insecure-policy", source, f"docker-archive:{home / 'app.tar'}:team/app:1")
    site.run("sh", "-c", f"cd {home} && helm create shop && helm package shop --version 1.0.0 && rm -r shop")
    site.start_containerd()
    typed = 0
    place = "site"
    for kind, text in _PAGE.blocks():
        if kind == "text":
            check_output(_PAGE, text, site.terminal(place).said())
            continue
        place = kind
        site.terminal(place).type(text)
        typed += 1
    assert typed == 8
    images = site.run("ctr", "images", "list", "--quiet").split()
    assert images == [f"{_HOST}:5000/team/app:1"]
    events = [json.loads(line) for line in site.run("cat", "/srv/registry/audit.log").splitlines()]
    done = [(event["user"], event["repository"]) for event in events if event["outcome"] == "done"]
    assert set(done) == {("ci", "team/app"), ("ci", "team/charts/shop")}
    assert not [event for event in events if event["outcome"] == "refused" and event.get("user")]
