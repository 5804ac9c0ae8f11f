"""The tutorial, followed word for word: what ``docs/tutorial.md`` says is typed where it says, and answers as it says.

A block ``sh connected``, ``sh site`` or ``sh node`` is typed into a shell of that place; a block ``text`` has what is
printed, where numbers, digests and the names of pods may be others. The connected machine is the namespace that stands
for the internet, so that no other program's ports are in the way; Debian's packages, which the images are made of, are
fetched before.
"""

import base64
import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from e2e.cluster.cluster import Cluster
from e2e.cluster.internet import Internet
from e2e.cluster.process import wait_until

_PROJECT = Path(__file__).resolve().parents[1]
_TUTORIAL = _PROJECT / "docs" / "tutorial.md"
_BLOCK = re.compile(r"^```(?P<kind>sh (?:connected|site|node)|text)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
# Making the images takes about a minute when nothing is cached.
_BLOCK_SECONDS = 400
_NAMESPACE = "shop"
# What differs from run to run, each made one word: digests, names of pods, numbers.
_VARIABLE = (
    (re.compile(r"sha256:[0-9a-f]{12,}"), "DIGEST"),
    (re.compile(r"\b(api|web)-[0-9a-f]{8,10}-[a-z0-9]{5}\b"), r"\1-POD"),
    (re.compile(r"\d+(?:[.:-]\d+)*"), "N"),
    (re.compile(r"\s+"), " "),
)


def blocks() -> list[tuple[str, str]]:
    """Give the kind of each block of the tutorial, in their order (a place, or ``text``), and what is in it."""
    page = _TUTORIAL.read_text(encoding="utf-8")
    return [(found["kind"].removeprefix("sh "), found["text"]) for found in _BLOCK.finditer(page)]


def comparable(line: str) -> str:
    """Give a printed line without what differs from run to run."""
    for pattern, word in _VARIABLE:
        line = pattern.sub(word, line)
    return line.strip()


class Shell:
    """A terminal in one place: what is typed into it shares its variables and its folder, and ends with it."""

    def __init__(self, enter: Sequence[str], environment: Mapping[str, str], folder: Path, log: Path) -> None:
        """Start it; ``enter`` is put in front to reach the place."""
        self.log = log
        self._typed = 0
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", *enter, "bash", "-e"],
                cwd=folder,
                env=environment,
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                text=True,
                start_new_session=True,
            )

    def type(self, text: str) -> None:
        """Type ``text`` and wait until it is done; a command that fails is an AssertionError with all that was said."""
        self._typed += 1
        done = f"-- typed {self._typed} --"
        encoded = base64.b64encode(text.encode()).decode()
        pipe = self._process.stdin
        assert pipe is not None
        pipe.write(f'eval "$(echo {encoded} | base64 -d)" </dev/null; echo "{done}"\n')
        pipe.flush()
        ended = f"this to be typed:\n{text}"
        wait_until(
            lambda: done in self.said() or self._process.poll() is not None, ended, timeout_seconds=_BLOCK_SECONDS
        )
        assert done in self.said(), f"failed:\n{text}\nIt said:\n{self.said()}"
        if re.search(r"^packhorse serve .*&$", text, re.MULTILINE):
            begun = len(re.findall(r"^packhorse serve .*&$", text, re.MULTILINE))
            wait_until(lambda: self.said().count("Serving ") >= begun, "packhorse serve", timeout_seconds=20)

    def said(self) -> str:
        """Give all that was printed so far."""
        return self.log.read_text(encoding="utf-8", errors="replace")

    def close(self) -> None:
        """End it with all that was started from it."""
        with contextlib.suppress(ProcessLookupError):  # a command that failed has ended it
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait(10)
        if self._process.stdin is not None:
            self._process.stdin.close()


@pytest.fixture
def shells(cluster: Cluster, internet: Internet, tmp_path: Path) -> Iterator[dict[str, Shell]]:
    """The three terminals; afterwards the cluster and its node are as before."""
    for place in ("home", "site"):
        (tmp_path / place).mkdir()
    programs = f"{Path(sys.executable).parent}:{_PROJECT / '.cache' / 'tools' / 'bin'}"
    common = {
        "PATH": f"{programs}:{os.environ['PATH']}:/usr/sbin:/sbin",
        "LANG": "C.UTF-8",
        "HOME": str(tmp_path / "home"),
    }
    at_site = {**common, "HOME": str(tmp_path / "site"), "KUBECONFIG": str(cluster.kubeconfig)}
    made = {
        "connected": Shell(internet.command(), common, _PROJECT, tmp_path / "connected.log"),
        "site": Shell(cluster.site_command(), at_site, tmp_path / "site", tmp_path / "site.log"),
        "node": Shell(cluster.node_command(), common, _PROJECT, tmp_path / "node.log"),
    }
    try:
        yield made
    finally:
        for shell in made.values():
            shell.close()
        cluster.run_in_node(Path(sys.executable).with_name("packhorse"), "node", "mirror", "--remove")
        cluster.remove_namespace(_NAMESPACE)
        cluster.forget_images()


@pytest.fixture
def packages() -> None:
    """Everything that making the images takes from the network is in the cache."""
    for name, folder in (("shop", "internet"), ("shop-1.1", "internet-1.1")):
        made = _PROJECT / ".cache" / folder
        subprocess.run([sys.executable, "-m", "corpus", name, "--out", made], cwd=_PROJECT, check=True)


@pytest.mark.usefixtures("packages")
def test_the_tutorial_does_what_it_says(cluster: Cluster, shells: dict[str, Shell], tmp_path: Path) -> None:
    before = cluster.escape_attempts()
    place = "connected"
    typed = 0
    for kind, written in blocks():
        text = written.replace("10.0.0.5", cluster.node_address)
        if kind == "text":
            check_output(text, shells[place].said())
            continue
        place = kind
        if place == "site":
            carry(tmp_path / "home" / "shop", tmp_path / "site")
        shells[place].type(text)
        typed += 1
    assert typed > 15
    assert cluster.escape_attempts() == before


def carry(author: Path, site: Path) -> None:
    """Bring every bundle that is new to the site, on a medium that cannot be written to."""
    for bundle in author.glob("*.bundle.tar"):
        carried = site / bundle.name
        if not carried.exists():
            shutil.copyfile(bundle, carried)
            carried.chmod(0o444)


def check_output(written: str, said: str) -> None:
    """Hold what the page shows against what was printed. Lines with ``…`` are cut; ◌ comes and goes with the time."""
    printed = {comparable(line) for line in said.splitlines()}
    wanted = [line for line in written.splitlines() if line.strip() and "…" not in line and "◌" not in line]
    missing = [line for line in wanted if comparable(line) not in printed]
    assert not missing, f"the tutorial shows what was not printed: {missing}\nIt said:\n{said}"
