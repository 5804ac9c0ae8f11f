"""The tutorial and the README of each example, followed word for word; what is deployed is complete, and no more."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest

from e2e import example_checks
from e2e.cluster.cluster import Cluster
from e2e.cluster.internet import Internet
from e2e.journey import EXAMPLES, PROJECT
from e2e.walkthrough import Check, Page, Walk

_END = "packhorse remove"


@dataclass(frozen=True)
class Story:
    """A page, and what is looked at on the way: before the first block that has this text."""

    page: Page
    checks: Mapping[str, Check] = field(default_factory=dict)


def example(name: str, release: str, *namespaces: str) -> Page:
    """The README of an example, whose images are the set of its name."""
    return Page(EXAMPLES / name / "README.md", (name,), release, namespaces)


STORIES = {
    # Two versions, one after the other: what is complete there is shown by the main job.
    "tutorial": Story(Page(PROJECT / "docs" / "tutorial.md", ("shop", "shop-1.1"), "shop", ("shop",))),
    "operator": Story(
        example("operator", "caches", "cache-operator", "harbour"),
        {_END: example_checks.check_operator},
    ),
    "kustomize": Story(
        example("kustomize", "weather", "weather-harbour", "weather-mountain"),
        {"--component mountain": example_checks.check_harbour, _END: example_checks.check_kustomize},
    ),
    "edge": Story(
        example("edge", "lantern", "lantern"),
        {"systemctl enable": example_checks.check_program_of_node, _END: example_checks.check_edge},
    ),
    "platform": Story(
        example("platform", "monitoring", "monitoring"),
        {_END: example_checks.check_platform},
    ),
}


@pytest.mark.parametrize("story", STORIES.values(), ids=STORIES)
def test_the_page_does_what_it_says(
    story: Story, cluster: Cluster, internet: Internet, tmp_path_factory: pytest.TempPathFactory
) -> None:
    before = cluster.escape_attempts()
    with Walk(story.page, cluster, internet, tmp_path_factory.mktemp(story.page.release)) as walk:
        assert walk.follow(story.checks) > 8
    assert cluster.escape_attempts() == before
