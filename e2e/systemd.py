"""What ``systemctl`` does with units, as far as a node without systemd allows it.

The bed's node has no systemd as its first process. So ``systemctl enable --now NAME`` lets ``systemd-analyze`` verify
the unit as it lies on the node (with all that it refers to), and starts its ``ExecStart`` line, as a user without any
rights where the unit says so. What only systemd can show is not shown: that the sandbox of the unit is what the program
can live with, that it is started again, and at boot.
"""

import shlex
from pathlib import Path

from e2e.cluster.cluster import Cluster

__all__ = ["UnitRunner"]

_UNITS = Path("/etc/systemd/system")
_NOBODY = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--bounding-set=-all", "--no-new-privs")


class UnitRunner:
    """The units that were started on one node."""

    def __init__(self, cluster: Cluster) -> None:
        """Nothing is started yet."""
        self._cluster = cluster
        self._running: list[str] = []

    def do(self, text: str) -> None:
        """Do what the lines of ``systemctl`` in ``text`` ask for.

        Raises:
            AssertionError: A line asks for something else.
            BedError: A unit does not hold what systemd wants, or its program did not start.
        """
        for line in text.splitlines():
            match shlex.split(line, comments=True):
                case [] | ["systemctl", "daemon-reload"]:
                    pass
                case ["systemctl", "enable", "--now", name]:
                    self._start(f"{name}.service")
                case ["systemctl", "disable", "--now", name]:
                    self._stop(f"{name}.service")
                case words:
                    message = f"without systemd there is no way to do {shlex.join(words)}"
                    raise AssertionError(message)

    def close(self) -> None:
        """End what runs."""
        for name in list(self._running):
            self._stop(name)

    def _start(self, name: str) -> None:
        path = _UNITS / name
        # It exits with 0 when a unit that it could read has a line that it does not understand; then it says so.
        said = self._cluster.run_in_node("sh", "-c", f"systemd-analyze verify {shlex.quote(str(path))} 2>&1")
        complaints = [line for line in said.splitlines() if str(path) in line or line.startswith(name)]
        assert not complaints, f"systemd-analyze says of {path}: {complaints}"
        lines = (line.partition("=") for line in self._cluster.run_in_node("cat", path).splitlines())
        settings = {key: value for key, equals, value in lines if equals and not key.startswith(("#", ";"))}
        without_rights = _NOBODY if settings.get("DynamicUser") == "yes" else ()
        self._cluster.start_on_node(name, *without_rights, *shlex.split(settings["ExecStart"]))
        self._running.append(name)

    def _stop(self, name: str) -> None:
        self._running.remove(name)
        self._cluster.stop_on_node(name)
