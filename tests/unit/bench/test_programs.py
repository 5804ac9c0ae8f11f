"""Command lines are shown to work by a run; here is what a run can't see: that no program gets another's place."""

from dataclasses import replace
from pathlib import Path

import pytest

from bench.editions import Named, write_edition
from bench.programs import PROGRAMS, Program
from bench.results import Content
from bench.scene import FIRST, FIVE_PERCENT, ONE_CHANGED, Scene
from bench.servers import Registry

_IMAGE = Named("docker.io/library/redis:7", "sha256:ab")
_UPDATED = Named("docker.io/library/redis:8", "sha256:cd")


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    source, target = Registry("127.0.0.1:5", tmp_path, 1), Registry("127.0.0.1:6", tmp_path, 1)
    editions = {
        name: write_edition(name, [image], source.address, tmp_path / name)
        for name, image in ((FIRST, _IMAGE), (ONE_CHANGED, _UPDATED), (FIVE_PERCENT, _UPDATED))
    }
    programs = {program.executable: f"/peers/{program.executable}" for program in PROGRAMS}
    content = Content(sets=[], images=1, blobs=1, size_bytes=1, changed_bytes={})
    return Scene(tmp_path, programs, source, target, editions, content, {})


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.name)
def test_what_is_built_is_in_the_rooms_out_and_the_next_edition_leaves_it_alone(program: Program, scene: Scene) -> None:
    room = scene.room(program.name)
    first = program.build(scene, room, scene.first)
    assert first.product is not None
    assert first.product.is_relative_to(room.out)
    assert program.build_again is not None
    again = program.build_again(scene, room, scene.editions[ONE_CHANGED])
    # The copiers keep all editions in one folder, under tags of their own.
    assert again.product != first.product or program.name in {"skopeo", "regctl", "oras"}
    assert again.commands != first.commands


@pytest.mark.parametrize("name", ["skopeo", "regctl", "oras"])
def test_an_image_that_stays_has_the_same_tag_in_the_folder_of_all_editions(name: str, scene: Scene) -> None:
    (program,) = (program for program in PROGRAMS if program.name == name)
    room, later = scene.room(name), replace(scene.editions[ONE_CHANGED], images=(_IMAGE, _UPDATED))
    assert program.build(scene, room, scene.first).commands[0] == program.build(scene, room, later).commands[0]


def test_no_two_programs_share_a_room(scene: Scene) -> None:
    rooms = [scene.room(program.name).folder for program in PROGRAMS]
    assert len(set(rooms)) == len(rooms)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("packhorse", ("docker.io/library/redis", "7")),
        ("hauler", ("library/redis", "7")),
        ("crane", ("crane/all", FIRST)),
        ("imgpkg", ("imgpkg/all", "sha256:ab")),
    ],
)
def test_the_first_image_is_asked_for_where_the_program_puts_it(
    name: str, expected: tuple[str, str], scene: Scene
) -> None:
    (program,) = (program for program in PROGRAMS if program.name == name)
    assert program.first_image(scene, scene.first) == expected


def test_skopeo_takes_images_of_dockers_format_from_where_it_put_them(scene: Scene) -> None:
    (program,) = (program for program in PROGRAMS if program.name == "skopeo")
    room = scene.room("skopeo")
    edition = replace(scene.first, images=(_IMAGE, replace(_UPDATED, format="docker")))
    made = [command[-1] for command in program.build(scene, room, edition).commands]
    assert program.push is not None
    assert [command[-2] for command in program.push(scene, room, edition).commands] == made
    assert [place.partition(":")[0] for place in made] == ["oci", "dir"]
