"""The one error of the corpus."""

__all__ = ["CorpusError"]


class CorpusError(Exception):
    """A program is missing, a package cannot be had, or a recipe is wrong; the message says which and what to do."""
