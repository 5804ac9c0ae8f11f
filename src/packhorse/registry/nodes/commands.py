"""Programs of the node, run as processes."""

import shutil
import subprocess
from collections.abc import Sequence

from packhorse.registry.nodes.probe import Completed

__all__ = ["NodeCommands"]

_SECONDS = 90.0


class NodeCommands:
    """Implements :class:`packhorse.registry.nodes.probe.Commands`."""

    def find(self, name: str) -> str | None:
        """Look a program up on the path; a name with slashes is a path itself."""
        return shutil.which(name)

    def run(self, command: Sequence[str]) -> Completed:
        """Run a program without input; one that takes longer than a minute and a half is ended."""
        try:
            done = subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                timeout=_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            said = (error.output or b"").decode("utf-8", "replace")
            return Completed(-1, f"{said}\nit took longer than {_SECONDS:.0f} s")
        except OSError as error:
            return Completed(-1, f"it cannot be run: {error.strerror}")
        return Completed(done.returncode, done.stdout.decode("utf-8", "replace"))
