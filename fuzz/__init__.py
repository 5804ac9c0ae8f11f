"""Feeds broken input to the readers: ``python -m fuzz --seconds 60 [TARGET...]``.

A target is a module in ``fuzz/targets`` with ``fuzz_one(data: bytes) -> None`` and, in its docstring's first line or
as ``INVARIANT``, what must hold whatever the bytes are. It may have ``TOKENS`` (byte strings that its format is made
of) and ``mutate(data, random) -> bytes`` (changes that know the format). Its seeds are the files in
``fuzz/seeds/TARGET``, and what ``seeds() -> Iterable[bytes]`` gives where a module has that.

For every input: nothing but a PackhorseError may come out, in at most 5 seconds and 200 MiB. An input that breaks
this is kept, and the command that runs it again is printed.
"""
