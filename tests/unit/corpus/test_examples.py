from pathlib import Path

import yaml

from corpus.sets import SETS

EXAMPLES = Path(__file__).parents[3] / "examples"


def test_version_1_1_of_the_shop_is_1_0_with_another_number() -> None:
    first = (EXAMPLES / "shop/packhorse.yaml").read_text(encoding="utf-8")
    second = (EXAMPLES / "shop-1.1/packhorse.yaml").read_text(encoding="utf-8")
    assert first.replace("  version: 1.0.0\n", "  version: 1.1.0\n") == second


def test_the_demo_takes_every_image_from_the_layout_that_the_corpus_makes() -> None:
    package = yaml.safe_load((EXAMPLES / "demo/packhorse.yaml").read_text(encoding="utf-8"))
    listed = {image["name"]: image["source"] for component in package["components"] for image in component["images"]}
    assert listed == {image.reference: f"oci:images:{image.reference}" for image in SETS["demo"]}


def test_the_chart_of_1_1_names_the_images_of_1_1() -> None:
    made = {image.reference for image in SETS["shop-1.1"]}
    for part in ("api", "web"):
        chart = yaml.safe_load(
            (EXAMPLES / f"shop-1.1/charts/shop/charts/{part}/Chart.yaml").read_text(encoding="utf-8")
        )
        assert f"registry.example.com/shop/{part}:{chart['appVersion']}" in made
