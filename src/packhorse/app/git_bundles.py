"""A git repository at one commit as one file, with the same bytes wherever it is made.

The file is a git bundle of version 3 (gitformat-bundle(5)) around a pack (gitformat-pack(5)). Git itself packs
differently from version to version; here every object stands whole, sorted by its id, in zlib's *stored* form, so that
nothing is left to choose. It is larger than git's own would be, and ``git clone`` reads it.
"""

import hashlib
import re
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path

from packhorse.app.git_sources import GitSources
from packhorse.base.errors import ConfigError, NetworkError
from packhorse.base.program import Outcome, private_folder
from packhorse.base.units import GIB, format_bytes
from packhorse.package.lock import LockedGit

__all__ = ["MAX_GIT_BYTES", "git_bundle"]

MAX_GIT_BYTES = GIB
"""The most that a repository's history may hold, unpacked."""

_TYPES = {"commit": 1, "tree": 2, "blob": 3, "tag": 4}
_BATCH = 2_000
_HEADER = re.compile(rb"([0-9a-f]{40,64}) (commit|tree|blob|tag) (\d{1,12})\n")
_STORED_MAX = 0xFFFF
_SHA256_HEX = 64


def git_bundle(git: GitSources, repository: LockedGit) -> bytes:
    """Fetch a commit with its history, and write it as a bundle.

    Raises:
        ConfigError: The repository does not have the commit, or is larger than :data:`MAX_GIT_BYTES`.
        NetworkError: It can't be reached.
    """
    with private_folder("git") as folder:
        copy = folder / "copy.git"
        _fetch(git, repository, copy)
        listed = _checked(git.run(["-C", str(copy), "rev-list", "--objects", repository.commit, "--"]), repository)
        ids = sorted({line.split(" ", 1)[0] for line in listed.decode("utf-8", "replace").splitlines()})
        pack = _pack(_objects(git, copy, ids, repository), len(ids), _hash_name(repository.commit))
    capabilities = f"@object-format={_hash_name(repository.commit)}\n"
    branch = f"refs/heads/{_branch(repository.ref)}"
    head = f"# v3 git bundle\n{capabilities}{repository.commit} {branch}\n{repository.commit} HEAD\n\n"
    return head.encode() + pack


def _fetch(git: GitSources, repository: LockedGit, copy: Path) -> None:
    place = git.place(repository.source)
    _checked(
        git.run(["init", "--quiet", "--bare", f"--object-format={_hash_name(repository.commit)}", str(copy)]),
        repository,
    )
    # A commit by its id, where the server gives such; else everything, which has it if it is there at all.
    arguments = ["-C", str(copy), "fetch", "--quiet", "--no-tags", "--", place]
    direct = git.run([*arguments, repository.commit])
    if direct.status:
        whole = git.run([*arguments, "+refs/*:refs/*"])
        if whole.status:
            raise NetworkError(f"git {repository.source}: {whole.stderr}")
    found = git.run(["-C", str(copy), "cat-file", "-e", f"{repository.commit}^{{commit}}"])
    if found.status:
        raise ConfigError(
            f"git {repository.source} does not have commit {repository.commit} any more",
            hint=f"packhorse lock --update {repository.name}",
        )


def _objects(git: GitSources, copy: Path, ids: list[str], repository: LockedGit) -> Iterator[tuple[int, bytes]]:
    total = 0
    for start in range(0, len(ids), _BATCH):
        wanted = "".join(f"{one}\n" for one in ids[start : start + _BATCH]).encode()
        content = _checked(git.run(["-C", str(copy), "cat-file", "--batch"], stdin=wanted), repository)
        position = 0
        while position < len(content):
            match = _HEADER.match(content, position)
            if match is None:
                raise ConfigError(f"git {repository.source}: git gave something else than objects")
            size = int(match[3])
            total += size
            if total > MAX_GIT_BYTES:
                raise ConfigError(
                    f"git {repository.source} holds more than {format_bytes(MAX_GIT_BYTES)} at {repository.commit}"
                )
            yield _TYPES[match[2].decode()], content[match.end() : match.end() + size]
            position = match.end() + size + 1


def _pack(objects: Iterable[tuple[int, bytes]], count: int, hash_name: str) -> bytes:
    pieces = [b"PACK" + (2).to_bytes(4) + count.to_bytes(4)]
    for kind, content in objects:
        pieces += [_size_header(kind, len(content)), _stored(content)]
    body = b"".join(pieces)
    return body + hashlib.new(hash_name, body, usedforsecurity=False).digest()


def _size_header(kind: int, size: int) -> bytes:
    byte = (kind << 4) | (size & 0x0F)
    size >>= 4
    encoded = bytearray()
    while size:
        encoded.append(byte | 0x80)
        byte = size & 0x7F
        size >>= 7
    encoded.append(byte)
    return bytes(encoded)


def _stored(content: bytes) -> bytes:
    """A zlib stream (RFC 1950) of stored blocks."""
    pieces = [b"\x78\x01"]
    for start in range(0, max(len(content), 1), _STORED_MAX):
        block = content[start : start + _STORED_MAX]
        is_last = start + _STORED_MAX >= len(content)
        size = len(block)
        pieces += [bytes((is_last,)), size.to_bytes(2, "little"), (size ^ _STORED_MAX).to_bytes(2, "little"), block]
    return b"".join(pieces) + zlib.adler32(content).to_bytes(4)


def _checked(outcome: Outcome, repository: LockedGit) -> bytes:
    if outcome.status:
        raise ConfigError(f"git {repository.source}: {outcome.stderr}")
    return outcome.stdout


def _hash_name(commit: str) -> str:
    return "sha256" if len(commit) == _SHA256_HEX else "sha1"


def _branch(ref: str) -> str:
    """The branch that a clone of the bundle checks out: the ref's own name, where it is one."""
    name = ref.removeprefix("refs/heads/").removeprefix("refs/tags/")
    return name if re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,200}", name) and name != "HEAD" else "main"
