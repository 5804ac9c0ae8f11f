"""The tutorial and the README of each example, followed word for word; what is deployed is complete, and no more."""

import hashlib
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import pytest

from corpus.layout import Layout
from e2e.cluster.cluster import Cluster
from e2e.cluster.internet import Internet
from e2e.completeness import check_completeness
from e2e.walkthrough import Check, Page, Walk

_PROJECT = Path(__file__).resolve().parents[1]
_EXAMPLES = _PROJECT / "examples"


def check_that_it_is_complete(walk: Walk) -> None:
    """Every image of the lock was pulled, and no other."""
    check_completeness(walk.cluster, walk.package / "packhorse.lock")


def check_that_the_harbour_is_complete(walk: Walk) -> None:
    """A site that has chosen one component has pulled the images of this component."""
    check_completeness(walk.cluster, walk.package / "packhorse.lock", ["harbour"])


def check_the_program_of_the_node(walk: Walk) -> None:
    """What was put on the node is the program that is in the image."""
    layout = Layout(_PROJECT / ".cache" / "internet-edge")
    (on_node,) = walk.cluster.run_in_node("sha256sum", "/usr/local/bin/lantern").split()[:1]
    assert on_node == file_in_image(layout, "linux/amd64", "usr/local/bin/lantern")


def file_in_image(layout: Layout, platform: str, path: str) -> str:
    """Give the SHA-256 of a file in the one image of a layout."""
    ((_, descriptor),) = layout.named()
    index = layout.read_json(str(descriptor["digest"]))
    (manifest,) = (
        layout.read_json(entry["digest"])
        for entry in cast("list[dict[str, Any]]", index["manifests"])
        if f"{entry['platform']['os']}/{entry['platform']['architecture']}" == platform
    )
    for layer in cast("list[dict[str, str]]", manifest["layers"]):
        with tarfile.open(layout.blob(layer["digest"])) as archive:
            if path in archive.getnames():
                content = archive.extractfile(path)
                assert content is not None
                return hashlib.sha256(content.read()).hexdigest()
    raise AssertionError(f"no layer has {path}")


@dataclass(frozen=True)
class Story:
    """A page, and what is looked at on the way: before the first block that has this text."""

    page: Page
    checks: Mapping[str, Check] = field(default_factory=dict)


def example(name: str, release: str, *namespaces: str) -> Page:
    """The README of an example, whose images are the set of its name."""
    return Page(_EXAMPLES / name / "README.md", (name,), release, namespaces)


STORIES = {
    # Two versions, one after the other: what is complete there is shown by the main job.
    "tutorial": Story(Page(_PROJECT / "docs" / "tutorial.md", ("shop", "shop-1.1"), "shop", ("shop",))),
    "operator": Story(
        example("operator", "caches", "cache-operator", "harbour"),
        {"packhorse remove": check_that_it_is_complete},
    ),
    "kustomize": Story(
        example("kustomize", "weather", "weather-harbour", "weather-mountain"),
        {"--component mountain": check_that_the_harbour_is_complete, "packhorse remove": check_that_it_is_complete},
    ),
    "edge": Story(
        example("edge", "lantern", "lantern"),
        {"--set lanterns": check_the_program_of_the_node, "packhorse remove": check_that_it_is_complete},
    ),
    "platform": Story(
        example("platform", "monitoring", "monitoring"),
        {"packhorse remove": check_that_it_is_complete},
    ),
}


@pytest.mark.parametrize("story", STORIES.values(), ids=STORIES)
def test_the_page_does_what_it_says(story: Story, cluster: Cluster, internet: Internet, tmp_path: Path) -> None:
    before = cluster.escape_attempts()
    with Walk(story.page, cluster, internet, tmp_path) as walk:
        assert walk.follow(story.checks) > 8
    assert cluster.escape_attempts() == before
