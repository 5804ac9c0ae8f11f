"""Imports each module that it is given in a process of its own: ``python importing.py MODULE…``.

Prints the process id and the name of each, and ends with 1 if one cannot be imported. Stands alone, and imports nothing
itself but what Python has loaded already, so that the child is as new as a Python that was started for it.
"""

import os
import sys
import traceback


def main() -> int:
    """Import all, one after another."""
    failed = 0
    for name in sys.argv[1:]:
        child = os.fork()
        if not child:
            os._exit(_import(name))
        print(child, name, flush=True)
        failed |= os.waitpid(child, 0)[1]
    return int(bool(failed))


def _import(name: str) -> int:
    try:
        __import__(name)
    except BaseException:  # noqa: BLE001 - whatever a module does when it is imported, it is told and nothing else
        traceback.print_exc()
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
