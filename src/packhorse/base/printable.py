"""Text from outside, made fit for a terminal: nothing in it moves the cursor, sets a title or hides words."""

__all__ = ["printable"]


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
