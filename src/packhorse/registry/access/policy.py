"""From an identity to what it may do in a repository."""

from collections import OrderedDict
from collections.abc import Iterable

from packhorse.registry.access.model import Access, Identity, Role
from packhorse.registry.access.patterns import Pattern
from packhorse.registry.names import path_name

__all__ = ["GROUP", "Grants", "Policy"]

GROUP = "group:"
"""What a group's member begins with that is itself a group, as an issuer or a certificate names it."""

_KEPT = 1024


class Grants:
    """What one identity may do. Used by many threads."""

    def __init__(self, rules: Iterable[tuple[Role, tuple[Pattern, ...]]], identity: Identity) -> None:
        self._rules = tuple(sorted(rules, key=lambda rule: -rule[0]))
        self._limits = identity.limits
        self.is_admin = any(role is Role.ADMIN for role, _ in self._rules)
        self.is_somebody = bool(identity.user)
        self.may_pull_something = bool(self._rules)

    @property
    def sees_everything(self) -> bool:
        """Whether it may pull every repository."""
        return self._limits is None and any(
            pattern.is_everything for _, patterns in self._rules for pattern in patterns
        )

    def may(self, role: Role, name: str) -> bool:
        """Whether the rules allow something in a repository (its full name), whatever the token was made for."""
        path = path_name(name)
        return any(
            granted >= role and any(pattern.matches(path) for pattern in patterns) for granted, patterns in self._rules
        )

    def covers(self, role: Role, asked: str, name: str) -> bool:
        """Whether the token was made for something in a repository, as the client writes it or as it is called."""
        if self._limits is None:
            return True
        names = (asked, path_name(name))
        actions = {role.name.lower(), "*"}
        return any(
            limit.type == "repository" and limit.name in names and not actions.isdisjoint(limit.actions)
            for limit in self._limits
        )


class Policy:
    """What the access file says, ready to be asked."""

    def __init__(self, access: Access) -> None:
        self._rules = tuple(
            (
                Role[rule.role.upper()],
                frozenset(rule.users).union(*(access.groups.get(group, ()) for group in rule.groups)),
                tuple(Pattern(text) for text in rule.repositories),
            )
            for rule in access.rules
        )
        pull = access.anonymous.pull
        patterns = () if pull is False else ("**",) if pull is True else pull
        self._anonymous = tuple(Pattern(text) for text in patterns)
        self.lets_anybody_pull = bool(patterns)
        self._known: OrderedDict[Identity, Grants] = OrderedDict()

    def grants(self, identity: Identity) -> Grants:
        """Return what an identity may do; what anybody may do, everybody may. Used by one thread."""
        known = self._known.get(identity)
        if known is None:
            known = self._known[identity] = Grants(self._of(identity), identity)
            if len(self._known) > _KEPT:
                self._known.popitem(last=False)
        else:
            self._known.move_to_end(identity)
        return known

    def _of(self, identity: Identity) -> Iterable[tuple[Role, tuple[Pattern, ...]]]:
        if self._anonymous:
            yield Role.PULL, self._anonymous
        if not identity.user:
            return
        names = {identity.user, *(GROUP + group for group in identity.groups)}
        for role, members, patterns in self._rules:
            if not names.isdisjoint(members):
                yield role, patterns
