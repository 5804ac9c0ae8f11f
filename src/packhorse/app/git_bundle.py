"""Git repositories as git bundles whose bytes depend on the commit alone.

git's own packs differ with its version, its threads and its zlib. This one has every object of the history whole,
sorted by name, and deflated as *stored* blocks (RFC 1951, 3.2.4), so any machine makes the same. The formats are
``gitformat-bundle(5)`` and ``gitformat-pack(5)``.
"""

import hashlib
import struct
import subprocess
import tempfile
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Final

from packhorse.base.errors import ConfigError, NetworkError
from packhorse.base.units import MIB, format_bytes

__all__ = ["MAX_REPOSITORY_BYTES", "make_git_bundle"]

MAX_REPOSITORY_BYTES: Final = 512 * MIB
_TYPES: Final = {"commit": 1, "tree": 2, "blob": 3, "tag": 4}
_STORED_MAX: Final = 0xFFFF
_ENVIRONMENT: Final = {
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_ALLOW_PROTOCOL": "file:git:http:https:ssh",
    "LC_ALL": "C",
}


def make_git_bundle(program: Path, source: str, ref: str, commit: str, environment: Mapping[str, str]) -> bytes:
    """Fetch a repository and pack one commit with its history.

    Args:
        program: git. The user's configuration holds, for that is where credentials are.
        source: A URL or path, as git takes it.
        ref: The branch or tag that the commit was found at; the bundle has it as a branch, and as ``HEAD``.
        commit: The full name of the commit.
        environment: For git: ``PATH``, and what its helpers need.

    Returns:
        What ``git clone`` reads.

    Raises:
        NetworkError: The repository can't be fetched.
        ConfigError: It does not have the commit any more, or is larger than :data:`MAX_REPOSITORY_BYTES`.
    """
    with tempfile.TemporaryDirectory(prefix="packhorse-git-") as folder:
        git = _Git(program, Path(folder), {**environment, **_ENVIRONMENT})
        git.run("init", "--quiet", "--bare", f"--object-format={'sha256' if len(commit) > 40 else 'sha1'}")  # noqa: PLR2004
        fetched = git.attempt(
            "fetch", "--quiet", "--no-tags", source, "+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*"
        )
        if fetched is not None:
            raise NetworkError(f"git could not fetch {source}: {fetched}")
        if git.attempt("cat-file", "-e", f"{commit}^{{commit}}") is not None:
            message = f"{source} does not have commit {commit} any more, which is locked for {ref!r}"
            raise ConfigError(message, hint="packhorse lock --update with the name of the repository")
        names = sorted({line.split(b" ", 1)[0] for line in git.run("rev-list", "--objects", commit).splitlines()})
        return _header(ref, commit) + _pack(git.objects(names), len(names), commit, source)


class _Git:
    """git in one bare repository."""

    def __init__(self, program: Path, folder: Path, environment: dict[str, str]) -> None:
        self._program = str(program)
        self._folder = folder
        self._environment = environment

    def run(self, *arguments: str) -> bytes:
        done = subprocess.run(
            [self._program, *arguments], cwd=self._folder, env=self._environment, capture_output=True, check=False
        )
        if done.returncode != 0:
            raise ConfigError(f"git {arguments[0]} failed: {done.stderr.decode(errors='replace').strip()}")
        return done.stdout

    def attempt(self, *arguments: str) -> str | None:
        """Run it, and return what it says when it fails."""
        try:
            self.run(*arguments)
        except ConfigError as error:
            return error.message
        return None

    def objects(self, names: list[bytes]) -> Iterator[tuple[str, bytes]]:
        """Yield the type and content of each object."""
        with tempfile.TemporaryFile() as wanted:
            wanted.write(b"".join(name + b"\n" for name in names))
            wanted.seek(0)
            with subprocess.Popen(
                [self._program, "cat-file", "--batch"],
                cwd=self._folder, env=self._environment, stdin=wanted, stdout=subprocess.PIPE,
            ) as reader:  # fmt: skip
                assert reader.stdout is not None  # noqa: S101 - it is a pipe
                for _ in names:
                    yield _next_object(reader.stdout)


def _next_object(stream: IO[bytes]) -> tuple[str, bytes]:
    _, kind, size = stream.readline().split()
    content = stream.read(int(size))
    stream.read(1)
    return kind.decode(), content


def _header(ref: str, commit: str) -> bytes:
    branch = "main" if ref in {"HEAD", commit} else ref.removeprefix("refs/heads/").removeprefix("refs/tags/")
    head = "# v2 git bundle\n" if len(commit) == 40 else "# v3 git bundle\n@object-format=sha256\n"  # noqa: PLR2004
    return f"{head}{commit} HEAD\n{commit} refs/heads/{branch}\n\n".encode()


def _pack(objects: Iterator[tuple[str, bytes]], count: int, commit: str, source: str) -> bytes:
    out = bytearray(struct.pack(">4sII", b"PACK", 2, count))
    for kind, content in objects:
        out += _object_header(_TYPES[kind], len(content))
        out += _stored(content)
        if len(out) > MAX_REPOSITORY_BYTES:
            limit = format_bytes(MAX_REPOSITORY_BYTES)
            raise ConfigError(f"{source} has more than {limit} of history", hint="carry a branch with less history")
    hasher = hashlib.sha1(usedforsecurity=False) if len(commit) == 40 else hashlib.sha256()  # noqa: PLR2004
    hasher.update(out)
    return bytes(out) + hasher.digest()


def _object_header(kind: int, size: int) -> bytes:
    """Three bits of type and four of size, then seven bits of size a byte, low ones first."""
    first, size = kind << 4 | size & 0x0F, size >> 4
    out = bytearray()
    while size:
        out.append(first | 0x80)
        first, size = size & 0x7F, size >> 7
    out.append(first)
    return bytes(out)


def _stored(content: bytes) -> bytes:
    """A zlib stream (RFC 1950) that compresses nothing."""
    out = bytearray(b"\x78\x01")
    for start in range(0, max(len(content), 1), _STORED_MAX):
        piece = content[start : start + _STORED_MAX]
        last = start + _STORED_MAX >= len(content)
        out += struct.pack("<BHH", last, len(piece), len(piece) ^ 0xFFFF) + piece
    return bytes(out) + struct.pack(">I", zlib.adler32(content))
