"""The programs that copy images: skopeo, crane, regctl and oras into a folder, imgpkg into a tar.

A folder is no single file, and packing it would be a second copy; that copy is not counted against them.
"""

import re
from collections.abc import Callable

from bench.editions import Named
from bench.measure import Command, Job
from bench.programs.model import Program
from bench.room import Room
from bench.scene import FIRST, Edition, Scene

__all__ = ["CRANE", "IMGPKG", "ORAS", "REGCTL", "SKOPEO"]

_FOLDER = "images"
_NO_TAG = re.compile(r"[^\w.-]")


def _image_by_image(command: Callable[[Scene, Room, Named, str], Command], *, makes: bool) -> Callable[..., Job]:
    """Make a job of one command line for each image, which gets the image and a tag for it in the folder."""

    def make(scene: Scene, room: Room, edition: Edition) -> Job:
        # An image has the same tag in each edition: skopeo keeps one name for one digest.
        tagged = [(image, _NO_TAG.sub("-", image.name)) for image in edition.images]
        product = room.out / _FOLDER if makes else None
        return Job([command(scene, room, image, tag) for image, tag in tagged], product=product)

    return make


def _skopeo_place(room: Room, image: Named, tag: str) -> str:
    # It writes Docker's manifests into a layout, but does not find them there again: they get a folder each.
    folder = room.out / _FOLDER
    return f"dir:{folder / tag}" if image.format == "docker" else f"oci:{folder}:{tag}"


def _skopeo_pull(scene: Scene, room: Room, image: Named, tag: str) -> Command:
    source = f"docker://{scene.source.address}/{image.name}"
    return [
        *(scene.programs["skopeo"], "copy", "--quiet", "--all", "--preserve-digests", "--src-tls-verify=false"),
        *(source, _skopeo_place(room, image, tag)),
    ]


def _skopeo_push(scene: Scene, room: Room, image: Named, tag: str) -> Command:
    target = f"docker://{scene.target.address}/{image.name}"
    return [
        *(scene.programs["skopeo"], "copy", "--quiet", "--all", "--preserve-digests", "--dest-tls-verify=false"),
        *(_skopeo_place(room, image, tag), target),
    ]


def _regctl(scene: Scene) -> Command:
    hosts = [f"--host=reg={host.address},tls=disabled" for host in (scene.source, scene.target)]
    return [scene.programs["regctl"], *hosts, "image", "copy"]


def _regctl_pull(scene: Scene, room: Room, image: Named, tag: str) -> Command:
    return [*_regctl(scene), f"{scene.source.address}/{image.name}", f"ocidir://{room.out / _FOLDER}:{tag}"]


def _regctl_push(scene: Scene, room: Room, image: Named, tag: str) -> Command:
    return [*_regctl(scene), f"ocidir://{room.out / _FOLDER}:{tag}", f"{scene.target.address}/{image.name}"]


def _oras_pull(scene: Scene, room: Room, image: Named, tag: str) -> Command:
    copy = [scene.programs["oras"], "copy", "--no-tty", "--from-plain-http", "--to-oci-layout"]
    return [*copy, f"{scene.source.address}/{image.name}", f"{room.out / _FOLDER}:{tag}"]


def _oras_push(scene: Scene, room: Room, image: Named, tag: str) -> Command:
    copy = [scene.programs["oras"], "copy", "--no-tty", "--from-oci-layout", "--to-plain-http"]
    return [*copy, f"{room.out / _FOLDER}:{tag}", f"{scene.target.address}/{image.name}"]


def _crane_pull(scene: Scene, room: Room, edition: Edition) -> Job:
    references = [f"{scene.source.address}/{image.name}" for image in edition.images]
    folder = room.out / edition.name
    return Job([[scene.programs["crane"], "pull", "--insecure", "--format=oci", *references, str(folder)]], folder)


def _crane_pull_again(scene: Scene, room: Room, edition: Edition) -> Job:
    # It fetches no blob that its folder has; a folder of links keeps the first edition as it is.
    first, again = str(room.out / FIRST), _crane_pull(scene, room, edition)
    own_index = ["cp", "--remove-destination", f"{first}/index.json", f"{again.product}/index.json"]
    return Job([["cp", "-a", "--link", first, str(again.product)], own_index, *again.commands], again.product)


def _crane_push(scene: Scene, room: Room, edition: Edition) -> Job:
    # A folder with several images goes to one repository, under one name.
    repository, tag = _crane_first(scene, edition)
    push = [scene.programs["crane"], "push", "--insecure", "--index", str(room.out / edition.name)]
    return Job([[*push, f"{scene.target.address}/{repository}:{tag}"]])


def _crane_first(_scene: Scene, edition: Edition) -> tuple[str, str]:
    return "crane/all", edition.name


def _imgpkg_pull(scene: Scene, room: Room, edition: Edition) -> Job:
    tar = room.out / f"{edition.name}.tar"
    return Job([[scene.programs["imgpkg"], "copy", "--lock", str(edition.imgpkg), "--to-tar", str(tar)]], product=tar)


def _imgpkg_push(scene: Scene, room: Room, edition: Edition) -> Job:
    tar = room.out / f"{edition.name}.tar"
    repository = f"{scene.target.address}/{_imgpkg_first(scene, edition)[0]}"
    return Job([[scene.programs["imgpkg"], "copy", "--tar", str(tar), "--to-repo", repository]])


def _imgpkg_first(_scene: Scene, edition: Edition) -> tuple[str, str]:
    return "imgpkg/all", edition.images[0].digest


def _copier(name: str, version: tuple[str, ...], pull: Callable[..., Command], push: Callable[..., Command]) -> Program:
    build = _image_by_image(pull, makes=True)
    return Program(
        name=name,
        executable=name,
        version=version,
        build=build,
        # What is in the folder already is not fetched again.
        build_again=build,
        push=_image_by_image(push, makes=False),
        pushes_again=True,
    )


SKOPEO = _copier("skopeo", ("--version",), _skopeo_pull, _skopeo_push)
REGCTL = _copier("regctl", ("version",), _regctl_pull, _regctl_push)
ORAS = _copier("oras", ("version",), _oras_pull, _oras_push)

CRANE = Program(
    name="crane",
    executable="crane",
    version=("version",),
    build=_crane_pull,
    build_again=_crane_pull_again,
    push=_crane_push,
    pushes_again=True,
    first_image=_crane_first,
)

IMGPKG = Program(
    name="imgpkg",
    executable="imgpkg",
    version=("version",),
    build=_imgpkg_pull,
    build_again=_imgpkg_pull,
    push=_imgpkg_push,
    pushes_again=True,
    first_image=_imgpkg_first,
)
