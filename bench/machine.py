"""What a run was made on, so that two results can be told apart."""

import os
import platform
import re
import subprocess
from pathlib import Path

__all__ = ["describe", "version_of"]


def describe() -> dict[str, object]:
    """Return the machine's processor, memory, kernel and load."""
    cpuinfo = Path("/proc/cpuinfo").read_text()
    model = re.search(r"model name\s*:\s*(.+)", cpuinfo)
    memory = re.search(r"MemTotal:\s*(\d+) kB", Path("/proc/meminfo").read_text())
    return {
        "processor": model[1] if model else platform.processor(),
        "cores": len(os.sched_getaffinity(0)),
        "shaExtensions": "sha_ni" in cpuinfo or "sha2" in cpuinfo,
        "memoryBytes": int(memory[1]) * 1024 if memory else 0,
        "kernel": platform.release(),
        "python": platform.python_version(),
        "loadAverage": os.getloadavg(),
    }


def version_of(*command: str) -> str:
    """Return the first line that a program says of its version."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    lines = (done.stdout or done.stderr).strip().splitlines()
    return lines[0] if lines else "unknown"
