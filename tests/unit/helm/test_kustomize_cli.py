"""Kustomizations: what lies in the package is built, what would be fetched is refused before anything runs."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from packhorse.base.errors import ConfigError
from packhorse.base.program import Program
from packhorse.helm.kustomize_cli import CliKustomize, check_local
from tests.support.programs import KUBECTL, needs_kubectl, program

CONFIG_MAP = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\ndata: {a: b}\n"


def write(folder: Path, files: Mapping[str, str]) -> Path:
    for path, content in files.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(content, encoding="utf-8")
    return folder


GOOD = {
    "over/kustomization.yaml": "resources: [../base]\nnamePrefix: over-\npatches:\n"
    "  - path: patch.yaml\n  - patch: |-\n      - {op: add, path: /data/c, value: d}\n    target: {kind: ConfigMap}\n"
    "configMapGenerator: [{name: g, files: [key=file.txt], envs: [some.env]}]\ncomponents: [../extra]\n",
    "over/patch.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\ndata: {a: patched}\n",
    "over/file.txt": "text",
    "over/some.env": "A=1\n",
    "base/kustomization.yml": "resources: [cm.yaml]\n",
    "base/cm.yaml": CONFIG_MAP,
    "extra/Kustomization": "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\n"
    "commonAnnotations: {x: note}\n",
}


@needs_kubectl
@pytest.mark.peer("kubectl")
def test_it_is_built_the_same_each_time(tmp_path: Path) -> None:
    kustomize = CliKustomize(program(KUBECTL))
    folder = write(tmp_path, GOOD) / "over"
    built = kustomize.build(folder, root=tmp_path)
    assert built == kustomize.build(folder, root=tmp_path)
    text = built.decode()
    assert "name: over-c\n" in text
    assert "a: patched\n" in text
    assert "c: d\n" in text
    assert "x: note\n" in text


@needs_kubectl
@pytest.mark.peer("kubectl")
def test_what_kustomize_refuses_is_told(tmp_path: Path) -> None:
    folder = write(tmp_path, {"kustomization.yaml": "resources: [a.yaml]\n", "a.yaml": "a: b\n"})
    with pytest.raises(ConfigError, match=r"building kustomization .*missing"):
        CliKustomize(program(KUBECTL)).build(folder, root=tmp_path)


@pytest.mark.parametrize(
    "entry",
    [
        "https://example.com/x.yaml",
        "http://example.com/x.yaml",
        "github.com/acme/repo",
        "github.com/acme/repo//deploy?ref=v1",
        "https://github.com/acme/repo//deploy",
        "git@github.com:acme/repo.git",
        "git::https://example.com/repo",
        "ssh://git@example.com/repo",
        "gitlab.com/acme/repo",
        "git.example.com/acme/repo//deploy",
        "repo?ref=main",
    ],
)
@pytest.mark.parametrize("key", ["resources", "bases", "components", "generators", "crds", "patchesStrategicMerge"])
def test_what_would_be_fetched_is_refused(tmp_path: Path, key: str, entry: str) -> None:
    write(tmp_path, {"kustomization.yaml": "resources: [inner]\n", "inner/kustomization.yaml": f"{key}: ['{entry}']\n"})
    with pytest.raises(ConfigError, match=r"inner/kustomization\.yaml:1: .*which would be fetched from the network"):
        check_local(tmp_path, tmp_path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("resources: [gone.yaml]", r"resources\[0\]: gone\.yaml does not exist"),
        ("resources: [/etc/passwd]", "the absolute path /etc/passwd"),
        ("resources: [../outside.yaml]", "outside of the package's folder"),
        ("patches: [{path: ../outside.yaml}]", "outside of the package's folder"),
        ("replacements: [{path: ../outside.yaml}]", "outside of the package's folder"),
        ("secretGenerator: [{name: a, env: ../outside.yaml}]", "outside of the package's folder"),
        ("configMapGenerator: [{name: a, files: [k=../outside.yaml]}]", "outside of the package's folder"),
        ("openapi: {path: https://example.com/schema.json}", "fetched from the network"),
        (
            "a: b\nhelmCharts:\n  - {name: a}\n",
            r"^kustomization\.yaml:3: helmCharts\[0\] has kustomize render the chart a",
        ),
        ("helmChartInflationGenerator: [{chartName: a, chartRepo: 'https://x'}]", "fetch the chart a from https://x"),
        ('generators: ["kind: HelmChartInflationGenerator\\nname: a\\n"]', r"generators\[0\] has kustomize render"),
        ("generators: [chart.yaml]", r"^chart\.yaml:1: HelmChartInflationGenerator has kustomize render"),
        ("resources: [", "kustomization.yaml: "),
        ("- a", "expected a mapping"),
        ("resources: [empty]", "expected one kustomization.yaml"),
        ("resources: [link.yaml]", "outside of the package's folder"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, text: str, message: str) -> None:
    write(tmp_path, {"outside.yaml": CONFIG_MAP, "package/kustomization.yaml": text, "package/empty/x": ""})
    write(tmp_path, {"package/chart.yaml": "kind: HelmChartInflationGenerator\nname: a\n"})
    (tmp_path / "package" / "link.yaml").symlink_to(tmp_path / "outside.yaml")
    with pytest.raises(ConfigError, match=message):
        check_local(tmp_path / "package", tmp_path / "package")


@pytest.mark.parametrize("text", ["a: [", "kind: Other\nname: a\n", "- 1\n"])
def test_what_a_generator_is_made_of_is_for_kustomize_to_say(tmp_path: Path, text: str) -> None:
    inline = "".join(f"      {line}\n" for line in text.splitlines())
    write(tmp_path, {"kustomization.yaml": f"generators:\n  - g.yaml\n  - |\n{inline}      \n", "g.yaml": text})
    check_local(tmp_path, tmp_path)


def test_a_kustomization_outside_of_the_package_is_refused(tmp_path: Path) -> None:
    write(tmp_path, {"kustomization.yaml": "resources: []\n", "package/x": ""})
    with pytest.raises(ConfigError, match="lies outside of the package's folder"):
        check_local(tmp_path, tmp_path / "package")


def test_bases_may_lead_to_each_other_once(tmp_path: Path) -> None:
    write(tmp_path, {"a/kustomization.yaml": "resources: [../b]\n", "b/kustomization.yaml": "resources: [../a]\n"})
    check_local(tmp_path / "a", tmp_path)


def test_kustomize_itself_is_called_by_its_own_verb(tmp_path: Path) -> None:
    path = tmp_path / "kustomize"
    path.write_text('#!/bin/sh\necho "$@"\n')
    path.chmod(0o755)
    folder = write(tmp_path / "k", {"kustomization.yaml": "resources: []\n"})
    built = CliKustomize(Program(path)).build(folder, root=tmp_path)
    assert built.decode() == f"build {folder} --load-restrictor LoadRestrictionsRootOnly\n"
