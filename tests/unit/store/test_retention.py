"""Rules about what stays."""

from packhorse.store.retention import Dated, Keep, PackageRule, RepositoryRule, expired, expired_packages, surplus

DAY = 86_400.0
TAGS = [Dated(number * DAY, f"v{number}") for number in range(10)]
NOW = 10 * DAY


def test_the_newest_stay() -> None:
    assert surplus(Keep(newest=8), TAGS, NOW) == {"v0", "v1"}
    assert surplus(Keep(newest=0), TAGS, NOW) == {tag.name for tag in TAGS}


def test_the_young_stay() -> None:
    assert surplus(Keep(for_seconds=8 * DAY), TAGS, NOW) == {"v0", "v1"}


def test_what_one_of_both_keeps_stays() -> None:
    assert surplus(Keep(newest=3, for_seconds=8 * DAY), TAGS, NOW) == {"v0", "v1"}
    assert surplus(Keep(newest=9, for_seconds=2 * DAY), TAGS, NOW) == {"v0"}


def test_without_a_number_and_an_age_all_of_it_stays() -> None:
    assert surplus(Keep(), TAGS, NOW) == set()


def test_the_first_rule_that_fits_counts() -> None:
    rules = [
        RepositoryRule(("docker.io/*",), ("v9", "v8"), Keep()),
        RepositoryRule(("docker.io/library/*",), ("v*",), Keep(newest=1)),
        RepositoryRule(("*",), keep=Keep(newest=0)),
    ]
    assert expired(rules, "docker.io/library/redis", TAGS, NOW) == {f"v{number}" for number in range(7)}
    assert expired(rules, "quay.io/app", TAGS, NOW) == {tag.name for tag in TAGS}
    assert expired(rules[:2], "quay.io/app", TAGS, NOW) == set()


def test_packages_by_their_name() -> None:
    rules = [PackageRule(("shop*",), Keep(newest=2)), PackageRule(("*",), Keep())]
    bundles = [Dated(number * DAY, f"sha256:{number}") for number in range(4)]
    assert expired_packages(rules, "shop-api", bundles, NOW) == {"sha256:0", "sha256:1"}
    assert expired_packages(rules, "other", bundles, NOW) == set()
    assert expired_packages([], "other", bundles, NOW) == set()
