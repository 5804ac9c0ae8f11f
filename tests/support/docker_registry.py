"""The distribution project's registry as Debian packages it, run for tests where it is installed."""

import contextlib
import http.client
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

__all__ = ["PROGRAM", "docker_registry"]

PROGRAM = shutil.which("docker-registry")

_CONFIG = """\
version: 0.1
log: {{level: error, accesslog: {{disabled: true}}}}
storage: {{filesystem: {{rootdirectory: {folder}}}, delete: {{enabled: true}}}}
http: {{addr: "127.0.0.1:{port}"}}
"""
_START_SECONDS = 20.0


@contextlib.contextmanager
def docker_registry(folder: Path) -> Iterator[str]:
    """Run it with its files in ``folder``, and give its host; it is ended with the block."""
    assert PROGRAM is not None
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    config = folder / "config.yml"
    config.write_text(_CONFIG.format(folder=folder / "data", port=port))
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([PROGRAM, "serve", str(config)], stdout=log, stderr=log)
    try:
        _wait_until_it_answers(port, process)
        yield f"127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(10)


def _wait_until_it_answers(port: int, process: "subprocess.Popen[bytes]") -> None:
    give_up_at = time.monotonic() + _START_SECONDS
    while True:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        try:
            connection.request("GET", "/v2/")
            connection.getresponse().read()
        except OSError:
            assert process.poll() is None, "docker-registry ended at once"
            assert time.monotonic() < give_up_at, "docker-registry does not answer"
            time.sleep(0.05)  # there is no event to wait for: it says nothing when it listens
        else:
            return
        finally:
            connection.close()
