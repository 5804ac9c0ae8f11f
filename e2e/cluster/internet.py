"""What stands for the internet: a namespace with nothing but a registry in it, joined to no other.

::

    with Internet() as internet:
        subprocess.run(internet.command("skopeo", "copy", …, f"docker://{internet.registry}/library/redis:7.2"))
"""

import shutil
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from e2e.cluster.build import CACHE
from e2e.cluster.errors import BedError
from e2e.cluster.network import NetworkNamespace
from e2e.cluster.registry import start_registry
from e2e.cluster.state import new_owner, remove_stale_folders

__all__ = ["Internet"]

_T = TypeVar("_T")
_PORT = 5000


class Internet:
    """A registry (distribution 2, over plain HTTP) on the loopback device of a network namespace of its own."""

    registry = f"127.0.0.1:{_PORT}"

    def __init__(self, state_root: Path = CACHE / "state") -> None:
        """Choose where the registry's content lies while it is up; nothing is started yet."""
        self._state_root = state_root
        self.state = state_root / new_owner()
        self._stack = ExitStack()
        self._namespace: NetworkNamespace | None = None

    def __enter__(self) -> Self:
        """Start it, empty.

        Raises:
            BedError: The registry did not start.
        """
        remove_stale_folders(self._state_root)
        try:
            self._start()
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End it, and forget what was pushed."""
        self._namespace = None
        self._stack.close()

    @property
    def log(self) -> Path:
        """The registry's log, with a line for each request."""
        return self.state / "registry.log"

    def command(self, *argv: str | Path) -> list[str]:
        """Return the command line that runs ``argv`` where the registry can be reached, with the machine's files."""
        return self._running().command(*argv)

    def run(self, *argv: str | Path) -> str:
        """Run a program there and return what it printed; :class:`BedError` if it fails."""
        return self._running().run(*argv)

    def call(self, function: Callable[[], _T]) -> _T:
        """Call ``function`` where the registry can be reached, and return its result."""
        return self._running().call(function)

    def _running(self) -> NetworkNamespace:
        if self._namespace is None:
            raise BedError("the internet is not up")
        return self._namespace

    def _start(self) -> None:
        self.state.mkdir(parents=True)
        self._stack.callback(shutil.rmtree, self.state)
        namespace = NetworkNamespace("internet", self.state / "namespace.log")
        self._stack.callback(namespace.close)
        self._stack.callback(start_registry(namespace, self.state, _PORT).kill)
        self._namespace = namespace
