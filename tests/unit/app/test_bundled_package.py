"""Packages of real bundle files, as deploying reads them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from packhorse.app.bundled_package import BundledContent, choose_package
from packhorse.base.errors import IntegrityError, UsageError
from packhorse.bundle.reader import Bundle
from tests.support.deployable import DEFAULT_IMAGES, MemoryContent, definition, pack_chart, seal_package

CHART = pack_chart("api", {"templates/a.yaml": "kind: ConfigMap\n"})


@pytest.fixture
def bundle(tmp_path: Path) -> Iterator[Bundle]:
    chart = {"name": "api", "source": "chart"}
    package = definition({"name": "web", "charts": [chart]}, {"name": "other", "charts": [{**chart, "release": "two"}]})
    other = pack_chart("api", {"templates/b.yaml": "kind: Secret\n"})
    content = MemoryContent(
        package,
        {"web.yaml": "text"},
        {("web", "api"): CHART, ("other", "api"): other},
        {("web", "base"): "rendered"},
    )
    with Bundle.open_file(seal_package(tmp_path / "b.tar", content)) as opened:
        yield opened


def test_everything_is_there(bundle: Bundle) -> None:
    content = BundledContent(bundle, choose_package(bundle, None))
    assert content.definition.metadata.name == "shop"
    assert content.root_digest == str(bundle.root.digest)
    assert content.read_file("web.yaml") == b"text"
    assert content.rendering("web", "base") == b"rendered"
    assert content.chart_archive("web", "api") == CHART
    assert content.chart_archive("other", "api") != CHART
    assert [image.name for image in content.images] == sorted(DEFAULT_IMAGES)
    assert all(image.digests for image in content.images)


def test_what_is_not_there_is_named(bundle: Bundle) -> None:
    content = BundledContent(bundle, choose_package(bundle, "shop"))
    with pytest.raises(IntegrityError, match=r"does not carry the file gone\.yaml"):
        content.read_file("gone.yaml")
    with pytest.raises(IntegrityError, match="does not carry the chart gone of component web"):
        content.chart_archive("web", "gone")
    with pytest.raises(IntegrityError, match="does not carry the kustomization gone of component web"):
        content.rendering("web", "gone")


def test_a_package_that_is_not_there_is_named(bundle: Bundle) -> None:
    with pytest.raises(UsageError, match="has no package 'other'; it has: shop"):
        choose_package(bundle, "other")
