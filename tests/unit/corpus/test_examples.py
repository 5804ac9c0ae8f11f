import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from corpus.sets import SETS, images_of

EXAMPLES = Path(__file__).parents[3] / "examples"
needs_helm = pytest.mark.skipif(shutil.which("helm") is None, reason="helm is not on PATH: make tools")


def test_version_1_1_of_the_shop_is_1_0_with_another_number() -> None:
    first = (EXAMPLES / "shop/packhorse.yaml").read_text(encoding="utf-8")
    second = (EXAMPLES / "shop-1.1/packhorse.yaml").read_text(encoding="utf-8")
    assert first.replace("  version: 1.0.0\n", "  version: 1.1.0\n") == second


def test_the_demo_takes_every_image_from_the_layout_that_the_corpus_makes() -> None:
    package = yaml.safe_load((EXAMPLES / "demo/packhorse.yaml").read_text(encoding="utf-8"))
    listed = {image["name"]: image["source"] for component in package["components"] for image in component["images"]}
    assert listed == {image.reference: f"oci:images:{image.reference}" for image in images_of("demo")}


def folder_of(name: str, scratch: Path) -> Path:
    """Give the package of the set ``name``; a later version is laid over the first."""
    first, _, version = name.partition("-")
    folder = scratch / name
    shutil.copytree(EXAMPLES / first, folder, ignore=shutil.ignore_patterns("images", "*.tar"))
    if version:
        shutil.copytree(EXAMPLES / name, folder, dirs_exist_ok=True)
    return folder


@needs_helm
@pytest.mark.peer("helm")
@pytest.mark.parametrize("name", [name for name in SETS if (EXAMPLES / name).is_dir() and name != "operator"])
def test_charts_and_manifests_ask_for_exactly_the_images_that_are_made(name: str, tmp_path: Path) -> None:
    # The operator's images stand in no field that is called image; e2e holds its lock against what a node pulls.
    folder = folder_of(name, tmp_path)
    package = yaml.safe_load((folder / "packhorse.yaml").read_text(encoding="utf-8"))
    defaults = {variable["name"]: variable.get("default", "p") for variable in package.get("variables", [])}
    for path in folder.glob("values/*"):
        path.write_text(re.sub(r"\$\{var\.(\w+)\}", lambda found: str(defaults.get(found[1], "")), path.read_text()))
    texts = []
    for component in package["components"]:
        for chart in component.get("charts", []):
            values = [word for path in chart.get("values", []) for word in ("--values", str(folder / path))]
            command = ["helm", "template", chart["name"], str(folder / chart["source"]), *values]
            texts.append(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        texts += [
            (folder / path).read_text(encoding="utf-8")
            for manifest in component.get("manifests", [])
            for path in manifest["files"]
        ]
        for kustomization in component.get("kustomizations", []):
            command = ["kubectl", "kustomize", str(folder / kustomization["path"])]
            texts.append(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    asked = set(re.findall(r'^\s*(?:- )?image: "?([^"\s]+)"?$', "\n".join(texts), re.MULTILINE))
    assert asked == {image.reference for image in images_of(name)}


@needs_helm
@pytest.mark.peer("helm")
@pytest.mark.parametrize("chart", sorted(EXAMPLES.glob("*/charts/*/values.yaml")), ids=lambda path: path.parent.name)
def test_charts_pass_helms_own_lint(chart: Path) -> None:
    subprocess.run(["helm", "lint", "--strict", "--set", "auth.password=p", chart.parent], check=True)
