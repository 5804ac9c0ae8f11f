"""What a run was made on, so that two results can be told apart."""

import os
import platform
import re
import subprocess
from pathlib import Path

from bench.results import Machine

__all__ = ["describe", "version_of"]

_VERSIONS = (re.compile(r"\bv\d+\.\d+\.\d+[\w.-]*"), re.compile(r"\b\d+\.\d+\.\d+[\w.-]*"))


def describe() -> Machine:
    """Return the machine's processor, memory, kernel and load."""
    cpuinfo = Path("/proc/cpuinfo").read_text()
    model = re.search(r"model name\s*:\s*(.+)", cpuinfo)
    memory = re.search(r"MemTotal:\s*(\d+) kB", Path("/proc/meminfo").read_text())
    return Machine(
        processor=model[1] if model else platform.processor(),
        cores=len(os.sched_getaffinity(0)),
        sha_extensions="sha_ni" in cpuinfo or "sha2" in cpuinfo,
        memory_bytes=int(memory[1]) * 1024 if memory else 0,
        kernel=platform.release(),
        python=platform.python_version(),
        load_average=os.getloadavg(),
    )


def version_of(command: list[str]) -> str:
    """Run a program that tells its version, and return what looks most like one in what it says."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    said = done.stdout + done.stderr
    found = next((match for pattern in _VERSIONS if (match := pattern.search(said))), None)
    return found[0] if found else "unknown"
