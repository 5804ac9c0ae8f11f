"""The nearest known word to one that is not known, for messages that say "did you mean"."""

from collections.abc import Iterable

__all__ = ["distance", "nearest"]

_LETTERS_PER_MISTAKE = 3
_LONGEST_WORD = 64


def nearest(word: str, known: Iterable[str]) -> str | None:
    """Return the word of ``known`` that ``word`` is most likely a misspelling of, or ``None`` when none is near.

    One mistake is allowed for every three letters, so that short words are not confused with each other. Letter case,
    dashes and underscores count as nothing: ``dependson`` and ``depends_on`` are both near ``dependsOn``. A word that
    is the beginning of exactly one other is near it.
    """
    plain = _plain(word)
    if not plain or len(plain) > _LONGEST_WORD:
        return None
    candidates = list(known)
    allowed = min(max(1, len(plain) // _LETTERS_PER_MISTAKE), len(plain) - 1)
    ranked = sorted((distance(plain, _plain(candidate)), candidate) for candidate in candidates)
    if ranked and ranked[0][0] <= allowed:
        return ranked[0][1]
    begun = [candidate for candidate in candidates if _plain(candidate).startswith(plain)]
    return begun[0] if len(begun) == 1 and len(plain) >= _LETTERS_PER_MISTAKE else None


def distance(left: str, right: str) -> int:
    """Count the letters to insert, drop, change or swap with their neighbour to make ``right`` of ``left``.

    This is the optimal string alignment distance: the restricted form of Damerau and Levenshtein's, in which no
    letter is touched twice.
    """
    before: list[int] = []
    above = list(range(len(right) + 1))
    for row, letter in enumerate(left, 1):
        current = [row]
        for column, other in enumerate(right, 1):
            cost = min(above[column] + 1, current[-1] + 1, above[column - 1] + (letter != other))
            swapped = row > 1 and column > 1 and letter == right[column - 2] and left[row - 2] == other
            if swapped:
                cost = min(cost, before[column - 2] + 1)
            current.append(cost)
        before, above = above, current
    return above[-1]


def _plain(word: str) -> str:
    return word.lower().replace("_", "").replace("-", "")
