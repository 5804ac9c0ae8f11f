"""Where every byte of a bundle stands: a pure function of the names and sizes of its entries.

Headers are POSIX ustar (IEEE 1003.1-2017, pax, "ustar Interchange Format") with all that could differ from machine to
machine fixed: mode 0644, owner and group 0 and unnamed, time 0. A name above 100 bytes or a size from 8 GiB on gets a
pax extended header before it. The archive ends with two blocks of zeros and nothing after them.
"""

from collections.abc import Iterable, Iterator
from typing import Final

import msgspec

__all__ = ["BLOCK", "Entry", "Member", "TarLayout", "header_for", "padding_after"]

BLOCK: Final = 512
_END: Final = 2 * BLOCK
_NAME_BYTES: Final = 100
_USTAR_SIZE_LIMIT: Final = 8**11
_CHECKSUM_AT: Final = 148
_REGULAR: Final = b"0"
_EXTENDED: Final = b"x"
_EXTENDED_NAME: Final = "PaxHeaders/entry"


class Entry(msgspec.Struct, frozen=True):
    """One file of the archive: its name and its size in bytes."""

    name: str
    size: int


class Member(msgspec.Struct, frozen=True):
    """An entry at its place: ``header_at`` is where its header begins, ``offset`` where its content does."""

    name: str
    size: int
    header_at: int
    offset: int

    @property
    def end(self) -> int:
        """Where the next header begins, after the padding."""
        return self.offset + self.size + padding_after(self.size)


class TarLayout:
    """The places of all entries, in the order given.

    ``total_bytes`` is the size of the whole archive, the end marker included.
    """

    def __init__(self, entries: Iterable[Entry]) -> None:
        self._members: dict[str, Member] = {}
        position = 0
        for entry in entries:
            member = place(entry, position)
            self._members[entry.name] = member
            position = member.end
        self.content_end = position
        self.total_bytes = position + _END

    def __iter__(self) -> Iterator[Member]:
        return iter(self._members.values())

    def __len__(self) -> int:
        return len(self._members)

    def __getitem__(self, name: str) -> Member:
        return self._members[name]

    def get(self, name: str) -> Member | None:
        """The member of that name, None where there is none."""
        return self._members.get(name)


def place(entry: Entry, header_at: int) -> Member:
    """Put one entry at a position, in bytes from the start of the archive."""
    return Member(entry.name, entry.size, header_at, header_at + _header_bytes(entry))


def padding_after(size: int) -> int:
    """How many zero bytes fill the last block of a content of ``size`` bytes."""
    return -size % BLOCK


def header_for(entry: Entry) -> bytes:
    """The header of one entry, its pax extended header included: the only bytes that may stand there."""
    records = _extended_records(entry)
    if not records:
        return _ustar(entry.name, entry.size, _REGULAR)
    size = 0 if entry.size >= _USTAR_SIZE_LIMIT else entry.size
    content = records + bytes(padding_after(len(records)))
    return _ustar(_EXTENDED_NAME, len(records), _EXTENDED) + content + _ustar(entry.name[:_NAME_BYTES], size, _REGULAR)


def _header_bytes(entry: Entry) -> int:
    if len(entry.name) <= _NAME_BYTES and entry.size < _USTAR_SIZE_LIMIT:
        return BLOCK
    records = len(_extended_records(entry))
    return 2 * BLOCK + records + padding_after(records)


def _extended_records(entry: Entry) -> bytes:
    records = b""
    if len(entry.name) > _NAME_BYTES:
        records += _record("path", entry.name)
    if entry.size >= _USTAR_SIZE_LIMIT:
        records += _record("size", str(entry.size))
    return records


def _record(keyword: str, value: str) -> bytes:
    # A record begins with its own length in decimal, which counts its own digits too.
    body = f" {keyword}={value}\n"
    length = len(body) + 1
    while len(str(length)) + len(body) != length:
        length = len(str(length)) + len(body)
    return f"{length}{body}".encode("ascii")


def _ustar(name: str, size: int, kind: bytes) -> bytes:
    header = bytearray(BLOCK)
    header[0:_NAME_BYTES] = name.encode("ascii").ljust(_NAME_BYTES, b"\0")
    header[100:108] = b"0000644\0"
    header[108:116] = b"0000000\0"
    header[116:124] = b"0000000\0"
    header[124:136] = b"%011o\0" % size
    header[136:148] = b"00000000000\0"
    header[_CHECKSUM_AT : _CHECKSUM_AT + 8] = b" " * 8
    header[156:157] = kind
    header[257:265] = b"ustar\x0000"
    header[329:337] = b"0000000\0"
    header[337:345] = b"0000000\0"
    header[_CHECKSUM_AT : _CHECKSUM_AT + 8] = b"%06o\0 " % sum(header)
    return bytes(header)
