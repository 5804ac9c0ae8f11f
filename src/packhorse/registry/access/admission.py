"""One client that was let in, and what it may do in each repository."""

from collections.abc import Callable

from packhorse.registry.access.model import Identity, Role
from packhorse.registry.access.needs import in_repository, mount_source, needed_role, scopes_of, unauthorised
from packhorse.registry.access.policy import Grants
from packhorse.registry.answers import Answer, Code, refusal
from packhorse.registry.api import PROBE_REPOSITORY
from packhorse.registry.asks import Ask
from packhorse.registry.names import Ambiguous, find_repository, path_name, writable_name
from packhorse.registry.ports import Catalog
from packhorse.registry.routes import Operation, Route
from packhorse.registry.visible_catalog import VisibleCatalog

__all__ = ["Admitted"]


_API = frozenset({Operation.BASE, Operation.CATALOG, Operation.OTHER})
"""What else there is shows more than one repository, and is for admins."""


class Admitted:
    """Implements :class:`packhorse.registry.gate.Admission`.

    Args:
        identity: Who it is.
        grants: What the rules allow.
        challenge: Makes a challenge for some scopes, and what is wrong with the token that was shown.
        is_open: Whether what is asked for is for everybody.
    """

    def __init__(
        self, identity: Identity, grants: Grants, challenge: Callable[[str, str], str], *, is_open: bool
    ) -> None:
        self.identity = identity
        self._grants = grants
        self._challenge = challenge
        self._is_open = is_open

    @property
    def sees(self) -> Callable[[str], bool] | None:
        """Whether a repository may be known of."""
        return None if self._grants.sees_everything else self._sees

    def check(self, catalog: Catalog, route: Route, ask: Ask) -> Answer | None:
        """Return a refusal, or None where the request may be answered."""
        if not in_repository(route):
            return None if self._is_open else self._check_whole(route, ask)
        if not route.has_valid_name or _is_probe(route, ask):
            # What can't be there is answered as such.
            return None
        role = needed_role(route, ask.method)
        name = self._name(catalog, route, ask, role)
        if isinstance(name, Ambiguous):
            return None
        if not self._grants.may(role, name):
            return self._refuse(role, route, ask, name)
        if not self._grants.covers(role, route.name, name):
            return self._ask_for_token(route, ask, name)
        return self._check_mount(route, ask, catalog, name)

    def _name(self, catalog: Catalog, route: Route, ask: Ask, role: Role) -> str | Ambiguous:
        """Return the full name of the repository that is meant, which need not be there."""
        if role is not Role.PULL:
            return writable_name(route.name, ask.namespace, catalog)
        # What is hidden is answered as what is not there: by whether one could pull it.
        seen = VisibleCatalog(catalog, self._sees)
        return find_repository(route.name, ask.namespace, seen) or writable_name(route.name, ask.namespace, seen)

    def _sees(self, name: str) -> bool:
        return self._grants.may(Role.PULL, name)

    def _check_whole(self, route: Route, ask: Ask) -> Answer | None:
        if route.operation is Operation.BASE and not self._grants.is_somebody:
            # Clients learn here where to log in; those that need no login ask for a token without one.
            return self._ask_for_login(route, ask)
        if route.operation is Operation.CATALOG and not (self._grants.is_somebody or self._grants.may_pull_something):
            return self._ask_for_login(route, ask)
        if route.operation is Operation.PAGE and self._grants.may_pull_something:
            # Only what may be pulled stands on it.
            return None
        if route.operation not in _API and not self._grants.is_admin:
            if not self._grants.is_somebody:
                # A browser, or whoever collects metrics, asks for a password only by this.
                return unauthorised("this needs a login", 'Basic realm="packhorse", charset="UTF-8"')
            return refusal(Code.DENIED, f"{self.identity.user} is no admin here")
        return None

    def _check_mount(self, route: Route, ask: Ask, catalog: Catalog, name: str) -> Answer | None:
        """Ask for a token that is good for the other repository too; one that may not be pulled is not there."""
        source = mount_source(ask) if route.operation is Operation.UPLOADS else None
        if source is None or self.identity.limits is None:
            return None
        found = find_repository(source, ask.namespace, VisibleCatalog(catalog, self._sees))
        if not isinstance(found, str) or self._grants.covers(Role.PULL, source, found):
            return None
        return self._ask_for_token(route, ask, name, source)

    def _refuse(self, role: Role, route: Route, ask: Ask, name: str) -> Answer:
        if not self._grants.is_somebody:
            return self._ask_for_login(route, ask, name)
        message = f"{self.identity.user} may not {role.name.lower()} {path_name(name)}, if there is such a repository"
        return refusal(Code.DENIED, message)

    def _ask_for_login(self, route: Route, ask: Ask, name: str | None = None) -> Answer:
        scopes = scopes_of(route, ask.method, path_name(name) if name else route.name)
        return unauthorised("this needs a login", self._challenge(scopes, ""))

    def _ask_for_token(self, route: Route, ask: Ask, name: str, *sources: str) -> Answer:
        scopes = scopes_of(route, ask.method, path_name(name), sources)
        return unauthorised("the token was made for something else", self._challenge(scopes, "insufficient_scope"))


def _is_probe(route: Route, ask: Ask) -> bool:
    """Whether a node asks whether its pulls arrive here; it is told that there is no such image."""
    return needed_role(route, ask.method) is Role.PULL and PROBE_REPOSITORY in route.name.split("/")[:2]
