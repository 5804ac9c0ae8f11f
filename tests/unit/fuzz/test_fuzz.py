"""The fuzzer finds what it must find: exceptions, hangs, memory, death."""

import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random
from types import ModuleType, SimpleNamespace
from typing import cast

import pytest

import fuzz.__main__ as fuzz_main
from fuzz import worker
from fuzz.mutations import LARGEST_INPUT, Mutator
from fuzz.targets import yaml_reader
from packhorse.base.errors import ConfigError

ROOT = Path(fuzz_main.__file__).parent.parent


def target(function: object, **more: object) -> ModuleType:
    return cast("ModuleType", SimpleNamespace(fuzz_one=function, __doc__="It holds.", **more))


@pytest.fixture
def current(tmp_path: Path) -> Path:
    return tmp_path / "current"


def breaks_on_a_zero_after_an_a(data: bytes) -> None:
    if b"a\x00" in data:
        raise IndexError("found it")
    if b"a" in data:
        raise ConfigError("an a")


def test_what_comes_out_besides_our_errors_is_found(current: Path) -> None:
    found = worker.fuzz(target(breaks_on_a_zero_after_an_a), [b"abc"], Random(1), 30, current)
    assert isinstance(found, worker.Failure)
    assert found.reason == "IndexError: found it"
    assert b"a\x00" in found.data
    assert current.read_bytes() == found.data
    assert "breaks_on_a_zero_after_an_a" in found.trace


def test_the_same_seed_makes_the_same_inputs(current: Path) -> None:
    def inputs(seed: int) -> list[bytes]:
        seen: list[bytes] = []

        def fuzz_one(data: bytes) -> None:
            seen.append(data)
            if len(seen) == 300:
                raise IndexError

        worker.fuzz(
            target(fuzz_one, mutate=yaml_reader.mutate, TOKENS=yaml_reader.TOKENS),
            [b"x: 1\n"],
            Random(seed),
            60,
            current,
        )
        return seen

    assert inputs(7) == inputs(7)
    assert inputs(7) != inputs(8)


def test_our_own_errors_are_what_is_wanted(current: Path) -> None:
    def fuzz_one(_data: bytes) -> None:
        raise ConfigError("no")

    assert isinstance(worker.fuzz(target(fuzz_one), [b""], Random(1), 0.1, current), int)


def test_an_input_that_hangs_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "SECONDS_PER_INPUT", 0.05)

    def fuzz_one(_data: bytes) -> None:
        while True:
            time.monotonic()

    _, failure = worker.run_one(target(fuzz_one), b"x")
    assert failure is not None
    assert failure.reason.startswith("TooSlowError: more than")


def test_outcomes_are_alike_for_like_causes() -> None:
    def fuzz_one(data: bytes) -> None:
        raise ConfigError(f"line {len(data)}: expected 'x', found {data!r}\nmore")

    one, two = worker.run_one(target(fuzz_one), b"a"), worker.run_one(target(fuzz_one), b"bcd")
    assert one == two == ("ConfigError line : expected , found b", None)


HOG = """
import sys
from fuzz import worker
worker.limit_memory()
small = bytearray(100 << 20)
del small
try:
    large = bytearray(300 << 20)
except MemoryError:
    print("refused")
"""


def test_memory_is_limited() -> None:
    done = subprocess.run([sys.executable, "-c", HOG], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "refused\n"


def test_mutations_stay_within_the_largest_input() -> None:
    random = Random(3)
    mutator = Mutator(random, [b"token"])
    data = b"key: 12345\n" * 50
    for _ in range(2000):
        data = mutator.mutate(data, b"other: 1\n")
        assert len(data) <= LARGEST_INPUT
        if not 0 < len(data) < 50_000:
            data = b"key: 12345\n"


def test_mutations_use_tokens_and_numbers() -> None:
    random = Random(4)
    mutator = Mutator(random, [b"<token>"])
    made = [mutator.mutate(b"size: 123", b"OTHER") for _ in range(500)]
    assert any(b"<token>" in data for data in made)
    assert any(b"9223372036854775807" in data for data in made)
    assert any(b"THE" in data for data in made)


def test_seeds_are_files_and_what_the_target_makes(tmp_path: Path) -> None:
    (tmp_path / "b").write_bytes(b"B")
    (tmp_path / "a").write_bytes(b"A")

    def made() -> Iterator[bytes]:
        yield b"made"

    assert worker.seeds_of(target(None, seeds=made), tmp_path) == [b"A", b"B", b"made"]
    assert worker.seeds_of(target(None), tmp_path / "nowhere") == [b""]


def test_a_target_that_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        fuzz_main.main(["nothing"])
    assert "there is no target nothing; there are" in capsys.readouterr().err


BROKEN_TARGET = '''
"""Nothing holds."""

import sys
from types import ModuleType
from fuzz import worker

def fuzz_one(data):
    raise KeyError("broken")

module = ModuleType("fuzz.targets.broken", __doc__)
module.fuzz_one = fuzz_one
sys.modules["fuzz.targets.broken"] = module
sys.exit(worker.main(["broken", "--seconds", "1", "--seed", "5"]))
'''


def test_a_failure_is_kept_and_can_be_run_again(capfd: pytest.CaptureFixture[str]) -> None:
    done = subprocess.run([sys.executable, "-c", BROKEN_TARGET], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "broken: KeyError: 'broken' (seed 5, 0 bytes)" in done.stderr
    kept = re.search(r"hint: python -m fuzz --replay (\S+) broken", done.stderr)
    assert kept is not None
    path = ROOT / kept[1]
    try:
        assert fuzz_main.main(["--replay", str(path), "yaml_reader"]) == 0
    finally:
        path.unlink()
    assert "yaml_reader: 1 inputs, nothing broke" in capfd.readouterr().out


@pytest.mark.parametrize("path", sorted((ROOT / "fuzz/seeds/yaml_reader").iterdir()), ids=lambda path: path.name)
def test_the_seeds_of_the_yaml_reader_are_good_yaml(path: Path) -> None:
    assert worker.run_one(yaml_reader, path.read_bytes()) == ("read", None)


def test_changes_to_yaml_end_well() -> None:
    random = Random(11)
    data = (ROOT / "fuzz/seeds/yaml_reader/manifests.yaml").read_bytes()
    for _ in range(150):
        _, failure = worker.run_one(yaml_reader, yaml_reader.mutate(data, random))
        assert failure is None
    assert yaml_reader.mutate(b"", random).startswith(b"a0: &a0 ")
