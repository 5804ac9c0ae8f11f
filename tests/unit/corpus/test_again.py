import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from corpus import entries
from corpus.__main__ import main
from corpus.again import differences
from corpus.entries import Entry
from corpus.model import Attachment, Image, Index, Recipe, Source
from corpus.sets import SETS
from corpus.sources import Texts
from corpus.statements import Sbom, Signature
from corpus.workshop import Workshop

TEXTS = Texts({"/a": "a"})


@dataclass(frozen=True)
class Clock:
    """A file that says when it was made: what a recipe must not have."""

    def identity(self, platform: str, workshop: Workshop) -> Mapping[str, object]:
        del platform, workshop
        return {"clock": ""}

    def entries(self, platform: str, workshop: Workshop) -> Iterator[Entry]:
        del platform, workshop
        yield entries.file("made", str(time.perf_counter_ns()).encode())


@dataclass(frozen=True)
class Fetching:
    """A source that fetches once into one of the folders that are shared, and makes the rest."""

    def identity(self, platform: str, workshop: Workshop) -> Mapping[str, object]:
        del platform, workshop
        return {"fetching": ""}

    def entries(self, platform: str, workshop: Workshop) -> Iterator[Entry]:
        del platform
        package = workshop.folder("wheels") / "package"
        if not package.exists():
            workshop.tell("fetched")
            package.write_bytes(b"package")
        workshop.tell("packed")
        yield entries.file("package", package.read_bytes())


def image(*layers: Source) -> Image:
    return Image(reference="registry.example.com/a/one:1", layers=layers)


def test_the_same_recipe_is_made_twice_with_one_fetch(workshop: Workshop, told: list[str]) -> None:
    one = image(TEXTS, Fetching())
    recipes: list[Recipe] = [one, Index(reference="r/x:1", members=(one,)), Attachment(to=one, statement=Signature())]
    assert differences([*recipes, Attachment(to=one, statement=Sbom())], workshop) == []
    assert told.count("fetched") == 1
    assert told.count("packed") == 2


def test_nothing_is_left_beside_the_cache(workshop: Workshop) -> None:
    differences([image(TEXTS)], workshop)
    assert not list(workshop.cache.glob(".again-*"))


def test_what_depends_on_the_clock_is_found(workshop: Workshop) -> None:
    found = differences([image(TEXTS), image(Clock())], workshop)
    assert any("is made only once" in line for line in found)
    assert all(line.startswith("registry.example.com/a/one:1: ") for line in found)


def test_other_bytes_under_the_same_name_are_found(workshop: Workshop) -> None:
    differences([image(TEXTS)], workshop)
    (blob, *_) = (workshop.cache / "layers").glob("*/blob")
    blob.write_bytes(b"spoilt")
    assert any("has other bytes" in line for line in differences([image(TEXTS)], workshop))


def test_the_command_tells_and_has_an_exit_code(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(SETS, "demo", (image(TEXTS),))
    assert main(["--cache", str(workshop.cache), "again", "demo"]) == 0
    assert "every byte is the same" in capsys.readouterr().out
    monkeypatch.setitem(SETS, "demo", (image(Clock()),))
    assert main(["--cache", str(workshop.cache), "again", "demo"]) == 1
    assert "is made only once" in capsys.readouterr().err


def test_the_command_makes_sets_and_shows_them(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in SETS:
        monkeypatch.setitem(SETS, name, (image(TEXTS),))
    assert main(["--cache", str(workshop.cache)]) == 0
    everything = capsys.readouterr().out
    assert [line.partition(":")[0] for line in everything.splitlines() if line[0] != " "] == [*SETS, "All together"]
    assert main(["--cache", str(workshop.cache), "make", "shop", "demo"]) == 0
    some = capsys.readouterr().out
    assert [line.partition(":")[0] for line in some.splitlines() if line[0] != " "] == ["shop", "demo", "All together"]


def test_a_cache_named_from_here_is_the_same_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    @dataclass(frozen=True)
    class Where(Clock):
        def entries(self, platform: str, workshop: Workshop) -> Iterator[Entry]:
            workshop.tell(f"cache: {workshop.cache}")
            yield from super().entries(platform, workshop)

    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(SETS, "demo", (image(Where()),))
    assert main(["--cache", "mine", "make", "demo"]) == 0
    assert f"cache: {tmp_path / 'mine'}" in capsys.readouterr().err
