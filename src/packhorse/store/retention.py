"""Which names of a store stay: rules by repository, tag, number and age. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from typing import NamedTuple

import msgspec

__all__ = ["Dated", "Keep", "PackageRule", "RepositoryRule", "Retention", "expired", "expired_packages", "surplus"]


class Keep(msgspec.Struct, frozen=True):
    """How much of what a rule is about stays: what either of the two keeps. Without both, all of it."""

    newest: int | None = None
    for_seconds: float | None = None


class RepositoryRule(msgspec.Struct, frozen=True):
    """What stays of the tags of some repositories.

    Attributes:
        match: Patterns of full names (``docker.io/library/*``); an asterisk stands for any characters, slashes too.
        tags: Patterns of the tags that this rule is about.
        keep: How many of them stay in each repository.
    """

    match: tuple[str, ...]
    tags: tuple[str, ...] = ("*",)
    keep: Keep = Keep()


class PackageRule(msgspec.Struct, frozen=True):
    """How many loaded bundles of a package stay, by patterns of its name."""

    match: tuple[str, ...]
    keep: Keep = Keep()


class Retention(msgspec.Struct, frozen=True):
    """All rules of a site. Of several that fit, the first one counts; what no rule is about stays.

    Attributes:
        untagged_seconds: How long a manifest that nothing leads to stays, counted from its last push; None for ever.
    """

    repositories: tuple[RepositoryRule, ...] = ()
    packages: tuple[PackageRule, ...] = ()
    untagged_seconds: float | None = 0.0


class Dated(NamedTuple):
    """A name, and when it was given last, in seconds since 1970."""

    added: float
    name: str


def expired(rules: Sequence[RepositoryRule], repository: str, tags: Iterable[Dated], now: float) -> set[str]:
    """Return the tags of a repository that no longer stay."""
    fitting = [rule for rule in rules if _fits(rule.match, repository)]
    groups: dict[int, list[Dated]] = defaultdict(list)
    for tag in tags:
        place = next((place for place, rule in enumerate(fitting) if _fits(rule.tags, tag.name)), None)
        if place is not None:
            groups[place].append(tag)
    return {name for place, group in groups.items() for name in surplus(fitting[place].keep, group, now)}


def expired_packages(rules: Sequence[PackageRule], package: str, bundles: Iterable[Dated], now: float) -> set[str]:
    """Return which loaded bundles of a package no longer stay."""
    rule = next((rule for rule in rules if _fits(rule.match, package)), None)
    return set() if rule is None else surplus(rule.keep, bundles, now)


def surplus(keep: Keep, dated: Iterable[Dated], now: float) -> set[str]:
    """Return what is too much: neither among the newest nor young enough."""
    if keep.newest is None and keep.for_seconds is None:
        return set()
    newest_first = sorted(dated, reverse=True)
    old = newest_first[keep.newest or 0 :]
    return {each.name for each in old if keep.for_seconds is None or each.added < now - keep.for_seconds}


def _fits(patterns: Iterable[str], text: str) -> bool:
    return any(fnmatchcase(text, pattern) for pattern in patterns)
