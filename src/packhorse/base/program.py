"""Running a program of someone else's: with an environment of its own, a deadline, and secrets off its arguments."""

import os
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from packhorse.base.errors import ConfigError, PackhorseError

__all__ = ["NO_NETWORK", "Outcome", "Program", "private_folder", "secret_files"]

NO_NETWORK = dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), "http://127.0.0.1:9")
"""Environment that sends every HTTP request of a Go program to a port where nothing listens: it fails at once."""

_INHERITED = ("PATH", "LANG", "LC_ALL", "TZ", "SSL_CERT_FILE", "SSL_CERT_DIR")


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a program ended, and what it said."""

    status: int
    stdout: bytes = field(repr=False)
    stderr: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Program:
    """A program on this machine.

    Attributes:
        path: Where it is.
        environment: The caller's environment; only what is asked for reaches the program.
    """

    path: Path
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)

    def run(
        self,
        arguments: Sequence[str],
        *,
        timeout_seconds: float,
        environment: Mapping[str, str],
        pass_fds: Sequence[int] = (),
    ) -> Outcome:
        """Run it to its end and return what it said; a status other than 0 is the caller's to judge.

        Args:
            environment: All that it gets, next to the few names that say how this machine speaks and where its
                programs are.
            timeout_seconds: When it is killed.
            pass_fds: File descriptors that it inherits.

        Raises:
            ConfigError: It can't be started.
            PackhorseError: It did not end in time.
        """
        base = {name: self.environment[name] for name in _INHERITED if name in self.environment}
        try:
            done = subprocess.run(
                [self.path, *arguments],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                check=False,
                timeout=timeout_seconds,
                env={**base, **environment},
                pass_fds=pass_fds,
            )
        except OSError as error:
            reason = error.strerror or str(error)
            raise ConfigError(f"cannot run {self.path}: {reason}", hint="install it, or say where it is") from error
        except subprocess.TimeoutExpired as error:
            what = " ".join([self.path.name, *arguments[:1]])
            raise PackhorseError(f"{what} did not end within {timeout_seconds:.0f} s and was stopped") from error
        return Outcome(done.returncode, done.stdout, done.stderr.decode("utf-8", "replace").strip())


@contextmanager
def private_folder(purpose: str) -> Iterator[Path]:
    """Make a folder that only this user can enter, and remove it with all in it."""
    with tempfile.TemporaryDirectory(prefix=f"packhorse-{purpose}-", ignore_cleanup_errors=True) as name:
        yield Path(name)


@contextmanager
def secret_files(contents: Sequence[bytes], fallback: Path) -> Iterator[tuple[tuple[str, ...], tuple[int, ...]]]:
    """Offer bytes to a program as paths that it can read, without writing them to a disk where the system allows it.

    Args:
        contents: One file each.
        fallback: A private folder, for systems that have no files in memory.

    Yields:
        The paths, and the file descriptors that the program must inherit for them.
    """
    with ExitStack() as stack:
        if hasattr(os, "memfd_create"):
            fds = tuple(_in_memory(content, stack) for content in contents)
            yield tuple(f"/dev/fd/{fd}" for fd in fds), fds
            return
        paths = [fallback / f"values-{number}.yaml" for number in range(len(contents))]
        for path, content in zip(paths, contents, strict=True):
            path.touch(mode=0o600)
            path.write_bytes(content)
        yield tuple(str(path) for path in paths), ()


def _in_memory(content: bytes, stack: ExitStack) -> int:
    fd = os.memfd_create("values")
    stack.callback(os.close, fd)
    view = memoryview(content)
    while view:
        view = view[os.write(fd, view) :]
    os.lseek(fd, 0, os.SEEK_SET)
    return fd
