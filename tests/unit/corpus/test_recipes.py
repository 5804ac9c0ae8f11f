import re
from collections import Counter
from pathlib import Path

import pytest

from corpus.__main__ import main
from corpus.maker import title
from corpus.model import Attachment, Image, Recipe
from corpus.sets import SETS, images_of

EVERY = [
    pytest.param(recipe, id=f"{name}-{number}-{title(recipe)}")
    for name, recipes in SETS.items()
    for number, recipe in enumerate(recipes)
]
EXAMPLES = Path(__file__).parents[3] / "examples"
RUN_BY_EXAMPLES = [
    pytest.param(image, id=f"{name}-{image.reference}")
    for name in SETS
    for image in images_of(name)
    if (EXAMPLES / name).is_dir()
]


@pytest.mark.parametrize("recipe", EVERY)
def test_a_reference_is_full_and_has_a_tag(recipe: Recipe) -> None:
    assert re.fullmatch(r"[a-z0-9.-]+\.[a-z]+(?:/[a-z0-9._-]+)+:[\w.-]+", recipe.reference)


@pytest.mark.parametrize("name", SETS)
def test_no_reference_stands_twice_in_a_set(name: str) -> None:
    references = [recipe.reference for recipe in SETS[name] if not isinstance(recipe, Attachment)]
    assert len(set(references)) == len(references) > 0


@pytest.mark.parametrize("image", RUN_BY_EXAMPLES)
def test_no_image_of_an_example_runs_as_root(image: Image) -> None:
    user = image.config.user.partition(":")[0]
    assert user.isdecimal()
    assert int(user) > 0


def test_the_list_names_every_image(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list"]) == 0
    shown = [line.split("\t")[:2] for line in capsys.readouterr().out.splitlines()]
    assert shown == [[name, title(recipe)] for name, recipes in SETS.items() for recipe in recipes]


def test_what_is_attached_to_is_in_the_set_before_it() -> None:
    for recipes in SETS.values():
        for number, recipe in enumerate(recipes):
            assert not isinstance(recipe, Attachment) or recipe.to in recipes[:number]


def test_each_series_has_three_versions_of_one_image() -> None:
    by_repository = Counter(image.reference.rpartition(":")[0] for image in images_of("series"))
    assert len(by_repository) == 6
    assert set(by_repository.values()) == {3}


def test_the_library_has_images_of_several_platforms_and_shares_layers() -> None:
    images = images_of("library")
    assert len(images) >= 14
    assert len([image for image in images if len(image.platforms) > 1]) >= 5
    lowest = Counter(repr(image.layers[0]) for image in images)
    assert max(lowest.values()) >= 10


def test_a_failure_is_a_message_and_a_code(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "index.json").write_text('{"manifests": [{"digest": "sha256:0"}]}')
    assert main(["push", str(tmp_path), "http://127.0.0.1:1"]) == 1
    assert "Expected a name for sha256:0" in capsys.readouterr().err
