"""The pages' HTML, from what they show."""

from collections.abc import Iterable, Sequence
from urllib.parse import quote

import msgspec

from packhorse import __version__
from packhorse.base.units import format_bytes, plural
from packhorse.oci.digest import Digest
from packhorse.oci.model import Descriptor
from packhorse.registry.pages.markup import Child, Markup, element, join
from packhorse.registry.pages.model import Listed, Piece, Referring, RepositoryRow, Summary, TagRow
from packhorse.registry.pages.style import STYLE

__all__ = ["Details", "failed", "image", "repositories", "repository"]

_DASH = "\N{EN DASH}"
_MAX_ANNOTATIONS = 50
_MAX_VALUE = 500


class Details(msgspec.Struct, frozen=True):
    """What is known of one manifest beside its descriptor."""

    summary: Summary
    users: Sequence[str]
    referring: Sequence[Referring]


def repositories(rows: Sequence[RepositoryRow], where: Listed, search: str, following: str | None) -> Markup:
    """Write the list of repositories."""
    form = element(
        "form",
        element(
            "div",
            element("label", "Find repositories", for_="q"),
            element("input", id="q", name="q", type="search", value=search, autocomplete="off"),
        ),
        element("button", "Find", type="submit"),
        action="/ui/",
        method="get",
        role="search",
    )
    table = _table(
        _caption(where, len(rows), "repositories"),
        ("Repository", "Tags#"),
        ((_link(row.name, row.name), f"{row.tags:,}") for row in rows),
    )
    nothing = f"No repository has {search!r} in its name." if search else "There is no repository here yet."
    return _document("Repositories", form, table if rows else element("p", nothing), _more(following))


def repository(name: str, rows: Sequence[TagRow], where: Listed, following: str | None) -> Markup:
    """Write the tags of one repository."""
    table = _table(
        _caption(where, len(rows), "tags"),
        ("Tag", "Kind", "Platforms", "Size#", "Signatures, SBOMs#", "Digest"),
        (_tag_row(name, row) for row in rows),
    )
    nothing = element("p", "It has no tag; what is in it is pulled by digest.")
    return _document(name, table if rows else nothing, _more(following))


def image(name: str, wanted: str, descriptor: Descriptor, details: Details) -> Markup:
    """Write what is known of one manifest."""
    summary = details.summary
    facts: list[tuple[str, Child]] = [
        ("Repository", _link(name, name)),
        ("Digest", element("code", descriptor.digest)),
        ("Kind", summary.kind),
        ("Media type", element("code", descriptor.media_type)),
        ("Type", element("code", summary.artifact_type) if summary.artifact_type else None),
        ("Platforms", ", ".join(summary.platforms) or None),
        ("Size", f"{format_bytes(summary.size)} ({summary.size:,} bytes)"),
        ("About", None if summary.subject is None else _link(f"{name}@{summary.subject}", summary.subject)),
        ("Used by", "; ".join(details.users) or "no package that is known here"),
    ]
    separator = "@" if ":" in wanted else ":"
    return _document(
        f"{name}{separator}{wanted}",
        _facts(facts),
        _pieces(name, summary.pieces),
        _layers(summary.layers),
        _referring(name, details.referring),
        _annotations(summary),
    )


def failed(title: str, text: str) -> Markup:
    """Write that something is not there."""
    return _document(title, element("p", text), element("p", element("a", "All repositories", href="/ui/")))


def _tag_row(name: str, row: TagRow) -> tuple[Child, ...]:
    summary = row.summary
    return (
        _link(f"{name}:{row.tag}", row.tag),
        "cannot be read" if summary is None else summary.kind,
        ", ".join(summary.platforms) if summary is not None and summary.platforms else _DASH,
        _DASH if summary is None else format_bytes(summary.size),
        f"{row.referring:,}" if row.referring else _DASH,
        _digest_link(name, row.descriptor.digest),
    )


def _pieces(name: str, pieces: Sequence[Piece]) -> Markup | None:
    if not pieces:
        return None
    rows = (
        (
            piece.platform or _DASH,
            _digest_link(name, piece.descriptor.digest) if piece.size is not None else element(
                "span", element("code", piece.descriptor.digest.short), " is not here"
            ),
            _DASH if piece.size is None else format_bytes(piece.size),
        )
        for piece in pieces
    )  # fmt: skip
    return join(
        element("h2", "Platforms"), _table(plural(len(pieces), "manifest"), ("Platform", "Digest", "Size#"), rows)
    )


def _layers(layers: Sequence[Descriptor]) -> Markup | None:
    if not layers:
        return None
    rows = (
        (
            str(number),
            element("code", layer.digest),
            element("code", layer.media_type),
            layer.annotations.get("org.opencontainers.image.title", _DASH),
            format_bytes(layer.size),
        )
        for number, layer in enumerate(layers, start=1)
    )
    heads = ("Number", "Digest", "Media type", "Title", "Size#")
    return join(element("h2", "Layers"), _table(plural(len(layers), "layer"), heads, rows))


def _referring(name: str, referring: Sequence[Referring]) -> Markup:
    title = element("h2", "Signatures, SBOMs and what else is about it")
    if not referring:
        return join(title, element("p", "There are none."))
    rows = (
        (
            each.kind,
            element("code", each.artifact_type) if each.artifact_type else _DASH,
            _digest_link(name, each.digest),
            format_bytes(each.size),
        )
        for each in referring
    )
    what = plural(len(referring), "manifest")
    return join(
        title,
        element("p", "Whether a signature is good is for its verifier to say, not for this page.", class_="soft"),
        _table(what, ("Kind", "Type", "Digest", "Size#"), rows),
    )


def _annotations(summary: Summary) -> Markup | None:
    if not summary.annotations:
        return None
    pairs: list[tuple[str, Child]] = [
        (key, value if len(value) <= _MAX_VALUE else value[:_MAX_VALUE] + "…")
        for key, value in sorted(summary.annotations.items())[:_MAX_ANNOTATIONS]
    ]
    return join(element("h2", "Annotations"), _facts(pairs))


def _link(target: str, text: str) -> Markup:
    return element("a", text, href=f"/ui/{quote(target, safe='/:@')}")


def _digest_link(name: str, digest: Digest) -> Markup:
    shown = element("code", digest.short)
    return element("a", shown, href=f"/ui/{quote(f'{name}@{digest}', safe='/:@')}", title=digest)


def _facts(pairs: Iterable[tuple[str, Child]]) -> Markup:
    shown = [join(element("dt", term), element("dd", value)) for term, value in pairs if value is not None]
    return element("dl", *shown)


def _table(caption: str, heads: Sequence[str], rows: Iterable[Sequence[Child]]) -> Markup:
    """Write a table; a ``#`` after a head says that its column has numbers. The first column names its row."""
    names = [head.removesuffix("#") for head in heads]
    classes = ["number" if head.endswith("#") else None for head in heads]
    # On a narrow screen the style takes the table apart; the roles keep it one for those who have it read to them.
    head = element(
        "tr",
        *(
            element("th", label, scope="col", class_=kind, role="columnheader")
            for label, kind in zip(names, classes, strict=True)
        ),
        role="row",
    )
    body = [
        element(
            "tr",
            element("th", row[0], scope="row", role="rowheader"),
            *(
                element("td", cell, class_=kind, data_label=label, role="cell")
                for cell, kind, label in zip(row[1:], classes[1:], names[1:], strict=True)
            ),
            role="row",
        )
        for row in rows
    ]
    table = element(
        "table",
        element("caption", caption),
        element("thead", head, role="rowgroup"),
        element("tbody", *body, role="rowgroup"),
        role="table",
    )
    # What may scroll must be reachable with the keyboard, and needs a name then.
    return element("div", table, class_="wide", role="region", aria_label=caption, tabindex="0")


def _caption(where: Listed, shown: int, what: str) -> str:
    return f"{where.first:,} to {where.first + shown - 1:,} of {where.total:,} {what}"


def _more(following: str | None) -> Markup | None:
    if following is None:
        return None
    return element("nav", element("a", "Next page", href=following, rel="next"), class_="pages", aria_label="Pages")


def _document(title: str, *content: Child) -> Markup:
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("title", f"{title} \N{EN DASH} Packhorse registry"),
        element("style", Markup(STYLE)),
    )
    body = element(
        "body",
        element("a", "Skip to the content", class_="skip", href="#content"),
        element("header", element("a", "Packhorse registry", href="/ui/")),
        element("main", element("h1", title), *content, id="content", tabindex="-1"),
        element("footer", f"Packhorse {__version__}. This page only shows; nothing can be changed here."),
    )
    return join(Markup("<!DOCTYPE html>\n"), element("html", head, body, lang="en"), Markup("\n"))
