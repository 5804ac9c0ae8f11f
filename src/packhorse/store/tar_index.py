"""The table of contents of an uncompressed tar that another tool wrote, for reading members in place.

POSIX.1-2017 (pax), ustar and GNU long names are understood, which is what Go's ``archive/tar``, GNU tar and Python
write. What is read comes from outside, so every header is checked, names must stay inside the archive, and neither the
number of members nor the length of a name can be used to fill the memory.
"""

from enum import Enum

import msgspec

from packhorse.base.errors import ConfigError, IntegrityError
from packhorse.store.extents import FileExtent, OpenFile, open_regular, read_run

__all__ = ["Kind", "Member", "TarIndex"]

_BLOCK = 512
_MAX_MEMBERS = 250_000
_MAX_NAME_BYTES = 4096
_MAX_EXTENSION_BYTES = 64 * 1024
_CHECKSUM = slice(148, 156)
_BASE_256 = 0x80
_COMPRESSED = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd", b"BZh": "bzip2", b"\xfd7zXZ": "xz"}


class Kind(Enum):
    """What a member is."""

    FILE = "file"
    DIRECTORY = "directory"
    SYMBOLIC_LINK = "symbolic link"
    HARD_LINK = "hard link"


_KINDS = {
    b"0": Kind.FILE,
    b"\0": Kind.FILE,
    b"7": Kind.FILE,
    b"1": Kind.HARD_LINK,
    b"2": Kind.SYMBOLIC_LINK,
    b"5": Kind.DIRECTORY,
}


class Member(msgspec.Struct, frozen=True):
    """One member: its name without a leading ``./``, where its bytes begin, and how many there are."""

    name: str
    kind: Kind
    offset: int
    size: int
    target: str = ""


class TarIndex:
    """All members of a tar file by name; safe to read from several threads."""

    def __init__(self, path: str, file: OpenFile, members: dict[str, Member]) -> None:
        self.path = path
        self._file = file
        self._members = members

    @classmethod
    def at(cls, path: str) -> "TarIndex":
        """Read the headers of an archive, and nothing between them.

        Raises:
            ConfigError: There is no such file, or it is compressed.
            IntegrityError: It is not a tar, is cut short, or has members that no honest archive has.
        """
        found = open_regular(path, path)
        if found is None:
            message = f"there is no file {path}"
            raise ConfigError(message)
        file, size = found
        return cls(path, file, _Scanner(path, file, size).scan())

    def __contains__(self, name: str) -> bool:
        return name in self._members

    def get(self, name: str) -> Member | None:
        """Return the member of this name; links are returned as links."""
        return self._members.get(name)

    def extent(self, name: str) -> FileExtent | None:
        """Say where the bytes of a plain file lie; None when there is no such member.

        Raises:
            IntegrityError: The member is not a plain file.
        """
        member = self._members.get(name)
        if member is None:
            return None
        if member.kind is not Kind.FILE:
            message = f"{self.path}: expected {name!r} to be a plain file, found a {member.kind.value}"
            raise IntegrityError(message)
        return FileExtent(self._file, member.offset, member.size)

    def close(self) -> None:
        """Close the archive; extents of it can no longer be read."""
        self._file.close()


class _Scanner:
    def __init__(self, path: str, file: OpenFile, size: int) -> None:
        self._path = path
        self._file = file
        self._size = size
        self._members: dict[str, Member] = {}
        self._extended: dict[str, str] = {}

    def scan(self) -> dict[str, Member]:
        self._refuse_compressed()
        position = 0
        while True:
            header = self._read(position, _BLOCK, "a header")
            if not any(header):
                return self._members
            position = self._entry(header, position)

    def _refuse_compressed(self) -> None:
        magic = self._read_run(0, 6)
        for prefix, name in _COMPRESSED.items():
            if magic.startswith(prefix):
                message = f"{self._path} is compressed with {name}; archives are read in place, which needs a plain tar"
                raise ConfigError(message, hint=f"decompress it first, for instance with {name} -d")

    def _read(self, position: int, count: int, what: str) -> bytes:
        content = self._read_run(position, count) if position + count <= self._size else b""
        if len(content) != count:
            raise self._refusal(position, f"the archive ends inside {what}; it is {self._size} bytes long")
        return content

    def _read_run(self, position: int, count: int) -> bytes:
        try:
            return read_run(self._file.fd, position, count)
        except OSError as error:
            message = f"{self._path}: the medium gave a read error at byte {position:,}: {error.strerror}"
            raise IntegrityError(message, hint="copy it again, or try another reader or medium") from error

    def _entry(self, header: bytes, position: int) -> int:
        """Take in one header, and return where the next one stands."""
        self._check_sum(header, position)
        kind = header[156:157]
        size = self._size_of(header, position)
        data = position + _BLOCK
        following = data + -(-size // _BLOCK) * _BLOCK
        # The last member may lack its padding only when nothing follows, and then the end marker is missing too.
        if following > self._size:
            raise self._refusal(position, f"a member claims {size} bytes, which is beyond the end of the archive")
        if kind in b"xgLK":
            self._extension(kind, data, size, position)
        else:
            self._member(header, kind, data, size)
            self._extended = {}
        return following

    def _check_sum(self, header: bytes, position: int) -> None:
        stored = self._octal(header[_CHECKSUM], position)
        # The sum is taken with its own field as blanks (POSIX.1-2017, pax, "ustar Header Block").
        if stored != sum(header) - sum(header[_CHECKSUM]) + 8 * ord(" "):
            raise self._refusal(position, "this is not a tar header: its checksum is wrong")

    def _octal(self, field: bytes, position: int) -> int:
        text = field.rstrip(b"\0 ").lstrip(b" ")
        if not all(byte in b"01234567" for byte in text):
            raise self._refusal(position, f"expected an octal number in the header, found {field[:16]!r}")
        return int(text, 8) if text else 0

    def _size_of(self, header: bytes, position: int) -> int:
        if (text := self._extended.get("size")) is not None:
            if not (text.isascii() and text.isdigit() and len(text) < 20):  # noqa: PLR2004 - more digits than 2**64 has
                raise self._refusal(position, f"expected a size in the pax header, found {text[:40]!r}")
            return int(text)
        field = header[124:136]
        if field[0] & _BASE_256:
            # GNU's form for sizes from 8 GiB on; the sign bit would be a negative size.
            value = int.from_bytes(bytes([field[0] & 0x7F]) + field[1:], "big")
            if field[0] != _BASE_256 or value >= 1 << 63:
                raise self._refusal(position, "a member claims a size that is negative or absurd")
            return value
        return self._octal(field, position)

    def _extension(self, kind: bytes, data: int, size: int, position: int) -> None:
        if size > _MAX_EXTENSION_BYTES:
            raise self._refusal(
                position, f"an extended header of {size} bytes; at most {_MAX_EXTENSION_BYTES} are read"
            )
        content = self._read(data, size, "an extended header")
        if kind == b"L":
            self._extended["path"] = self._text(content.rstrip(b"\0"), position)
        elif kind == b"K":
            self._extended["linkpath"] = self._text(content.rstrip(b"\0"), position)
        elif kind == b"x":
            self._extended.update(self._pax_records(content, position))

    def _pax_records(self, content: bytes, position: int) -> dict[str, str]:
        records: dict[str, str] = {}
        while content:
            length_text, blank, _ = content.partition(b" ")
            length = int(length_text) if blank and length_text.isdigit() and len(length_text) < 7 else 0  # noqa: PLR2004 - above the limit of an extension
            record, content = content[len(length_text) + 1 : length], content[length:]
            key, equals, value = record.partition(b"=")
            if length <= len(length_text) or not equals or not value.endswith(b"\n"):
                raise self._refusal(position, "a record of a pax header is malformed")
            name = self._text(key, position)
            if name.startswith("GNU.sparse"):
                raise self._refusal(position, "sparse members are not what layers and blobs are stored as")
            if name in ("path", "linkpath", "size"):
                records[name] = self._text(value[:-1], position)
        return records

    def _member(self, header: bytes, kind: bytes, data: int, size: int) -> None:
        position = data - _BLOCK
        known = _KINDS.get(kind)
        name = self._name(self._extended.get("path") or self._header_name(header, position), position)
        if known is None:
            raise self._refusal(position, f"{name!r} is neither a file, a folder nor a link (tar type {kind!r})")
        if not name:
            if known is not Kind.DIRECTORY:
                raise self._refusal(position, "a member without a name")
            return
        target = ""
        if known in (Kind.SYMBOLIC_LINK, Kind.HARD_LINK):
            target = self._extended.get("linkpath") or self._text(header[157:257].partition(b"\0")[0], position)
        earlier = self._members.get(name)
        if earlier is not None and not (earlier.kind is known is Kind.DIRECTORY):
            raise self._refusal(position, f"{name!r} is there twice; which one is meant cannot be told")
        if len(self._members) >= _MAX_MEMBERS:
            raise self._refusal(position, f"more than {_MAX_MEMBERS} members")
        self._members[name] = Member(name, known, data, size, target)

    def _header_name(self, header: bytes, position: int) -> str:
        name = header[:100].partition(b"\0")[0]
        # GNU's own format has other things where ustar has the prefix, and says so by its magic.
        if header[257:263] == b"ustar\0" and (prefix := header[345:500].partition(b"\0")[0]):
            name = prefix + b"/" + name
        return self._text(name, position)

    def _text(self, content: bytes, position: int) -> str:
        try:
            text = content.decode("utf-8")
        except UnicodeDecodeError as error:
            raise self._refusal(position, f"a name that is not UTF-8: {content[:80]!r}") from error
        if len(content) > _MAX_NAME_BYTES or "\0" in text:
            raise self._refusal(position, f"a name that is too long or has a NUL in it: {text[:80]!r}")
        return text

    def _name(self, text: str, position: int) -> str:
        if text.startswith("/"):
            raise self._refusal(position, f"the absolute name {text[:80]!r}")
        parts = [part for part in text.split("/") if part not in ("", ".")]
        if ".." in parts:
            raise self._refusal(position, f"the name {text[:80]!r} leads out of the archive")
        return "/".join(parts)

    def _refusal(self, position: int, why: str) -> IntegrityError:
        return IntegrityError(f"{self._path}, byte {position}: {why}")
