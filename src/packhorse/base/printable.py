"""Text from outside, made fit for a terminal: nothing in it moves the cursor, sets a title or hides words."""

__all__ = ["in_one_line", "printable"]

_MOST_SHOWN = 300


def printable(text: str) -> str:
    """Return ``text`` with tabs as blanks and every other character that is not shown as a replacement character.

    Line breaks stay; what stands in one line must be given without them.
    """
    if text.isprintable():
        return text
    return "".join(
        character
        if character.isprintable() or character == "\n"
        else " "
        if character == "\t"
        else "\N{REPLACEMENT CHARACTER}"
        for character in text
    )


def in_one_line(text: str) -> str:
    """Return text from outside in one line, bounded, fit for a message."""
    text = printable(" ".join(text.split()))
    return text if len(text) <= _MOST_SHOWN else text[:_MOST_SHOWN] + "…"
