"""Types are learnt by one thread at a time: msgspec crashes the interpreter otherwise."""

import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import msgspec
import pytest

from packhorse.base.json_decoder import decode_as

_MANY_AT_ONCE = """
import sys, threading
from packhorse.oci.digest import Digest
from packhorse.oci.model import Descriptor, Manifest, Platform, canonical_json, decode_json

sys.setswitchinterval(1e-6)
platform = Platform(architecture="amd64", os="linux")
layer = Descriptor(media_type="a/b", digest=Digest.of(b"x"), size=1, platform=platform)
text = canonical_json(Manifest(schema_version=2, media_type="m/n", config=layer, layers=(layer,) * 3))
together = threading.Barrier(8)

def decode():
    together.wait()
    decode_json(text, Manifest, "a manifest")

threads = [threading.Thread(target=decode) for _ in range(8)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
"""


class Shape(msgspec.Struct):
    """Something to decode."""

    name: str
    number: int = 0


def test_json_becomes_a_value_of_the_type() -> None:
    assert decode_as(b'{"name":"a","number":2}', Shape) == Shape("a", 2)
    assert decode_as('{"name":"a","number":"2"}', Shape, strict=False) == Shape("a", 2)


@pytest.mark.parametrize("content", [b"{", b'{"name":1}', b'{"name":"a","number":"2"}'])
def test_what_is_of_another_shape_is_refused(content: bytes) -> None:
    with pytest.raises(msgspec.DecodeError):
        decode_as(content, Shape)


def test_one_thread_at_a_time_learns_a_type(monkeypatch: pytest.MonkeyPatch) -> None:
    together = threading.Barrier(2)
    met: list[bool] = []
    learn = msgspec.json.Decoder

    def slow(*given: Any, **options: Any) -> Any:
        try:
            together.wait(0.2)
            met.append(True)
        except threading.BrokenBarrierError:
            together.reset()
        return learn(*given, **options)

    class Fresh(msgspec.Struct):
        """Known to nobody yet."""

        name: str

    monkeypatch.setattr(msgspec.json, "Decoder", slow)
    threads = [threading.Thread(target=decode_as, args=(b'{"name":"a"}', Fresh)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert met == []


def test_threads_that_decode_a_type_for_the_first_time_at_once_do_not_crash() -> None:
    # Without a lock, one process in twenty dies here of SIGSEGV.
    folder = Path(__file__).parents[3]
    for _ in range(2):
        children = [subprocess.Popen([sys.executable, "-c", _MANY_AT_ONCE], cwd=folder) for _ in range(6)]
        assert [child.wait(50) for child in children] == [0] * 6
