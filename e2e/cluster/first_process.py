"""The first process of a node, in process and mount namespaces of its own: ``first_process.py SETTINGS``.

It gives the node its own view of the machine's disk, says that it is ready, and from then on only collects the
processes that others leave behind. When it dies the kernel ends everything in the node and drops every mount.

Stands alone (standard library only, run by path), because it runs where the project may be hidden.

SETTINGS is a JSON file:

``private``
    Folder to folder: the first is replaced by the second (``/var/lib``, ``/tmp``).
``overlays``
    Folder to folder: what is written to the first lands in the second, which has ``upper`` and ``work`` in it.
``files``
    File to file: the first is replaced by the second. Used for kernel settings that a node would otherwise change for
    the whole machine: it reads the value it wants, and leaves it alone.
``keep``
    Folders that stay as they are even where they lie inside a private one.
``ready``
    File that is made when all of it is done.
"""

import ctypes
import json
import os
import signal
import sys
from pathlib import Path

_MS_BIND, _MS_REC, _MS_SHARED = 0x1000, 0x4000, 1 << 20  # linux/mount.h
_LIBC = ctypes.CDLL(None, use_errno=True)


def main() -> None:
    """Mount what the settings say, then wait for children for ever."""
    settings = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
    replace = settings["private"] | {path: path for path in settings["keep"]}
    # Once a private folder is in place, paths inside it name something else; descriptors still are what they were.
    sources = {target: os.open(source, os.O_PATH) for target, source in replace.items()}
    for target, descriptor in sources.items():
        Path(target).mkdir(parents=True, exist_ok=True)
        mount(f"/proc/self/fd/{descriptor}", target, flags=_MS_BIND | _MS_REC)
        os.close(descriptor)
    for target, folder in settings["overlays"].items():
        options = f"lowerdir={target},upperdir={folder}/upper,workdir={folder}/work"
        mount("overlay", target, kind="overlay", options=options)
    for target, source in settings["files"].items():
        mount(source, target, flags=_MS_BIND)
    # From here on mounts of the kubelet reach containers. Last, so that each mount above is a peer group of its own:
    # two binds of one file system in one group would show every later mount twice.
    mount("none", "/", flags=_MS_REC | _MS_SHARED)
    Path(settings["ready"]).touch()
    while True:
        signal.sigwait({signal.SIGCHLD})
        collect()


def collect() -> None:
    """Collect every child that has ended."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return


def mount(source: str, target: str, *, kind: str = "none", flags: int = 0, options: str = "") -> None:
    """Mount by the system call: the program would resolve a descriptor's link to a path, and take the wrong folder."""
    words = (source.encode(), target.encode(), kind.encode(), ctypes.c_ulong(flags), options.encode() or None)
    if _LIBC.mount(*words):
        number = ctypes.get_errno()
        raise OSError(number, f"mount {source} on {target}: {os.strerror(number)}")


if __name__ == "__main__":
    main()
