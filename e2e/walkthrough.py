"""A page followed word for word: what it says is typed where it says, and answers as it says.

A block ``sh connected``, ``sh site``, ``sh client`` or ``sh node`` is typed into a terminal of that place; a block
``text`` has what is printed, where numbers, digests, durations and the names of pods may be others. A block
``sh systemd`` is for a node
that systemd runs, which the bed's node is not: :mod:`e2e.systemd` does with the units what it can. The namespace that
stands for the internet is the connected side too, so that no other program's ports are in the way; what the images are
made of is fetched before.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from e2e.cluster.cluster import Cluster
from e2e.cluster.internet import Internet
from e2e.cluster.toolchain import find_go
from e2e.systemd import UnitRunner
from e2e.terminal import Terminal

__all__ = ["CACHE", "Check", "Page", "Walk", "check_output"]

_PROJECT = Path(__file__).resolve().parents[1]
CACHE = _PROJECT / ".cache"
_PACKHORSE = Path(sys.executable).with_name("packhorse")
_BLOCK = re.compile(
    r"^```(?P<kind>sh (?:connected|site|client|node|systemd)|text)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL
)
_COMMANDS = re.compile(r"^ *```(?:sh|bash|shell|console)\b", re.MULTILINE)
# Where a page's commands find the machine that serves, and where a node has what was carried to it.
_SERVER = "10.0.0.5"
_NODE_FOLDER = "/tmp"
# What differs from run to run, each made one word: digests, names of pods, durations, numbers.
_VARIABLE = (
    (re.compile(r"sha256:[0-9a-f]{12,}"), "DIGEST"),
    (re.compile(r"\b([a-z][a-z0-9-]*?)-[0-9a-f]{8,10}-[a-z0-9]{5}\b"), r"\1-POD"),
    (re.compile(r"\b(?:\d+[dhms])+\b"), "DURATION"),
    (re.compile(r"\d+(?:[.:-]\d+)*"), "N"),
    (re.compile(r"\s+"), " "),
)


@dataclass(frozen=True)
class Page:
    """A page, and what must be known about it besides."""

    path: Path
    sets: tuple[str, ...]
    """Of the corpus: what the page makes."""
    release: str
    """What is deployed: also the folder in the author's home where its package is."""
    namespaces: tuple[str, ...]
    """What it makes in the cluster."""

    def blocks(self) -> list[tuple[str, str]]:
        """Give the kind of each block, in their order (a place, or ``text``), and what is in it.

        Raises:
            AssertionError: A block of commands names no place, and so would be passed over.
        """
        page = self.path.read_text(encoding="utf-8")
        found = [(block["kind"].removeprefix("sh "), block["text"]) for block in _BLOCK.finditer(page)]
        commands = len(_COMMANDS.findall(page))
        assert commands == sum(kind != "text" for kind, _ in found), f"{self.path} has commands that name no place"
        return found


Check = Callable[["Walk"], None]


@dataclass
class Walk:
    """The three terminals of one page. As a context it leaves the cluster and its node as they were.

    Attributes:
        folder: A new folder, for the homes of the connected machine and of the site.
    """

    page: Page
    cluster: Cluster
    internet: Internet
    folder: Path
    _terminals: dict[str, Terminal] = field(default_factory=dict)

    def __enter__(self) -> Self:
        """Make what the page makes beforehand, as a place without a network needs it, and open the terminals."""
        for name in self.page.sets:
            command = [sys.executable, "-m", "corpus", name, "--out", str(CACHE / f"internet-{name}")]
            subprocess.run(command, cwd=_PROJECT, env={**os.environ, "PATH": _search_path()}, check=True)
        for place in ("home", "site"):
            (self.folder / place).mkdir()
        self.units = UnitRunner(self.cluster)
        for place, enter, variables, folder in self._places():
            environment = {"PATH": _search_path(), "LANG": "C.UTF-8", **variables}
            self._terminals[place] = Terminal(enter, environment, folder, self.folder / f"{place}.log")
        return self

    def __exit__(self, *_: object) -> None:
        """Close the terminals, and take away what a page that broke off has left."""
        with ExitStack() as stack:
            stack.callback(self.cluster.forget_images)
            for namespace in self.page.namespaces:
                stack.callback(self.cluster.remove_namespace, namespace)
            stack.callback(self._remove_release)
            stack.callback(self.cluster.run_in_node, _PACKHORSE, "node", "mirror", "--remove")
            stack.callback(self.cluster.run_in_node, "sh", "-c", f"rm -f {_NODE_FOLDER}/*.bundle.tar")
            stack.callback(self.units.close)
            for terminal in self._terminals.values():
                stack.callback(terminal.close)

    @property
    def package(self) -> Path:
        """The author's folder, with the lock in it."""
        return self.folder / "home" / self.page.release

    def follow(self, checks: Mapping[str, Check]) -> int:
        """Do what the page says, and return how many blocks were typed.

        Args:
            checks: What is looked at besides, just before the first block with so and so in it is typed.

        Raises:
            AssertionError: A command failed, something was printed that the page does not show, or a check failed.
        """
        left = dict(checks)
        place = "connected"
        typed = 0
        for kind, written in self.page.blocks():
            text = written.replace(_SERVER, self.cluster.node_address)
            if kind == "text":
                check_output(self.page, text, self._terminals[place].said())
                continue
            for word in [word for word in left if word in text]:
                left.pop(word)(self)
            if kind == "systemd":
                self.units.do(text)
            else:
                place = kind
                self._carry(place, text)
                self._terminals[place].type(text)
            typed += 1
        assert not left, f"{self.page.path} has no block with {' or '.join(left)}"
        return typed

    def _places(self) -> Iterator[tuple[str, list[str], dict[str, str], Path]]:
        home, site = self.folder / "home", self.folder / "site"
        # Go's own cache is kept from run to run: it has the standard library, compiled.
        author = {"HOME": str(home), "GOCACHE": str(CACHE / "go-build")}
        yield "connected", self.internet.command(), author, _PROJECT
        at_site = {"HOME": str(site), "KUBECONFIG": str(self.cluster.kubeconfig)}
        yield "site", self.cluster.site_command(), at_site, site
        in_folder = ("env", f"--chdir={_NODE_FOLDER}")
        yield "node", self.cluster.node_command(*in_folder), {"HOME": _NODE_FOLDER}, _PROJECT

    def _carry(self, place: str, text: str) -> None:
        """Bring every bundle that is new to the site, and to a node that asks for it; none can be written to."""
        targets = {"site": self.folder / "site"}
        if ".bundle.tar" in text:
            targets["node"] = Path(f"/proc/{self.cluster.first_process}/root{_NODE_FOLDER}")
        if place not in targets:
            return
        for bundle in self.package.glob("*.bundle.tar"):
            carried = targets[place] / bundle.name
            if not carried.exists():
                shutil.copyfile(bundle, carried)
                carried.chmod(0o444)

    def _remove_release(self) -> None:
        arguments = ("remove", self.page.release, "--yes", "--delete-data", "--delete-crds")
        environment = {**os.environ, "PATH": _search_path(), "KUBECONFIG": str(self.cluster.kubeconfig)}
        command = self.cluster.site_command(_PACKHORSE, *arguments)
        subprocess.run(command, env=environment, capture_output=True, check=False)


def check_output(page: Page, written: str, said: str) -> None:
    """Hold what the page shows against what was printed. Lines with ``…`` are cut; ◌ comes and goes with the time."""
    printed = {comparable(line) for line in said.splitlines()}
    wanted = [line for line in written.splitlines() if line.strip() and "…" not in line and "◌" not in line]
    missing = [line for line in wanted if comparable(line) not in printed]
    assert not missing, f"{page.path} shows what was not printed: {missing}\nIt said:\n{said}"


def comparable(line: str) -> str:
    """Give a printed line without what differs from run to run."""
    for pattern, word in _VARIABLE:
        line = pattern.sub(word, line)
    return line.strip()


def _search_path() -> str:
    programs = (Path(sys.executable).parent, CACHE / "tools" / "bin", find_go(CACHE).parent)
    return ":".join([*map(str, programs), os.environ["PATH"], "/usr/sbin", "/sbin"])
