"""The package that init writes: nothing is overwritten, and it is one that works."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from packhorse.app.init import create_package
from packhorse.base.errors import ConfigError, UsageError
from packhorse.cli import main
from packhorse.cli.console import Console
from packhorse.package import definition
from packhorse.package.schema import schema_text
from packhorse.package.substitution import placeholders, substitute_document
from packhorse.package.variables import settle
from packhorse.package.yaml_document import load_all, read_located

FILES = (
    "packhorse.yaml",
    "charts/shop/Chart.yaml",
    "charts/shop/templates/configmap.yaml",
    "charts/shop/templates/deployment.yaml",
    "charts/shop/templates/service.yaml",
    "charts/shop/values.yaml",
    "packhorse.schema.json",
    "values/site.yaml",
)


def files_of(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_what_is_written_is_a_package_without_mistakes(tmp_path: Path) -> None:
    made = create_package("shop", tmp_path / "new" / "shop")
    assert made.files == FILES
    assert files_of(made.folder) == set(FILES)
    loaded = definition.load(made.folder)
    assert loaded.package.metadata.name == "shop"
    assert [chart.namespace for chart in loaded.package.components[0].charts] == ["shop"]
    assert (made.folder / "packhorse.schema.json").read_text() == schema_text()
    first = (made.folder / "packhorse.yaml").read_text().splitlines()[0]
    assert first == "# yaml-language-server: $schema=./packhorse.schema.json"
    assert not [path for path in made.folder.rglob("*") if path.is_file() and "PACKAGE_NAME" in path.read_text()]


def test_its_values_use_every_variable(tmp_path: Path) -> None:
    folder = create_package("shop", tmp_path).folder
    variables = definition.load(folder).package.variables
    document = read_located((folder / "values/site.yaml").read_bytes(), "values/site.yaml")
    assert placeholders(document.value) == {variable.name for variable in variables}
    values = settle(variables, []).complete()
    assert substitute_document(document, values) == {"greeting": "Hello from shop", "replicas": 1}


def helm() -> str | None:
    return os.environ.get("PACKHORSE_HELM") or shutil.which("helm")


@pytest.mark.peer("helm")
@pytest.mark.skipif(helm() is None, reason="helm is not installed")
def test_helm_renders_its_chart(tmp_path: Path) -> None:
    folder = create_package("a-shop", tmp_path).folder
    values = tmp_path / "site.yaml"
    values.write_text('greeting: "Tom & <Jerry>"\nreplicas: 3\n')
    chart = str(folder / "charts/a-shop")
    program = str(helm())
    subprocess.run([program, "lint", "--strict", chart], check=True, capture_output=True)
    command = [program, "template", "a-shop", chart, "--values", str(values)]
    output = subprocess.run(command, check=True, capture_output=True).stdout
    objects = {found["kind"]: found for found in load_all(output, "output of helm template a-shop")}
    assert set(objects) == {"ConfigMap", "Service", "Deployment"}
    assert "<h1>Tom &amp; &lt;Jerry></h1>" in objects["ConfigMap"]["data"]["index.html"]
    deployment = objects["Deployment"]["spec"]
    assert deployment["replicas"] == 3
    (container,) = deployment["template"]["spec"]["containers"]
    assert container["image"] == "docker.io/nginxinc/nginx-unprivileged:1.27-alpine"
    assert isinstance(deployment["template"]["metadata"]["annotations"]["checksum/page"], str)


def test_nothing_is_overwritten_without_being_asked(tmp_path: Path) -> None:
    (tmp_path / "values").mkdir()
    (tmp_path / "values/site.yaml").write_text("mine: true\n")
    with pytest.raises(UsageError, match=r"values/site\.yaml is there already$") as caught:
        create_package("shop", tmp_path)
    assert caught.value.hint == "choose another --directory, or overwrite with --force"
    assert files_of(tmp_path) == {"values/site.yaml"}
    create_package("shop", tmp_path, force=True)
    assert "mine" not in (tmp_path / "values/site.yaml").read_text()
    with pytest.raises(UsageError, match=r"is there already, and 7 more$"):
        create_package("shop", tmp_path)


def test_a_dry_run_writes_nothing(tmp_path: Path) -> None:
    assert create_package("shop", tmp_path / "shop", dry_run=True).files == FILES
    assert not (tmp_path / "shop").exists()


@pytest.mark.parametrize("name", ["Shop", "1shop", "shop-", "a.b", "a/b", "..", "", "x" * 54, "shop\n"])
def test_names_that_cannot_be(name: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="expected a name of lower-case letters, digits and dashes"):
        create_package(name, tmp_path)
    assert files_of(tmp_path) == set()


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match=r"cannot write .*: Not a directory"):
        create_package("shop", tmp_path / "file" / "shop")


def test_the_verb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    assert main.guarded(["init", "shop", "--dry-run"], Console()) == 0
    assert capfd.readouterr().out.splitlines()[0] == "Would write shop/packhorse.yaml"
    assert main.guarded(["init", "shop"], Console()) == 0
    wrote = "Wrote packhorse.yaml (one component, one chart) and values/site.yaml.\n"
    assert capfd.readouterr().out == wrote + "Next: cd shop && packhorse lock\n"
    monkeypatch.chdir(tmp_path / "shop")
    assert main.guarded(["init", "shop", "--directory", ".", "--force"], Console()) == 0
    assert capfd.readouterr().out == wrote + "Next: packhorse lock\n"
    assert main.guarded(["init", "shop", "--directory", "."], Console()) == 2
