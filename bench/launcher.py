"""Starts one program from a small process and writes down what it used: ``launcher.py RESULT PROGRAM [ARGUMENT...]``.

The kernel counts what a process had before it became the program: started from the benchmark itself, a program's peak
would never be below that of the benchmark. It is run with ``-I -S`` and imports next to nothing for that reason.
"""

import os
import sys
import time


def main() -> int:
    """Run the program, write ``exit wall cpu peak-KiB written-blocks`` to the result file."""
    result, *command = sys.argv[1:]
    begun = time.monotonic()
    child = os.fork()
    if child == 0:
        try:
            os.execvp(command[0], command)  # noqa: S606 - this is what it is for
        finally:
            os._exit(127)
    _, status, usage = os.wait4(child, 0)
    wall = time.monotonic() - begun
    code = os.waitstatus_to_exitcode(status)
    cpu = usage.ru_utime + usage.ru_stime
    with open(result, "w") as file:  # noqa: PTH123 - pathlib would be half of this process
        file.write(f"{code} {wall} {cpu} {usage.ru_maxrss} {usage.ru_oublock}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
