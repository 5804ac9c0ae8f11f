"""HTML that cannot be injected into: text is escaped unless it was made here."""

from html import escape

from packhorse.base.printable import printable

__all__ = ["Child", "Markup", "element", "join"]

_VOID = frozenset({"input", "meta", "br"})


class Markup(str):
    """Text that is HTML already: what this module wrote, or a constant of ours; never anything from outside."""

    __slots__ = ()


Child = str | Markup | None


def element(name: str, /, *children: Child, **attributes: str | None) -> Markup:
    """Write an element.

    Args:
        name: Its name; never from outside.
        children: Text is escaped, markup is not; None is left out.
        attributes: Values are escaped; None leaves one out. ``class_`` and ``for_`` stand for ``class`` and ``for``, an
            underscore in between for a dash.
    """
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(printable(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    if name in _VOID:
        return Markup(f"<{name}{written}>")
    return Markup(f"<{name}{written}>{join(*children)}</{name}>")


def join(*children: Child) -> Markup:
    """Put children one after the other."""
    return Markup("".join(_written(child) for child in children if child is not None))


def _written(child: str | Markup) -> str:
    return child if isinstance(child, Markup) else escape(printable(child))
