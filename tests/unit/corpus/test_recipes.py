import re
from pathlib import Path

import pytest

from corpus.__main__ import main
from corpus.model import Image
from corpus.sets import SETS

EVERY = [pytest.param(image, id=f"{name}-{image.reference}") for name, images in SETS.items() for image in images]
EXAMPLES = Path(__file__).parents[3] / "examples"
RUN_BY_EXAMPLES = [
    pytest.param(image, id=f"{name}-{image.reference}")
    for name, images in SETS.items()
    for image in images
    if (EXAMPLES / name).is_dir()
]


@pytest.mark.parametrize("image", EVERY)
def test_a_reference_is_full_and_has_a_tag(image: Image) -> None:
    assert re.fullmatch(r"[a-z0-9.-]+\.[a-z]+(?:/[a-z0-9._-]+)+:[\w.-]+", image.reference)


@pytest.mark.parametrize("name", SETS)
def test_no_reference_stands_twice_in_a_set(name: str) -> None:
    references = [image.reference for image in SETS[name]]
    assert len(set(references)) == len(references) > 0


@pytest.mark.parametrize("image", RUN_BY_EXAMPLES)
def test_no_image_of_an_example_runs_as_root(image: Image) -> None:
    user = image.config.user.partition(":")[0]
    assert user.isdecimal()
    assert int(user) > 0


def test_the_list_names_every_image(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list"]) == 0
    shown = [line.split("\t")[:2] for line in capsys.readouterr().out.splitlines()]
    assert shown == [[name, image.reference] for name, images in SETS.items() for image in images]


def test_a_failure_is_a_message_and_a_code(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "index.json").write_text('{"manifests": [{"digest": "sha256:0"}]}')
    assert main(["push", str(tmp_path), "http://127.0.0.1:1"]) == 1
    assert "Expected a name for sha256:0" in capsys.readouterr().err
