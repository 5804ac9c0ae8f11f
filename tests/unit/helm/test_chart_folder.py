"""From a folder to an archive: Helm's rules for what goes in, and nothing from outside of the package."""

import io
import os
import tarfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from packhorse.base.errors import ConfigError
from packhorse.helm import chart_folder
from packhorse.helm.chart_archive import pack, unpack
from packhorse.helm.chart_dependencies import Dependency, dependencies
from packhorse.helm.chart_folder import is_complete, pack_folder
from packhorse.helm.ignore_rules import IgnoreRules
from tests.support.programs import HELM, needs_helm, program

CHART = "apiVersion: v2\nname: {name}\nversion: 1.0.0\n"


def write(folder: Path, files: Mapping[str, str | bytes]) -> Path:
    for path, content in files.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content if isinstance(content, bytes) else content.encode())
    return folder


def packed(folder: Path, root: Path | None = None) -> bytes:
    return pack_folder(folder, root=root or folder.parent)


TREE = {
    "Chart.yaml": CHART.format(name="shop"),
    ".helmignore": "# comment\n\n*.bak\n/only-here.txt\nsecret/\ndocs/*.md\n[ab]?.txt\nname with space.txt\n",
    "values.yaml": "a: 1\n",
    "values.bak": "x",
    "templates/a.yaml": "kind: A\n",
    "templates/.hidden": "x",
    "templates/_helpers.tpl": "x",
    "only-here.txt": "x",
    "sub/only-here.txt": "kept",
    "secret/key": "x",
    "nested/secret/key": "x",
    "docs/a.md": "x",
    "docs/deep/b.md": "kept",
    "a1.txt": "x",
    "c1.txt": "kept",
    "files/a1.txt": "x",
    "name with space.txt": "x",
    "README.md": "kept",
}


def test_the_ignored_stays_out(tmp_path: Path) -> None:
    archive = unpack(packed(write(tmp_path / "shop", TREE)), "x")
    kept = {"sub/only-here.txt", "docs/deep/b.md", "c1.txt", "README.md"}
    assert set(archive.files) == {
        "Chart.yaml", ".helmignore", "values.yaml", "templates/a.yaml", "templates/_helpers.tpl", *kept
    }  # fmt: skip


@needs_helm
@pytest.mark.parametrize(
    "rules",
    [
        TREE[".helmignore"],
        "",
        "*\n",
        "templates\n",
        "templates/\n",
        "/docs\n",
        "docs/deep/\n",
        "*.[mt]d\n[^R]*.md\n",
        "s*/key\n",
        "!README.md\n",
        "\\*.bak\n",
        "?1.txt\r\n",
        "a1.txt   \n",
        "\ufeffREADME.md\n",
        "nested/*\n",
    ],
)
def test_the_same_files_as_helm_packs(tmp_path: Path, rules: str) -> None:
    folder = write(tmp_path / "shop", {**TREE, ".helmignore": rules})
    try:
        ours: set[str] | None = set(unpack(packed(folder), "x").files)
    except ConfigError:
        ours = None
    done = program(HELM).run(
        ["package", str(folder), "-d", str(tmp_path / "out")], timeout_seconds=30, environment={"HOME": str(tmp_path)}
    )
    archives = list((tmp_path / "out").glob("*.tgz"))
    if not archives:
        assert ours is None, done.stderr
        return
    with tarfile.open(fileobj=io.BytesIO(archives[0].read_bytes())) as archive:
        theirs = {name.partition("/")[2] for name in archive.getnames()}
    assert ours == theirs


def test_double_stars_are_refused_as_helm_does() -> None:
    with pytest.raises(ConfigError, match="double star"):
        IgnoreRules.parse("a/**/b\n")


def test_an_open_bracket_is_refused() -> None:
    with pytest.raises(ConfigError, match="does not close"):
        IgnoreRules.parse("a[b\n")


def test_time_and_place_do_not_matter(tmp_path: Path) -> None:
    first = write(tmp_path / "one" / "shop", TREE)
    second = write(tmp_path / "two" / "other-name", TREE)
    (second / "Chart.yaml").chmod(0o600)
    assert packed(first) == packed(second)


def test_dependencies_by_path_are_packed(tmp_path: Path) -> None:
    dependencies = "dependencies:\n  - {name: lib, version: 1.0.0, repository: 'file://../lib'}\n"
    shop = write(tmp_path / "shop", {"Chart.yaml": CHART.format(name="shop") + dependencies})
    write(tmp_path / "lib", {"Chart.yaml": CHART.format(name="lib"), "values.yaml": "a: 1\n"})
    files = unpack(packed(shop), "x").files
    assert set(files) == {"Chart.yaml", "charts/lib-1.0.0.tgz"}
    assert files["charts/lib-1.0.0.tgz"] == packed(tmp_path / "lib")
    assert is_complete(shop, root=tmp_path)
    assert sorted(path.name for path in shop.iterdir()) == ["Chart.yaml"]


def test_what_is_vendored_is_taken_as_it_is(tmp_path: Path) -> None:
    dependencies = "dependencies:\n  - {name: one, repository: 'https://charts.example'}\n  - {name: two}\n"
    archive = pack("two", {"Chart.yaml": CHART.format(name="two").encode()})
    shop = write(
        tmp_path / "shop",
        {
            "Chart.yaml": CHART.format(name="shop") + dependencies,
            "charts/one/Chart.yaml": CHART.format(name="one"),
            "charts/two-1.0.0.tgz": archive,
        },
    )
    assert unpack(packed(shop), "x").files["charts/two-1.0.0.tgz"] == archive


FAR = pack("far", {"Chart.yaml": CHART.format(name="far").encode()})


def test_what_must_be_fetched_is_fetched_and_the_folder_stays_as_it_is(tmp_path: Path) -> None:
    shop = write(
        tmp_path / "shop",
        {
            "Chart.yaml": "apiVersion: v1\nname: shop\nversion: 1.0.0\n",
            "requirements.yaml": "dependencies:\n"
            "  - {name: far, version: ^1.0.0, repository: 'https://charts.example/'}\n"
            "  - {name: near, repository: 'file://../near'}\n",
        },
    )
    write(tmp_path / "near", {"Chart.yaml": CHART.format(name="near")})
    asked = []

    def fetch(dependency: Dependency) -> bytes:
        asked.append(dependency)
        return FAR

    files = unpack(pack_folder(shop, root=tmp_path, fetch=fetch), "x").files
    assert files["charts/far-1.0.0.tgz"] == FAR
    assert "charts/near-1.0.0.tgz" in files
    assert asked == [Dependency("far", "^1.0.0", "https://charts.example", "^1.0.0")]
    assert not (shop / "charts").exists()
    assert not is_complete(shop, root=tmp_path)
    with pytest.raises(ConfigError, match="chart shop depends on far, which is not in its charts/") as caught:
        packed(shop)
    assert caught.value.hint == "run helm dependency build shop"


@pytest.mark.parametrize(("chart", "lock"), [("Chart.yaml", "Chart.lock"), ("requirements.yaml", "requirements.lock")])
def test_the_lock_file_says_which_version_a_range_came_to(chart: str, lock: str) -> None:
    entry = "{{name: far, version: {}, repository: 'oci://example.com/charts'}}"
    files = {
        chart: f"dependencies: [{entry.format('2.x.x')}]".encode(),
        lock: f"dependencies: [{entry.format('2.4.1')}]".encode(),
    }
    assert dependencies(files, "x") == [Dependency("far", "2.4.1", "oci://example.com/charts", "2.x.x")]
    elsewhere = {**files, lock: files[lock].replace(b"example.com", b"example.net")}
    assert dependencies(elsewhere, "x") == [Dependency("far", "2.x.x", "oci://example.com/charts", "2.x.x")]


@pytest.mark.parametrize(
    ("written", "locked", "differs"),
    [("1.0.0", "1.0.1", True), ("v1.0.0", "1.0.0", False), ("1.0.0+a", "1.0.0+b", True), ("^1.0.0", "2.0.0", False)],
)
def test_a_lock_file_with_another_version_is_out_of_date(
    tmp_path: Path, written: str, locked: str, *, differs: bool
) -> None:
    entry = "dependencies: [{{name: far, version: '{}', repository: 'oci://example.com/charts'}}]\n"
    files = {"Chart.yaml": CHART.format(name="shop") + entry.format(written), "Chart.lock": entry.format(locked)}
    shop = write(tmp_path / "shop", files)
    if not differs:
        assert "charts/far-1.0.0.tgz" in unpack(pack_folder(shop, root=tmp_path, fetch=lambda _: FAR), "x").files
        return
    with pytest.raises(ConfigError, match=r"Chart\.yaml wants .*, and Chart\.lock has") as caught:
        pack_folder(shop, root=tmp_path, fetch=lambda _: FAR)
    assert caught.value.hint == "run helm dependency update shop"


@pytest.mark.parametrize(
    ("dependency", "message", "hint"),
    [
        ("{name: gone}", r"shop depends on gone, which is not in its charts/$", "copy it to shop/charts/gone"),
        ("{name: gone, repository: '@acme'}", "that only the Helm of somebody else knows", "helm repo list"),
        ("{name: gone, repository: 'alias:acme'}", "that only the Helm of somebody else knows", "shop/Chart.yaml"),
        ("{name: gone, repository: 'file://../gone'}", r"and not at file://\.\./gone", "look at shop/Chart.yaml"),
    ],
)
def test_a_dependency_that_nobody_can_have_is_refused(tmp_path: Path, dependency: str, message: str, hint: str) -> None:
    shop = write(tmp_path / "shop", {"Chart.yaml": CHART.format(name="shop") + f"dependencies: [{dependency}]\n"})
    with pytest.raises(ConfigError, match=message) as caught:
        packed(shop)
    assert hint in str(caught.value.hint)


def test_charts_that_depend_on_each_other_are_refused(tmp_path: Path) -> None:
    for name, other in (("a", "b"), ("b", "a")):
        dependencies = f"dependencies: [{{name: {other}, repository: 'file://../{other}'}}]\n"
        write(tmp_path / name, {"Chart.yaml": CHART.format(name=name) + dependencies})
    with pytest.raises(ConfigError, match="depends on itself, or too deep: a → b → a"):
        packed(tmp_path / "a")


def test_links_must_stay_in_the_package(tmp_path: Path) -> None:
    secret = write(tmp_path, {"outside/secret.txt": "x"}) / "outside" / "secret.txt"
    shop = write(tmp_path / "package" / "shop", {"Chart.yaml": CHART.format(name="shop")})
    (shop / "link.txt").symlink_to(secret)
    with pytest.raises(ConfigError, match="outside of the package's folder"):
        packed(shop)


def test_links_inside_the_package_are_followed(tmp_path: Path) -> None:
    shop = write(tmp_path / "shop", {"Chart.yaml": CHART.format(name="shop")})
    write(tmp_path, {"shared/a.txt": "x"})
    (shop / "files").symlink_to(tmp_path / "shared")
    assert unpack(packed(shop), "x").files["files/a.txt"] == b"x"


def test_a_link_in_a_circle_is_refused(tmp_path: Path) -> None:
    shop = write(tmp_path / "shop", {"Chart.yaml": CHART.format(name="shop"), "files/a.txt": "x"})
    (shop / "files" / "up").symlink_to(shop)
    with pytest.raises(ConfigError, match="leads back to a folder that it lies in"):
        packed(shop)


def test_dependencies_outside_of_the_package_are_refused(tmp_path: Path) -> None:
    dependencies = "dependencies: [{name: lib, repository: 'file://../../lib'}]\n"
    shop = write(tmp_path / "package" / "shop", {"Chart.yaml": CHART.format(name="shop") + dependencies})
    write(tmp_path / "lib", {"Chart.yaml": CHART.format(name="lib")})
    with pytest.raises(ConfigError, match="outside of the package's folder"):
        packed(shop)


def test_a_chart_that_helm_would_not_read_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chart_folder, "MAX_CHART_BYTES", 1000)
    shop = write(tmp_path / "shop", {"Chart.yaml": CHART.format(name="shop"), "big": b"x" * 1000})
    with pytest.raises(ConfigError, match="larger than 1000 B"):
        packed(shop)


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"values.yaml": ""}, "has no Chart.yaml"),
        ({"Chart.yaml": CHART.format(name="a"), "requirements.yaml": "a: ["}, "is not YAML"),
        ({"Chart.yaml": CHART.format(name="a") + "dependencies: [{version: 1}]"}, "a dependency without a name"),
    ],
)
def test_what_is_no_chart_is_refused(tmp_path: Path, files: dict[str, str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        packed(write(tmp_path / "shop", files))


@pytest.mark.timeout(10)
def test_a_pipe_is_no_file(tmp_path: Path) -> None:
    shop = write(tmp_path / "shop", {"Chart.yaml": CHART.format(name="shop")})
    os.mkfifo(shop / "pipe")
    with pytest.raises(ConfigError, match="neither a file nor a folder"):
        packed(shop)
