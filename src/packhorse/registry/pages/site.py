"""Which page an address is, and what stands on it."""

from collections.abc import Sequence
from urllib.parse import quote, urlencode

from packhorse.base.errors import IntegrityError, PackhorseError
from packhorse.oci.digest import Digest
from packhorse.registry.answers import Answer
from packhorse.registry.asks import Ask
from packhorse.registry.pages import views
from packhorse.registry.pages.markup import Markup
from packhorse.registry.pages.model import RepositoryRow, TagRow, listed
from packhorse.registry.pages.style import POLICY
from packhorse.registry.pages.summaries import Summaries
from packhorse.registry.ports import Catalog
from packhorse.registry.visible_catalog import VisibleCatalog
from packhorse.registry.watching import Users

__all__ = ["PREFIX", "Pages"]

PREFIX = "/ui/"
_REPOSITORIES = 100
_TAGS = 25
_MAX_SEARCH = 200
_HEADERS = {
    "Content-Type": "text/html; charset=utf-8",
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-cache",
}


class Pages:
    """Writes pages from a catalogue. May wait for a disk or a network: it is called in threads, many at a time."""

    def __init__(self, catalog: Catalog, users: Users) -> None:
        """Make the pages.

        Args:
            catalog: What is here.
            users: Says which packages name a manifest.
        """
        self._catalog = catalog
        self._users = users
        self._summaries = Summaries(catalog)

    def answer(self, target: str, ask: Ask) -> Answer:
        """Answer with a page.

        Args:
            target: What follows :data:`PREFIX`: nothing, a repository's full name, or one with ``:TAG`` or ``@DIGEST``.
            ask: The request.
        """
        name, wanted = _split(target)
        seen = self._catalog if ask.sees is None else VisibleCatalog(self._catalog, ask.sees)
        try:
            if not name:
                return _all(seen, ask)
            if wanted is None:
                return self._repository(seen, name, ask)
            return self._image(seen, name, wanted)
        except (PackhorseError, OSError) as error:
            return _page(500, views.failed("This cannot be read", str(error)))

    def _repository(self, seen: Catalog, name: str, ask: Ask) -> Answer:
        tags = seen.tags(name)
        if tags is None:
            return _page(404, views.failed("Not here", f"There is no repository {name} here."))
        part, where = listed(tags, ask.query.get("after", ""), _TAGS)
        rows = [row for tag in part if (row := self._row(name, tag)) is not None]
        following = _link(name, after=where.following) if where.following is not None else None
        return _page(200, views.repository(name, rows, where, following))

    def _row(self, name: str, tag: str) -> TagRow | None:
        descriptor = self._catalog.manifest(name, tag)
        if descriptor is None:
            # It was taken away in this moment.
            return None
        try:
            summary = self._summaries.of(name, descriptor)
        except PackhorseError:
            summary = None
        return TagRow(tag, descriptor, summary, len(self._summaries.referring(name, descriptor.digest)))

    def _image(self, seen: Catalog, name: str, wanted: str) -> Answer:
        # Who may see a repository may see all that is in it, so from here on nothing is hidden.
        descriptor = seen.manifest(name, wanted)
        if descriptor is None:
            return _page(404, views.failed("Not here", f"{name} has no manifest {wanted} here."))
        summary = self._summaries.of(name, descriptor)
        users = self._users(name, descriptor.digest)
        referring = self._summaries.referring(name, descriptor.digest)
        return _page(200, views.image(name, wanted, descriptor, views.Details(summary, users, referring)))


def _all(seen: Catalog, ask: Ask) -> Answer:
    search = ask.query.get("q", "")[:_MAX_SEARCH].strip()
    words = search.lower().split()
    names: Sequence[str] = seen.repositories()
    if words:
        names = [name for name in names if all(word in name.lower() for word in words)]
    part, where = listed(names, ask.query.get("after", ""), _REPOSITORIES)
    rows = [RepositoryRow(name, len(seen.tags(name) or ())) for name in part]
    following = _link("", q=search, after=where.following) if where.following is not None else None
    return _page(200, views.repositories(rows, where, search, following))


def _split(target: str) -> tuple[str, str | None]:
    """Cut what names a manifest off a repository's name, which may have a registry with a port."""
    name, at, digest = target.partition("@")
    if at:
        try:
            return name, Digest(digest)
        except IntegrityError:
            return name, digest
    head, colon, tag = target.rpartition(":")
    return (head, tag) if colon and "/" not in tag else (target.rstrip("/"), None)


def _link(name: str, **query: str | None) -> str:
    written = urlencode({key: value for key, value in query.items() if value})
    return f"{PREFIX}{quote(name, safe='/:@')}?{written}"


def _page(status: int, page: Markup) -> Answer:
    return Answer(status, dict(_HEADERS), page.encode())
