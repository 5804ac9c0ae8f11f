"""Which peers are on this machine, and why the others are not."""

import os
import shutil
from pathlib import Path

from bench.peers.table import BY_HAND, DEBIAN, GO_PROGRAMS

__all__ = ["find_peers"]

_BIN = Path(__file__).resolve().parents[2] / ".cache" / "peers" / "bin"


def find_peers() -> tuple[dict[str, str], dict[str, str]]:
    """Look for every program of the table.

    One that a variable names (``PEER_HAULER=/path/to/hauler``) comes first, then those that ``make peers`` installed,
    then ``PATH``.

    Returns:
        The paths of those that are here, and the reasons for the others.
    """
    here: dict[str, str] = {}
    missing: dict[str, str] = {}
    for name in (*GO_PROGRAMS, *DEBIAN, *BY_HAND):
        variable = f"PEER_{name.upper()}"
        named = os.environ.get(variable)
        found = named or shutil.which(name, path=str(_BIN)) or shutil.which(name)
        if found and shutil.which(found):
            here[name] = found
        elif named:
            missing[name] = f"{variable} names {named}, which is no program"
        else:
            missing[name] = _reason(name, variable)
    return here, missing


def _reason(name: str, variable: str) -> str:
    if name in BY_HAND:
        return f"no package client has it, and it is neither on PATH nor named by {variable}"
    return "not installed; make peers installs it"
