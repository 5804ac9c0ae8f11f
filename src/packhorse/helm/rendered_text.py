"""Cutting what ``helm template`` prints into documents, each with the template that it was made from."""

import re

from packhorse.helm.model import RenderedDocument

__all__ = ["split_rendered"]

_SEPARATOR = re.compile(r"^---(?:[ \t].*)?$", re.MULTILINE)
_SOURCE = re.compile(r"^# Source: (?P<path>\S.*?)[ \t]*$", re.MULTILINE)


def split_rendered(text: str) -> tuple[RenderedDocument, ...]:
    """Cut Helm's output at its separators; documents that hold nothing but comments are left out.

    Helm writes ``# Source:`` above each document that it made. A file of ``crds/`` is printed as it is, so that only
    its first document has the line: the others have the source of the one before them.
    """
    documents = []
    source = ""
    for piece in _SEPARATOR.split(text):
        if match := _SOURCE.match(piece.lstrip("\r\n")):
            source = match["path"]
        if any(line.strip() and not line.lstrip().startswith("#") for line in piece.splitlines()):
            documents.append(RenderedDocument(source, piece.strip("\r\n") + "\n"))
    return tuple(documents)
