"""What a request needs: a role in a repository, or less."""

from collections.abc import Iterator

from packhorse.registry.access.model import Role
from packhorse.registry.answers import Answer, Code, refusal
from packhorse.registry.asks import Ask
from packhorse.registry.routes import Operation, Route

__all__ = ["in_repository", "mount_source", "needed_role", "scopes_of", "unauthorised"]

_READS = frozenset({"GET", "HEAD"})
_IN_REPOSITORY = frozenset({
    Operation.MANIFEST,
    Operation.BLOB,
    Operation.TAGS,
    Operation.REFERRERS,
    Operation.UPLOADS,
    Operation.UPLOAD,
})  # fmt: skip


def in_repository(route: Route) -> bool:
    """Whether a request is about one repository."""
    return route.operation in _IN_REPOSITORY


def needed_role(route: Route, method: str) -> Role:
    """Return the role that a request about a repository needs in it."""
    if route.operation in (Operation.UPLOADS, Operation.UPLOAD):
        return Role.PUSH
    if method in _READS:
        return Role.PULL
    return Role.DELETE if method == "DELETE" else Role.PUSH


def scopes_of(route: Route, method: str, name: str, sources: tuple[str, ...] = ()) -> str:
    """Return what a token must be asked for.

    Args:
        route: What is requested.
        method: How.
        name: The repository as a path.
        sources: Repositories that a blob shall be mounted from.
    """
    if route.operation is Operation.CATALOG:
        return "registry:catalog:*"
    if not in_repository(route):
        return ""
    return " ".join(_scopes(needed_role(route, method), name, sources))


def _scopes(role: Role, name: str, sources: tuple[str, ...]) -> Iterator[str]:
    actions = {Role.PULL: "pull", Role.PUSH: "pull,push"}.get(role, "pull,delete")
    yield f"repository:{name}:{actions}"
    for source in sources:
        yield f"repository:{source}:pull"


def mount_source(ask: Ask) -> str | None:
    """Return the repository that a blob shall be mounted from, if one shall."""
    return ask.query.get("from") if "mount" in ask.query else None


def unauthorised(message: str, challenge: str) -> Answer:
    """Answer that a login is needed."""
    answer = refusal(Code.UNAUTHORIZED, message, WWW_Authenticate=challenge, Cache_Control="no-store")
    answer.headers["Docker-Distribution-Api-Version"] = "registry/2.0"
    return answer
