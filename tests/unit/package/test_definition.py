"""packhorse.yaml: what is read from it, and how each mistake an author can make is shown."""

from pathlib import Path

import pytest

from packhorse.base.errors import ConfigError
from packhorse.oci.digest import Digest
from packhorse.package import definition
from packhorse.package.file_mode import parse_mode
from packhorse.package.model import FileEntry

HEAD = """\
apiVersion: packhorse.dev/v1alpha1
kind: Package
metadata: {name: shop, version: 1.4.0}
"""

GOOD = """\
apiVersion: packhorse.dev/v1alpha1
kind: Package
metadata: {name: shop, version: 1.4.0, description: A small shop}
platforms: [linux/amd64, linux/arm64]
variables:
  - {name: domain, default: shop.local, pattern: '[a-z.]+'}
  - {name: database_password, sensitive: true}
  - {name: replicas, type: integer, default: 2}
components:
  - name: shop
    charts:
      - &chart {name: shop, source: ./charts/shop, namespace: shop,
         values: [values.yaml], valuesSets: {big: [values.yaml]}}
      - {<<: *chart, name: shop-canary, release: canary}
      - {name: redis, source: https://charts.example/stable/, version: 1.2.3}
      - {name: postgres, source: oci://registry.example:5000/charts/postgres, version: 16.0.0-rc.1}
      - {name: packed, source: packed.tgz}
    images: [docker.io/library/busybox:1.36, {name: shop/web:1, source: "oci-archive:packed.tgz:web"}]
    manifests: [{name: crds, files: [values.yaml]}]
    kustomizations: [{name: site, path: site}]
    git: [{name: docs, source: "https://git.example/docs.git", ref: v1}, {name: own, source: site}]
  - name: debug-tools
    optional: true
    default: true
    dependsOn: [shop]
    files: [{source: bin/probe, target: /usr/local/bin/probe, mode: 0755}]
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("charts/shop/Chart.yaml", "values.yaml", "packed.tgz", "site/kustomization.yaml", "bin/probe"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "bin/out").symlink_to("/etc/passwd")
    (tmp_path / "bin/loop").symlink_to("loop")
    (tmp_path / "bin/in").symlink_to("../values.yaml")
    return tmp_path


def mistakes(text: str, folder: Path | None = None) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        definition.loads(text.encode(), folder=folder)
    failures = caught.value.failures or [caught.value]
    return [failure.message for failure in failures]


def mistake(text: str, folder: Path | None = None) -> str:
    (only,) = mistakes(text, folder)
    return only


def test_a_package_without_mistakes(folder: Path) -> None:
    (folder / "packhorse.yaml").write_text(GOOD)
    loaded = definition.load(folder)
    package = loaded.package
    assert package.metadata.name == "shop"
    assert package.platforms == ("linux/amd64", "linux/arm64")
    assert [variable.default for variable in package.variables] == ["shop.local", None, 2]
    shop, tools = package.components
    assert [chart.release or chart.name for chart in shop.charts] == ["shop", "canary", "redis", "postgres", "packed"]
    assert shop.charts[1].values == ("values.yaml",)
    assert shop.charts[0].values_sets == {"big": ("values.yaml",)}
    assert tools.depends_on == ("shop",)
    assert parse_mode(tools.files[0].mode) == 0o755
    assert loaded.digest == Digest.of(GOOD.encode())
    assert loaded.where("components", 1, "name") == f"{folder / 'packhorse.yaml'}:22:11"
    assert loaded.folder == folder
    assert definition.load(folder / "packhorse.yaml") == loaded


def test_a_text_without_its_folder_is_read_without_looking_at_any() -> None:
    assert definition.loads(GOOD.encode()).folder is None


def test_a_later_complaint_points_at_its_place() -> None:
    loaded = definition.loads(GOOD.encode())
    error = loaded.mistake(("components", 0, "images", 0), "no such tag", note="1.37 is the newest")
    assert error.message.startswith("packhorse.yaml:18:14: no such tag\n")
    assert error.message.endswith("^" * 30 + " 1.37 is the newest")


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such file") as caught:
        definition.load(tmp_path)
    assert caught.value.hint == "packhorse init NAME writes a package to start from"


def test_an_unknown_key_is_shown_as_the_sketch_says() -> None:
    text = HEAD + "components:\n  - name: a\n    charts:\n      - name: a\n        source: ./a\n        vaules: [x]\n"
    assert mistake(text) == (
        'packhorse.yaml:9:9: unknown key "vaules" in components[0].charts[0]\n'
        "    9 |         vaules: [x]\n"
        '      |         ^^^^^^ did you mean "values"?'
    )


def test_an_unknown_key_like_no_other() -> None:
    assert mistake(HEAD + "components: [{name: a}]\nzzz: 1\n").endswith(
        "^^^ known keys: apiVersion, kind, metadata, components, platforms, variables, kubernetes, discovery"
    )


def test_all_mistakes_are_shown_at_once_in_the_order_of_the_file() -> None:
    text = """\
apiVersion: packhorse.dev/v1
kind: Packhorse
metadata: {name: Shop, version: 1.4, descripton: x}
components:
  - name: shop
    dependsOn: [tools]
    images: [Redis]
  - images:
variables: [{name: x, pattern: '['}]
"""
    found = mistakes(text)
    assert [message.splitlines()[0] for message in found] == [
        'packhorse.yaml:1:13: apiVersion: expected "packhorse.dev/v1alpha1", found "packhorse.dev/v1"',
        'packhorse.yaml:2:7: kind: expected "Package", found "Packhorse"',
        (
            "packhorse.yaml:3:18: metadata.name: expected at most 63 lower-case letters, digits, dots and dashes; "
            'found "Shop"'
        ),
        "packhorse.yaml:3:33: metadata.version: expected text, found a number",
        'packhorse.yaml:3:38: unknown key "descripton" in metadata',
        "packhorse.yaml:6:17: there is no component tools",
        (
            "packhorse.yaml:7:14: components[0].images[0]: not an image reference: 'Redis': 'library/Redis' is not a "
            "repository name"
        ),
        'packhorse.yaml:8:5: missing key "name" in components[1]',
        "packhorse.yaml:8:12: components[1].images: expected a list, found nothing",
        "packhorse.yaml:9:32: variables[0].pattern: not a regular expression: unterminated character set at position 0",
    ]


def test_a_line_break_at_the_end_does_not_slip_through_a_pattern() -> None:
    assert "metadata.name: expected" in mistake(HEAD.replace("shop", '"shop\\n"') + "components: [{name: a}]\n")


def test_the_file_must_be_a_mapping_with_something_in_it() -> None:
    assert mistake("- a\n").startswith("packhorse.yaml:1:1: the file: expected a mapping, found a list")
    assert [message.splitlines()[0].partition(" ")[2] for message in mistakes("# nothing\n")] == [
        'missing key "apiVersion"',
        'missing key "kind"',
        'missing key "metadata"',
        'missing key "components"',
    ]


def test_keys_that_yaml_takes_for_something_else() -> None:
    assert "YAML reads this key as the boolean true; put it in quotes" in mistake("on: 1")


COMPONENT = {
    "missing source": ("charts: [{name: a}]", 'missing key "source" in components[0].charts[0]'),
    "text for a list": ("images: redis", "components[0].images: expected a list, found text"),
    "list for text": ("description: [a]", "components[0].description: expected text, found a list"),
    "number for text": ("description: 1", "components[0].description: expected text, found a number"),
    "text for a boolean": ("optional: maybe", "components[0].optional: expected true or false, found text"),
    "boolean for an image": ("images: [true]", "components[0].images[0]: expected text or a mapping, found a boolean"),
    "number for a name": ("charts: [{name: 1, source: a}]", "components[0].charts[0].name: expected text, found a"),
    "text for a number": (
        "charts: [{name: a, source: a, timeoutSeconds: 5m}]",
        "components[0].charts[0].timeoutSeconds: expected a whole number, found text",
    ),
    "number too small": (
        "charts: [{name: a, source: a, timeoutSeconds: 0}]",
        "components[0].charts[0].timeoutSeconds: expected at least 1, found 0",
    ),
    "empty list": ("manifests: [{name: a, files: []}]", "manifests[0].files: expected at least 1 item, found none"),
    "empty path": ("manifests: [{name: a, files: ['']}]", "expected text, found nothing between the quotes"),
    "namespace": (
        "charts: [{name: a, source: a, namespace: My_NS}]",
        'components[0].charts[0].namespace: expected at most 63 lower-case letters, digits and dashes; found "My_NS"',
    ),
    "image": ("images: ['a b']", "components[0].images[0]: not an image reference: 'a b'"),
    "image with a variable": ("images: ['a:${var.x}']", "components[0].images[0]: not an image reference"),
    "image twice": ("images: [redis, 'docker.io/library/redis:latest']", "image docker.io/library/redis:latest is"),
    "image of a mapping": ("images: [{name: 'A:1'}]", "components[0].images[0].name: not an image reference: 'A:1'"),
    "artifact": ("artifacts: [{name: 'A:1'}]", "components[0].artifacts[0].name: not an image reference: 'A:1'"),
    "image source": (
        "images: [{name: a, source: 'docker:x'}]",
        (
            "images[0].source: expected oci:PATH[:TAG], oci-archive:PATH[:TAG] or docker-archive:PATH[:NAME]"
            ", found 'docker:x'"
        ),
    ),
    "image source without a path": ("images: [{name: a, source: 'oci:'}]", "found 'oci:'"),
    "platform": (
        "images: [{name: a, platforms: [amd64]}]",
        'platforms[0]: expected os/architecture[/variant], as linux/arm64; found "amd64"',
    ),
    "chart twice": (
        "charts: [{name: a, source: a}, {name: a, source: b}]",
        "packhorse.yaml:6:36: chart a is listed twice",
    ),
    "release twice": (
        "charts: [{name: a, source: a}, {name: b, source: b, release: a}]",
        "release a in default is listed twice",
    ),
    "chart scheme": (
        "charts: [{name: a, source: 'ftp://x'}]",
        "charts[0].source: expected a folder or .tgz of the package, https://… or oci://registry/path/chart, found",
    ),
    "chart without a version": (
        "charts: [{name: a, source: 'https://x'}]",
        "charts[0].source: a chart from a repository needs its exact version",
    ),
    "chart with a range": (
        "charts: [{name: a, source: 'oci://x.y/z', version: ^1.2.3}]",
        "charts[0].version: expected an exact version as 1.2.3, found '^1.2.3'",
    ),
    "chart with a tag": (
        "charts: [{name: a, source: 'oci://x.y/z:1', version: 1.2.3}]",
        "charts[0].source: write the tag as version: instead",
    ),
    "chart without a registry": ("charts: [{name: a, source: 'oci://z', version: 1.2.3}]", "without a registry"),
    "chart with a bad repository": (
        "charts: [{name: a, source: 'oci://x.y/Z', version: 1.2.3}]",
        "charts[0].source: not an image reference",
    ),
    "local chart with a version": (
        "charts: [{name: a, source: a, version: 1.2.3}]",
        "charts[0].version: is only for repositories and oci://",
    ),
    "local chart with a name": (
        "charts: [{name: a, source: a, chart: b}]",
        "charts[0].chart: is only for https:// repositories",
    ),
    "absolute path": ("manifests: [{name: a, files: [/etc/passwd]}]", "/etc/passwd is absolute"),
    "home": ("manifests: [{name: a, files: ['~/x']}]", "~/x is absolute"),
    "path that climbs": ("charts: [{name: a, source: a, values: [b/../../x]}]", "values[0]: expected a path inside"),
    "path of values sets": ("charts: [{name: a, source: a, valuesSets: {b: [../x]}}]", "valuesSets.b[0]: expected a"),
    "path with backslashes": ("manifests: [{name: a, files: ['a\\b']}]", "expected a path with forward slashes and no"),
    "path with NUL": ('manifests: [{name: a, files: ["a\\0b"]}]', "expected a path with forward slashes and no"),
    "manifest twice": ("manifests: [{name: a, files: [x]}, {name: a, files: [z]}]", "manifest a is listed twice"),
    "manifest's file twice": ("manifests: [{name: a, files: [x, x]}]", "file x is listed twice"),
    "kustomization twice": (
        "kustomizations: [{name: a, path: x}, {name: a, path: z}]",
        "kustomization a is listed twice",
    ),
    "target": (
        "files: [{source: a, target: usr}]",
        "files[0].target: expected an absolute path on the far side",
    ),
    "target that climbs": ("files: [{source: a, target: /a/../b}]", "files[0].target: expected the absolute path"),
    "target that is a folder": (
        "files: [{source: a, target: /a/}]",
        "files[0].target: expected the absolute path",
    ),
    "target twice": ("files: [{source: a, target: /a}, {source: b, target: /a}]", "target /a is listed twice"),
    "mode in decimal": ("files: [{source: a, target: /a, mode: 755}]", "files[0].mode: 755 is no octal number"),
    "mode in text": (
        "files: [{source: a, target: /a, mode: '0855'}]",
        "mode: expected octal permission bits",
    ),
    "mode too large": ("files: [{source: a, target: /a, mode: 017777}]", "expected octal permission bits up to 07777"),
    "mode in letters": ("files: [{source: a, target: /a, mode: rwx}]", "expected octal permission bits"),
    "git scheme": (
        "git: [{name: a, source: 'file:///x'}]",
        "git[0].source: expected https://…, ssh://…, git@host",
    ),
    "git twice": ("git: [{name: a, source: x}, {name: a, source: z}]", "git repository a is listed twice"),
    "git option": ("git: [{name: a, source: x, ref: --upload-pack=y}]", "git[0].ref: expected a branch, a tag or a"),
    "itself": ("dependsOn: [one]", "components depend on each other: one → one"),
    "dependency twice": ("dependsOn: [two, two]", "dependency two is listed twice"),
    "misspelled dependency": ("dependsOn: [twoo]", "there is no component twoo"),
    "default of what is not optional": ("default: true", "only an optional component can be chosen by default"),
}


@pytest.mark.parametrize(("fragment", "message"), COMPONENT.values(), ids=COMPONENT.keys())
def test_mistake_in_a_component(fragment: str, message: str) -> None:
    assert message in mistake(f"{HEAD}components:\n  - name: one\n    {fragment}\n  - name: two\n")


TOP = {
    "component twice": ("components: [{name: a}, {name: a}]", "packhorse.yaml:4:25: component a is listed twice"),
    "no component": ("components: []", "components: expected at least 1 item, found none"),
    "platform twice": (
        "components: [{name: a}]\nplatforms: [linux/amd64, linux/amd64]",
        "platform linux/amd64 is",
    ),
    "variable twice": (
        "components: [{name: a}]\nvariables: [{name: b}, {name: c}, {name: b}]",
        (
            "variable b is listed twice\n    5 | variables: [{name: b}, {name: c}, {name: b}]\n"
            "      |                                   ^ first on line 5"
        ),
    ),
    "variable's name": (
        "components: [{name: a}]\nvariables: [{name: Domain}]",
        "variables[0].name: expected lower-case letters, digits and underscores, with a letter first; at most 63",
    ),
    "variable's type": (
        "components: [{name: a}]\nvariables: [{name: b, type: integr}]",
        'expected "boolean" or "integer" or "number" or "string", found "integr"',
    ),
    "default of another type": (
        "components: [{name: a}]\nvariables: [{name: b, type: integer, default: x}]",
        "variables[0].default: variable b expects a whole number, found 'x' (text)",
    ),
    "number for text": (
        "components: [{name: a}]\nvariables: [{name: b, default: 1.10}]",
        (
            "variables[0].default: variable b expects text, found '1.1' (a number)\n"
            "    5 | variables: [{name: b, default: 1.10}]\n"
            "      |                                ^^^^ put it in quotes"
        ),
    ),
    "default against the pattern": (
        "components: [{name: a}]\nvariables: [{name: b, pattern: '[a-z]+', default: B}]",
        "variables[0].default: variable b expects text that matches [a-z]+, found 'B'",
    ),
    "default in the clear": (
        "components: [{name: a}]\nvariables: [{name: b, sensitive: true, default: x}]",
        "a sensitive variable cannot have a default, which everybody could read",
    ),
    "version of Kubernetes": (
        "components: [{name: a}]\nkubernetes: {version: latest}",
        "kubernetes.version: expected a version of Kubernetes as helm template --kube-version takes it: v1.34.0; found",
    ),
    "circle": (
        "components: [{name: a, dependsOn: [b]}, {name: b, dependsOn: [c]}, {name: c, dependsOn: [b]}]",
        "components depend on each other: b → c → b",
    ),
    "annotation": (
        "components: [{name: a}]\nmetadata: {name: a, version: 1.0.0, annotations: {a: 1}}",
        'the key "metadata" stands twice',
    ),
}


@pytest.mark.parametrize(("fragment", "message"), TOP.values(), ids=TOP.keys())
def test_mistake_in_the_package(fragment: str, message: str) -> None:
    assert message in mistake(f"{HEAD}{fragment}\n")


PATHS = {
    "no file": ("manifests: [{name: a, files: [valeus.yaml]}]", "there is no file valeus.yaml"),
    "suggestion": ("manifests: [{name: a, files: [bin/prob]}]", "^^^^^^^^ did you mean bin/probe?"),
    "pattern": ("manifests: [{name: a, files: ['m/*.yaml']}]", "patterns are not expanded; name each file"),
    "folder for a file": ("manifests: [{name: a, files: [bin]}]", "expected a file, bin is a folder"),
    "file for a folder": ("kustomizations: [{name: a, path: values.yaml}]", "expected a folder, values.yaml is a file"),
    "link that leaves": (
        "files: [{source: bin/out, target: /a}]",
        "bin/out is a link that leaves the package",
    ),
    "link to itself": ("files: [{source: bin/loop, target: /a}]", "bin/loop cannot be followed"),
    "no chart": ("charts: [{name: a, source: bin}]", "expected a chart, there is no file bin/Chart.yaml"),
    "no chart's folder": ("charts: [{name: a, source: ./charts/shp}]", "there is no folder charts/shp"),
    "no chart's archive": ("charts: [{name: a, source: a.tgz}]", "there is no file a.tgz"),
    "no values": ("charts: [{name: a, source: packed.tgz, values: [x.yaml]}]", "values[0]: there is no file x.yaml"),
    "no kustomization": ("kustomizations: [{name: a, path: bin}]", "there is no kustomization.yaml in bin"),
    "no image archive": ("images: [{name: a, source: 'docker-archive:x.tar:a'}]", "there is no file x.tar"),
    "no image layout": ("images: [{name: a, source: 'oci:x'}]", "there is no folder x"),
    "no git repository": ("git: [{name: a, source: repo}]", "there is no folder repo"),
}


@pytest.mark.parametrize(("fragment", "message"), PATHS.values(), ids=PATHS.keys())
def test_mistake_in_a_path(fragment: str, message: str, folder: Path) -> None:
    assert message in mistake(f"{HEAD}components:\n  - name: one\n    {fragment}\n", folder)


def test_a_link_inside_the_folder_is_followed(folder: Path) -> None:
    text = HEAD + "components: [{name: a, files: [{source: bin/in, target: /a}]}]\n"
    (component,) = definition.loads(text.encode(), folder=folder).package.components
    assert component.files == (FileEntry(source="bin/in", target="/a"),)


def test_a_misspelled_key_does_not_hide_other_mistakes_beside_it(folder: Path) -> None:
    text = HEAD + "components: [{name: a, charts: [{name: a, source: nowhere, vaules: [x]}]}]\n"
    assert [message.splitlines()[0].partition(" ")[2] for message in mistakes(text, folder)] == [
        "components[0].charts[0].source: there is no folder nowhere",
        'unknown key "vaules" in components[0].charts[0]',
    ]


@pytest.mark.parametrize(("mode", "bits"), [("0755", 0o755), ("755", 0o755), ("0o644", 0o644), (493, 0o755), (0, 0)])
def test_file_modes(mode: str | int, bits: int) -> None:
    assert parse_mode(mode) == bits
