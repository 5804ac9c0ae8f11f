"""``serve --push-to``: what was acknowledged is never lost, and what was not is never seen in part.

Clients push, move tags and delete, while garbage is collected all the time; the server is killed at any instant and
started again, several times. Holds after each start: every tag stands for what was acknowledged last, or for what was
being pushed when the server died; what a tag stands for is all there, byte for byte; every file among the blobs hashes
to its name, and what the database names is among them; nothing is left of files that were being written. At the end
the clients finish, all is as they want it, and a collection leaves exactly what their tags lead to.
"""

import hashlib
import http.client
import json
import signal
import sqlite3
import threading
from contextlib import closing
from pathlib import Path
from random import Random

from faults import messages
from faults.command import packhorse
from faults.rounds import Broken, Round
from faults.served import Served
from packhorse.base.errors import NetworkError, PackhorseError
from packhorse.base.events import NullReporter
from packhorse.bundle.sources import BytesSource
from packhorse.oci.copy import Root, copy_graph
from packhorse.oci.digest import Digest
from packhorse.oci.distribution_client import RegistryClient
from packhorse.oci.model import Descriptor
from packhorse.oci.registry_settings import RegistrySettings
from packhorse.oci.retry import RetryPolicy
from tests.support.packages import Upstream

__all__ = ["RegistryRounds"]

_CLIENTS = 2
_KILLS = 3
_TAGS = ("1", "2", "latest")
_LATEST_SECONDS = 0.6
_PATIENCE_SECONDS = 30.0
_ACCEPTED, _OK, _NOT_FOUND = 202, 200, 404


class RegistryRounds:
    """Rounds of a registry that is killed while it takes pushes."""

    def __init__(self, folder: Path) -> None:
        """Make it; every round has a folder of its own."""

    def play(self, turn: Round) -> str:
        """Push, kill and look several times, then push in peace."""
        random = turn.random()
        store = turn.folder / "store"
        clients = [_Client(f"team/app{number}", number) for number in range(_CLIENTS)]
        for _ in range(_KILLS):
            self._killed(turn.folder, store, clients, random)
        served = self._start(turn.folder, store, clients)
        for client in clients:
            client.finish(served.port)
            client.check(served.port)
        if code := served.stop(signal.SIGTERM):
            raise Broken(f"the server that was told to stop ended with {code}\n{served.log}")
        freed = self._collect(turn.folder, store, clients)
        done = sum(client.steps for client in clients)
        return f"{done} steps acknowledged before {_KILLS} kills, {freed} files collected at the end"

    def close(self) -> None:
        """Do nothing: each round ends what it has begun."""

    def _collect(self, folder: Path, store: Path, clients: "list[_Client]") -> int:
        """Collect all garbage: what is wanted stays, and nothing else does."""
        blobs = store / "blobs" / "sha256"
        before = len(list(blobs.iterdir()))
        messages.must_succeed(packhorse(["store", "gc", str(store), "--grace", "0s"], folder), "the collection")
        served = self._start(folder, store, clients)
        reached = set().union(*(client.check(served.port) for client in clients))
        served.stop(signal.SIGTERM)
        if left := {path.name for path in blobs.iterdir()} - reached:
            raise Broken(f"nothing leads to {len(left)} files that were not collected: {min(left)}")
        return before - len(reached)

    def _killed(self, folder: Path, store: Path, clients: "list[_Client]", random: Random) -> None:
        served = self._start(folder, store, clients)
        stop = threading.Event()
        seeds = [random.random() for _ in clients]
        threads = [
            threading.Thread(target=client.work, args=(served.port, Random(seed), stop))
            for client, seed in zip(clients, seeds, strict=True)
        ]
        for thread in threads:
            thread.start()
        stop.wait(random.uniform(0.02, _LATEST_SECONDS))
        served.send(signal.SIGKILL)
        stop.set()
        for thread in threads:
            thread.join(_PATIENCE_SECONDS)
        served.stop(signal.SIGKILL)
        for client in clients:
            if client.problem is not None:
                raise client.problem

    def _start(self, folder: Path, store: Path, clients: "list[_Client]") -> Served:
        """Start the server, and hold what it has against what it should have."""
        arguments = ["--push-to", str(store), "--anonymous-push", "--gc-every", "1s", "--gc-grace", "1h"]
        served = Served(folder, arguments)
        if not served.port:
            raise Broken(f"the server did not start\n{served.ended().err}")
        try:
            self._check_files(store)
            for client in clients:
                client.check(served.port)
        except BaseException:
            served.stop(signal.SIGKILL)
            raise
        return served

    @staticmethod
    def _check_files(store: Path) -> None:
        for path in (store / "blobs" / "sha256").iterdir():
            if hashlib.sha256(path.read_bytes()).hexdigest() != path.name:
                raise Broken(f"{path.name} among the blobs has other bytes")
        with closing(sqlite3.connect(store / "packhorse.db")) as names:
            members = names.execute("SELECT DISTINCT digest, size FROM members").fetchall()
        for digest, size in members:
            path = store / "blobs" / digest.replace(":", "/")
            if not path.is_file() or path.stat().st_size != size:
                raise Broken(f"a repository has {digest}, and the store does not")
        if left := [path.name for path in (store / "incoming").iterdir()]:
            raise Broken(f"left of what was being written: {', '.join(left)}")


class _Client:
    """Pushes into one repository of its own, and remembers what was acknowledged."""

    def __init__(self, name: str, seed: int) -> None:
        self._name = name
        self._upstream = Upstream(seed)
        self._tags: dict[str, set[str | None]] = {tag: {None} for tag in _TAGS}
        """What each tag may stand for: one thing, and while it is changed another, too; None is nothing."""
        self.steps = 0
        self.problem: Exception | None = None
        """Why it could not work, though the server was not killed."""

    def work(self, port: int, random: Random, stop: threading.Event) -> None:
        """Push and delete until the server is gone."""
        while not stop.is_set():
            tag = random.choice(_TAGS)
            try:
                # Now and then it is taken away.
                self._step(port, tag, None if random.random() < 0.2 else self._image())  # noqa: PLR2004
            except (NetworkError, OSError, http.client.HTTPException):
                return  # the server was killed, or did not speak in time: that shows when it is started again
            except (PackhorseError, Broken) as error:
                self.problem = error
                return
            self.steps += 1

    def finish(self, port: int) -> None:
        """Make every tag stand for something, and all of them known."""
        for tag in _TAGS:
            try:
                self._step(port, tag, self._image())
            except PackhorseError as error:
                raise Broken(f"{self._name}:{tag} could not be pushed in peace: {error}") from error

    def check(self, port: int) -> set[str]:
        """Hold what the registry shows against what was acknowledged; return the names of all files it needs."""
        reached: set[str] = set()
        for tag, allowed in self._tags.items():
            status, content = self._ask(port, "GET", f"manifests/{tag}")
            if status not in {_OK, _NOT_FOUND}:
                raise Broken(f"{self._name}:{tag} leads to what cannot be read: status {status}")
            found = f"sha256:{hashlib.sha256(content).hexdigest()}" if status == _OK else None
            if found not in allowed:
                raise Broken(f"{self._name}:{tag} is {found}; acknowledged was one of {sorted(map(str, allowed))}")
            self._tags[tag] = {found}
            if found is not None:
                reached |= {found.removeprefix("sha256:"), *self._check_below(port, content)}
        return reached

    def _image(self) -> Descriptor:
        """Make an index of two images that nobody has yet, but for one layer."""
        return self._upstream.index(*(self._upstream.manifest(each, size=300_000) for each in ("amd64", "arm64")))

    def _step(self, port: int, tag: str, image: Descriptor | None) -> None:
        wanted = None if image is None else str(image.digest)
        self._tags[tag].add(wanted)
        if image is None:
            status, _ = self._ask(port, "DELETE", f"manifests/{tag}")
            if status not in {_ACCEPTED, _NOT_FOUND}:
                raise Broken(f"{self._name}:{tag} could not be deleted: status {status}")
        else:
            with RegistryClient(RegistrySettings(retry=RetryPolicy(tries=1))) as client:
                target = client.repository(f"127.0.0.1:{port}/{self._name}", direct=True)
                source = BytesSource(self._upstream.blobs.content)
                copy_graph(source, target, [Root(image, (tag,))], workers=2, reporter=NullReporter())
        self._tags[tag] = {wanted}

    def _check_below(self, port: int, content: bytes) -> set[str]:
        node = json.loads(content)
        reached = set()
        for part in (*node.get("layers", ()), *([node["config"]] if "config" in node else ())):
            self._check_content(port, f"blobs/{part['digest']}", part["digest"])
            reached.add(part["digest"].removeprefix("sha256:"))
        for child in node.get("manifests", ()):
            below = self._check_content(port, f"manifests/{child['digest']}", child["digest"])
            reached |= {child["digest"].removeprefix("sha256:"), *self._check_below(port, below)}
        return reached

    def _check_content(self, port: int, path: str, digest: str) -> bytes:
        status, content = self._ask(port, "GET", path)
        if status != _OK or content != self._upstream.blobs.content[Digest(digest)]:
            raise Broken(f"{self._name} should have {digest}: status {status}, {len(content)} bytes")
        return content

    def _ask(self, port: int, method: str, path: str) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_PATIENCE_SECONDS)
        try:
            connection.request(method, f"/v2/{self._name}/{path}")
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()
