"""Where a person sits and types ``packhorse``: a network, a folder, and the files that are there."""

import os
import shlex
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from e2e.cluster.process import Daemon

__all__ = ["PACKHORSE", "Workplace"]

PACKHORSE = Path(sys.executable).with_name("packhorse")
_TOOLS = Path(__file__).resolve().parents[1] / ".cache" / "tools" / "bin"
_TIMEOUT_SECONDS = 300


@dataclass(frozen=True)
class Workplace:
    """One place. Programs run in ``folder``, which is also their home, so no file of the machine's user is read.

    Attributes:
        name: For messages.
        folder: The working directory.
        enter: Puts a command line in front of which the place's network (or the node) is entered.
        environment: Variables on top of a search path and the home folder.
        hidden: Folders that are empty when seen from here.
    """

    name: str
    folder: Path
    enter: Callable[..., list[str]]
    environment: Mapping[str, str] = field(default_factory=dict)
    hidden: Sequence[Path] = ()

    def packhorse(self, *arguments: str | Path, exit_code: int = 0, stdin: str | None = None) -> str:
        """Run one verb to its end and return what it printed as data.

        Raises:
            AssertionError: It ended with another code than ``exit_code``; has all that it said.
        """
        return self.verb(*arguments, exit_code=exit_code, stdin=stdin).stdout

    def verb(
        self, *arguments: str | Path, exit_code: int = 0, stdin: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run one verb to its end, for all that it says. See :meth:`packhorse`."""
        return self.run(PACKHORSE, *arguments, exit_code=exit_code, stdin=stdin)

    def run(self, *argv: str | Path, exit_code: int = 0, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
        """Run any program to its end. See :meth:`packhorse`."""
        done = subprocess.run(
            self._command(*argv),
            cwd=self.folder,
            env=self._variables(),
            input=stdin,
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_SECONDS,
            check=False,
        )
        if done.returncode != exit_code:
            said = f"{done.stdout}\n{done.stderr}".strip()
            words = shlex.join(map(str, argv))
            raise AssertionError(f"in {self.name}: {words}: expected exit {exit_code}, got {done.returncode}\n{said}")
        return done

    def start(self, name: str, *arguments: str | Path) -> Daemon:
        """Start a verb that goes on; its log is ``name.log`` in the folder."""
        return self.start_program(name, PACKHORSE, *arguments)

    def start_program(self, name: str, *argv: str | Path) -> Daemon:
        """Start any program that goes on. See :meth:`start`."""
        return Daemon(name, self._command(*argv), self.folder / f"{name}.log", environment=self._variables())

    def _command(self, *argv: str | Path) -> list[str]:
        if not self.hidden:
            return self.enter(*argv)
        covers = "; ".join(f"mount -t tmpfs -o ro none {shlex.quote(str(path))}" for path in self.hidden)
        unshare = ("unshare", "--mount", "--propagation", "private")
        return self.enter(*unshare, "sh", "-e", "-c", f'{covers}; exec "$@"', "sh", *argv)

    def _variables(self) -> dict[str, str]:
        path = f"{_TOOLS}:{os.environ['PATH']}:/usr/sbin:/sbin"
        return {"PATH": path, "HOME": str(self.folder), **self.environment}
