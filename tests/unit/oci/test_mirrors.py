"""Mirrors: from the command line and from registries.conf to the places that are asked."""

from pathlib import Path

import pytest

from packhorse.base.errors import ConfigError, RegistryError
from packhorse.oci.mirrors import MirrorTable, parse_mirror
from packhorse.oci.registries_conf import parse_registries_conf, read_registries_conf


def places(table: MirrorTable, name: str) -> list[str]:
    """The places for a repository, as short texts: ``scheme://host/repository?ns``."""
    registry, _, repository = name.partition("/")
    return [
        f"{place.scheme + '://' if place.scheme else ''}{place.host}/{place.repository}"
        f"{'?' + place.namespace if place.namespace else ''}"
        for place in table.locations(registry, repository)
    ]


def given(*mirrors: str, only: bool = False) -> MirrorTable:
    """Mirrors as the command line has them."""
    return MirrorTable(tuple(parse_mirror(text) for text in mirrors), mirror_only=only)


def configured(text: str) -> MirrorTable:
    """Mirrors as registries.conf has them."""
    return MirrorTable(configured=parse_registries_conf(text.encode(), "registries.conf"))


def test_without_mirrors_the_registry_itself() -> None:
    assert places(MirrorTable(), "docker.io/library/redis") == ["docker.io/library/redis"]


def test_a_mirror_without_a_path_is_told_the_upstream() -> None:
    table = given("docker.io=https://mirror.example:5000")
    assert places(table, "docker.io/library/redis") == [
        "https://mirror.example:5000/library/redis?docker.io",
        "docker.io/library/redis",
    ]
    assert places(table, "quay.io/a/b") == ["quay.io/a/b"]


def test_a_path_goes_before_the_repository() -> None:
    table = given("docker.io=http://10.0.0.5:5000/proxy/hub/")
    assert places(table, "docker.io/library/redis")[0] == "http://10.0.0.5:5000/proxy/hub/library/redis"


def test_the_catch_all_comes_last_and_is_told_the_upstream() -> None:
    table = given("*=http://all:5000", "*=http://pathed:5000/x", "quay.io=http://quay-mirror")
    assert places(table, "quay.io/a/b") == [
        "http://quay-mirror/a/b?quay.io",
        "http://all:5000/a/b?quay.io",
        "http://pathed:5000/x/a/b?quay.io",
        "quay.io/a/b",
    ]


def test_a_part_of_a_registry() -> None:
    table = given("quay.io/team=http://m/x", "quay.io=http://n", "quay.io/team/app=http://o")
    assert places(table, "quay.io/team/app") == [
        "http://o/team/app?quay.io",
        "http://m/x/app",
        "http://n/team/app?quay.io",
        "quay.io/team/app",
    ]
    assert places(table, "quay.io/teamster/app") == ["http://n/teamster/app?quay.io", "quay.io/teamster/app"]


def test_mirrors_only() -> None:
    table = given("docker.io=http://m", only=True)
    assert places(table, "docker.io/a/b") == ["http://m/a/b?docker.io"]
    assert places(table, "quay.io/a/b") == ["quay.io/a/b"]


@pytest.mark.parametrize(
    "text",
    [
        "docker.io",
        "=http://m",
        "docker.io=",
        "docker.io=m:5000",
        "docker.io=file:///etc",
        "docker.io=http://",
        "docker.io=http://u:p@m",
        "docker.io=http://m?x=y",
        "docker.io=http://m#x",
        "docker.io=http://m:port",
        "docker.io=http://[::1",
    ],
)
def test_what_is_no_mirror(text: str) -> None:
    with pytest.raises(ConfigError, match="not a mirror: ") as caught:
        parse_mirror(text)
    assert caught.value.hint is not None


def test_registries_conf() -> None:
    table = configured(
        """
        unqualified-search-registries = ["docker.io"]
        [[registry]]
        prefix = "docker.io"
        location = "registry-1.example"
        [[registry.mirror]]
        location = "mirror.example:5000/hub"
        insecure = true
        [[registry.mirror]]
        location = "second.example"
        pull-from-mirror = "digest-only"
        [[registry]]
        prefix = "docker.io/library"
        [[registry.mirror]]
        location = "official.example/of"
        [[registry]]
        location = "inner.example"
        insecure = true
        [[registry]]
        prefix = "*.wild.example"
        location = "tame.example/all"
        [[registry]]
        prefix = "bad.example"
        blocked = true
        """
    )
    assert places(table, "docker.io/team/app") == [
        "mirror.example:5000/hub/team/app",
        "second.example/team/app",
        "registry-1.example/team/app",
    ]
    found = table.locations("docker.io", "team/app")
    assert [place.insecure for place in found] == [True, False, False]
    assert [place.pull_by for place in found] == ["all", "digest", "all"]
    assert [place.is_mirror for place in found] == [True, True, False]
    # The longest prefix alone counts, as containers' tools have it.
    assert places(table, "docker.io/library/redis") == ["official.example/of/redis", "docker.io/library/redis"]
    assert table.locations("inner.example", "a")[0].insecure
    assert places(table, "x.y.wild.example/a/b") == ["tame.example/all/a/b"]
    with pytest.raises(RegistryError, match=r"bad\.example/a is blocked by registries\.conf"):
        table.locations("bad.example", "a")


def test_mirrors_by_digest_only_of_old() -> None:
    table = configured(
        '[[registry]]\nprefix="a.example"\nmirror-by-digest-only=true\n[[registry.mirror]]\nlocation="m.example"'
    )
    assert [place.pull_by for place in table.locations("a.example", "b")] == ["digest", "all"]


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("[[registry", "is not a registries.conf"),
        ("registry = 5", "is not a registries.conf"),
        ("[[registry]]\nprefix = 7", "is not a registries.conf"),
        ("[[registry]]\ninsecure = true", "neither prefix nor location"),
        ('[[registry]]\nprefix = "*.example"\ninsecure = true', "has no location"),
        ('[[registry]]\nprefix = "a"\n[[registry.mirror]]\ninsecure = true', "has no location"),
        ('[[registry]]\nprefix = "a"\n[[registry.mirror]]\nlocation="b"\npull-from-mirror="x"', "not a registries"),
        ("[registries.search]\nregistries = ['docker.io']", "version 1"),
        ("\xff", "is not a registries.conf"),
        ("#" * 2_000_000, "larger than"),
    ],
)
def test_what_is_no_registries_conf(text: str, match: str) -> None:
    with pytest.raises(ConfigError, match=match):
        parse_registries_conf(text.encode("latin-1"), "registries.conf")


def test_later_files_replace_earlier_prefixes(tmp_path: Path) -> None:
    one, two = tmp_path / "one.conf", tmp_path / "two.conf"
    one.write_text('[[registry]]\nprefix="a"\nlocation="one"\n[[registry]]\nprefix="b"\nlocation="one"')
    two.write_text('[[registry]]\nprefix="a"\nlocation="two"')
    table = MirrorTable(configured=read_registries_conf([one, tmp_path / "missing.conf", two]))
    assert places(table, "a/x") == ["two/x"]
    assert places(table, "b/x") == ["one/x"]


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="can't be read"):
        read_registries_conf([tmp_path])
