"""Which platform runs what."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from packhorse.oci.model import Platform
from packhorse.oci.platforms import best, normalised, rank


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("linux/amd64", "linux/amd64"),
        ("linux/amd64/v1", "linux/amd64"),
        ("linux/amd64/v3", "linux/amd64/v3"),
        ("linux/x86_64", "linux/amd64"),
        ("linux/arm64", "linux/arm64"),
        ("linux/arm64/v8", "linux/arm64"),
        ("linux/arm64/8", "linux/arm64"),
        ("linux/aarch64", "linux/arm64"),
        ("linux/arm", "linux/arm/v7"),
        ("linux/arm/7", "linux/arm/v7"),
        ("linux/arm/v6", "linux/arm/v6"),
        ("linux/armhf", "linux/arm/v7"),
        ("linux/armel", "linux/arm/v6"),
        ("Linux/AMD64", "linux/amd64"),
        ("macos/arm64", "darwin/arm64"),
        ("linux/riscv64", "linux/riscv64"),
        ("linux/ppc64le/power9", "linux/ppc64le/power9"),
    ],
)
def test_one_form_for_every_spelling(written: str, meant: str) -> None:
    assert str(normalised(Platform.parse(written))) == meant


@pytest.mark.parametrize(
    ("wanted", "offered", "expected"),
    [
        ("linux/amd64", "linux/amd64", 0),
        ("linux/amd64", "linux/amd64/v1", 0),
        ("linux/amd64/v3", "linux/amd64", 2),
        ("linux/amd64/v3", "linux/amd64/v2", 1),
        ("linux/amd64", "linux/amd64/v2", None),
        ("linux/arm64", "linux/arm64/v8", 0),
        ("linux/arm64/v9", "linux/arm64", 1),
        ("linux/arm", "linux/arm/v7", 0),
        ("linux/arm", "linux/arm/v6", 1),
        ("linux/arm/v6", "linux/arm/v7", None),
        ("linux/arm64", "linux/arm/v7", None),
        ("linux/amd64", "windows/amd64", None),
        ("linux/ppc64le/power9", "linux/ppc64le", 1),
        ("linux/ppc64le", "linux/ppc64le/power9", None),
        ("linux/amd64/odd", "linux/amd64", 1),
        ("linux/amd64", "linux/amd64/odd", None),
    ],
)
def test_a_platform_runs_its_own_and_lower_variants(wanted: str, offered: str, expected: float | None) -> None:
    assert rank(Platform.parse(wanted), Platform.parse(offered)) == expected


def test_the_nearest_is_taken() -> None:
    offered = [Platform.parse(name) for name in ("linux/arm/v5", "linux/arm64", "linux/arm/v6", "linux/amd64")]
    assert best(Platform.parse("linux/arm/v7"), offered) == (2,)
    assert best(Platform.parse("linux/s390x"), offered) == ()


def test_versions_of_windows_are_all_taken() -> None:
    versions = [Platform(os="windows", architecture="amd64", os_version=f"10.0.{build}") for build in (17763, 20348)]
    assert best(Platform.parse("windows/amd64"), versions) == (0, 1)


_platforms = st.builds(
    Platform,
    os=st.sampled_from(["linux", "windows", "darwin"]),
    architecture=st.sampled_from(["amd64", "x86_64", "arm64", "aarch64", "arm", "386", "s390x"]),
    variant=st.sampled_from([None, "v1", "v2", "v3", "v5", "v6", "v7", "v8", "8", "v9", "odd"]),
)


@given(_platforms)
def test_normalising_twice_changes_nothing_more(platform: Platform) -> None:
    assert normalised(normalised(platform)) == normalised(platform)


@given(_platforms)
def test_every_platform_runs_itself(platform: Platform) -> None:
    assert rank(platform, platform) == 0


@given(_platforms, _platforms)
def test_only_equal_platforms_run_each_other(left: Platform, right: Platform) -> None:
    if rank(left, right) is not None and rank(right, left) is not None:
        assert normalised(left) == normalised(right)
