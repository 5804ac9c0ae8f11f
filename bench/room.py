"""The place that one contestant has to itself: home, temporary files, working folder, and what it makes."""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Room"]


@dataclass(frozen=True, slots=True)
class Room:
    """Four folders, so that nothing that a program keeps helps or hinders another one, and all of it can be counted."""

    folder: Path

    @property
    def home(self) -> Path:
        """Its home: settings, caches, stores."""
        return self.folder / "home"

    @property
    def temporary(self) -> Path:
        """Its ``TMPDIR``."""
        return self.folder / "tmp"

    @property
    def out(self) -> Path:
        """Where it puts what is to be carried."""
        return self.folder / "out"

    @property
    def desk(self) -> Path:
        """Its working folder."""
        return self.folder / "desk"

    def make(self) -> "Room":
        """Make what is not there yet."""
        for path in (self.home, self.temporary, self.out, self.desk):
            path.mkdir(parents=True, exist_ok=True)
        return self

    def empty(self) -> None:
        """Throw away all that is in it."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.make()

    def environment(self) -> dict[str, str]:
        """Return what a program in this room finds in its environment."""
        kept = {name: os.environ[name] for name in ("PATH", "LANG", "LC_ALL") if name in os.environ}
        return {
            **kept,
            "HOME": str(self.home),
            "TMPDIR": str(self.temporary),
            "XDG_RUNTIME_DIR": str(self.temporary),
            "KUBECONFIG": str(self.home / "no-cluster"),
        }
