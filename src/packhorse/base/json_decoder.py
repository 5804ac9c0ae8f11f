"""Decoding JSON into types from any thread.

msgspec learns a type when it is first used, and two threads that learn the same one at once crash the interpreter. So
decoders are made by one thread at a time, once for each type; a decoder that is made may be used by all.
"""

import threading
from collections.abc import Callable
from typing import Any, TypeVar

import msgspec

__all__ = ["decode_as"]

_T = TypeVar("_T")
_Hook = Callable[[type, Any], Any]

_decoders: dict[tuple[type, bool, _Hook | None], msgspec.json.Decoder[Any]] = {}
_lock = threading.Lock()


def decode_as(content: bytes | str, shape: type[_T], *, strict: bool = True, dec_hook: _Hook | None = None) -> _T:
    """Decode JSON into ``shape``, as :func:`msgspec.json.decode` does.

    Raises:
        msgspec.DecodeError, ValueError, RecursionError: It is no JSON, or of another shape.
    """
    key = (shape, strict, dec_hook)
    decoder = _decoders.get(key)
    if decoder is None:
        with _lock:
            decoder = _decoders.setdefault(key, msgspec.json.Decoder(shape, strict=strict, dec_hook=dec_hook))
    found: _T = decoder.decode(content)
    return found
