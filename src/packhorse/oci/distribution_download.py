"""The bytes of a blob as a registry sends them; a broken connection is taken up again where it broke."""

import re
from collections.abc import Callable
from typing import Self

from packhorse.base.errors import IntegrityError
from packhorse.base.units import MIB, format_bytes
from packhorse.oci.distribution_failures import TransportFailure
from packhorse.oci.distribution_transport import Answer
from packhorse.oci.model import Descriptor
from packhorse.oci.retry import Attempts

__all__ = ["Download", "check_part"]

_PARTIAL_CONTENT = 206
_CONTENT_RANGE = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18}|\*)", re.ASCII)
_SCRATCH_BYTES = 256 * 1024
_WORTH_A_NEW_START = MIB


class Download:
    """A blob that is being received. Its length is checked here, its digest by whoever reads.

    Args:
        descriptor: What is read.
        offset: Where to begin, in bytes.
        ask: Sends the request for the rest from an offset on, and returns a good answer (200 or 206).
        attempts: How often to take up a broken connection again.
        give_up: Raises what the reader sees when that does not help.
    """

    def __init__(
        self,
        descriptor: Descriptor,
        offset: int,
        ask: Callable[[int], Answer],
        attempts: Attempts,
        give_up: Callable[[TransportFailure, Attempts], None],
    ) -> None:
        self._descriptor = descriptor
        self._position = offset
        self._ask = ask
        self._attempts = attempts
        self._give_up = give_up
        self._good_since = offset
        self._answer: Answer | None = None
        self._reopen()

    def readinto(self, buffer: memoryview) -> int:
        """Fill the front of ``buffer``; 0 at the end.

        Raises:
            NetworkError: The connection broke, and could not be taken up again.
            IntegrityError: The registry sends another length than the descriptor has.
            RegistryError: The registry refuses to go on.
        """
        remaining = self._descriptor.size - self._position
        if remaining < len(buffer):
            buffer = buffer[:remaining]
        while True:
            try:
                if self._answer is None:
                    self._reopen()
                if not remaining:
                    return self._check_end()
                count = self._receive(buffer)
            except TransportFailure as failure:
                self._recover(failure)
            else:
                self._position += count
                return count

    def close(self) -> None:
        """Let go of the connection."""
        if self._answer is not None:
            self._answer.close()
            self._answer = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def _receive(self, buffer: memoryview) -> int:
        count = self._answer.readinto(buffer) if self._answer is not None else 0
        if not count:
            message = f"the connection was closed at {self._where()}"
            raise TransportFailure(message)
        return count

    def _recover(self, failure: TransportFailure) -> None:
        self.close()
        if self._position - self._good_since >= _WORTH_A_NEW_START:
            self._attempts.progressed()
        self._good_since = self._position
        if not self._attempts.wait():
            text = str(failure)
            shown = text if self._where() in text else f"{text} at {self._where()}"
            self._give_up(TransportFailure(shown, hint=failure.hint), self._attempts)

    def _reopen(self) -> None:
        """Ask for the rest. A registry that does not do ranges sends all: what is known already is passed over."""
        if self._position == self._descriptor.size and self._position:
            return
        self._answer = self._ask(self._position)
        start = check_part(self._answer, self._position, self._descriptor)
        scratch = memoryview(bytearray(min(_SCRATCH_BYTES, self._position - start) or 1))
        while start < self._position:
            count = self._answer.readinto(scratch[: self._position - start])
            if not count:
                message = f"the connection was closed at {format_bytes(start)}"
                raise TransportFailure(message)
            start += count

    def _check_end(self) -> int:
        """Where no header tells the length, see that nothing follows."""
        answer = self._answer
        if answer is not None and answer.content_length is None and answer.readinto(memoryview(bytearray(1))):
            self.close()
            descriptor = self._descriptor
            message = f"expected {descriptor.size} bytes of {descriptor.digest.short}, {answer.url} sends more"
            raise IntegrityError(message)
        return 0

    def _where(self) -> str:
        return format_bytes(self._position)


def check_part(answer: Answer, wanted: int, descriptor: Descriptor) -> int:
    """Return at which byte of the blob the body of an answer begins: ``wanted``, or 0 when it is the whole blob.

    Raises:
        IntegrityError: It is another part than was asked for, or of a blob of another length.
    """
    size, start = descriptor.size, 0
    if answer.status == _PARTIAL_CONTENT:
        text = answer.headers.get("Content-Range", "")
        match = _CONTENT_RANGE.fullmatch(text.strip())
        total = str(size)
        if match is None or int(match[1]) != wanted or int(match[2]) != size - 1 or match[3] not in {total, "*"}:
            answer.close()
            message = (
                f"asked for bytes {wanted}-{size - 1}/{size} of {descriptor.digest.short}, "
                f"{answer.url} sends {text[:80]!r}"
            )
            raise IntegrityError(message)
        start = wanted
    length = answer.content_length
    if length is not None and length != size - start:
        answer.close()
        message = f"expected {size - start} bytes of {descriptor.digest.short}, {answer.url} sends {length}"
        raise IntegrityError(message)
    return start
