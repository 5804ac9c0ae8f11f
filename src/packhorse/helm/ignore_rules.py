"""``.helmignore``: which files of a chart's folder stay out of its archive.

The rules are Helm's own (its documentation, "The .helmignore file"): shell patterns, one a line. A pattern without a
slash is matched against a file's name, one with a slash against its path; a slash in front binds it to the chart's
folder, one at the end to folders; ``!`` turns it round; ``**`` is not known. Hidden files of ``templates/`` are always
left out.
"""

import re
from dataclasses import dataclass

from packhorse.base.errors import ConfigError

__all__ = ["IgnoreRules"]


@dataclass(frozen=True, slots=True)
class _Rule:
    pattern: re.Pattern[str]
    on_path: bool
    folders_only: bool
    negated: bool

    def matches(self, path: str) -> bool:
        return self.pattern.fullmatch(path if self.on_path else path.rpartition("/")[2]) is not None


@dataclass(frozen=True, slots=True)
class IgnoreRules:
    """The rules of one chart."""

    rules: tuple[_Rule, ...]

    @classmethod
    def parse(cls, text: str, where: str = ".helmignore") -> "IgnoreRules":
        """Read a ``.helmignore``; the rule for hidden files of ``templates/`` is added.

        Raises:
            ConfigError: A pattern is none.
        """
        lines = [line.strip() for line in text.removeprefix("\ufeff").splitlines()]
        written = [line for line in lines if line and not line.startswith("#")]
        return cls(tuple(_rule(line, where) for line in [*written, "templates/.?*"]))

    def ignores(self, path: str, *, is_folder: bool) -> bool:
        """Whether a file or folder stays out; what lies in an ignored folder does too."""
        for rule in self.rules:
            if rule.negated:
                # As Helm has it: a negated rule leaves out all that it does not match.
                if (rule.folders_only and not is_folder) or not rule.matches(path):
                    return True
            elif (is_folder or not rule.folders_only) and rule.matches(path):
                return True
        return False


def _rule(line: str, where: str) -> _Rule:
    negated = line.startswith("!")
    text = line[1:] if negated else line
    folders_only = text.endswith("/")
    text = text.removesuffix("/")
    if "**" in text:
        raise ConfigError(f"{where}: Helm knows no double star, found {line!r}")
    on_path = "/" in text
    return _Rule(_translate(text.removeprefix("/"), line, where), on_path, folders_only, negated)


def _translate(glob: str, line: str, where: str) -> re.Pattern[str]:
    pieces = []
    position = 0
    while position < len(glob):
        character = glob[position]
        position += 1
        if character == "*":
            pieces.append("[^/]*")
        elif character == "?":
            pieces.append("[^/]")
        elif character == "[":
            end = glob.find("]", position + 1)
            if end < 0:
                raise ConfigError(f"{where}: {line!r} opens a bracket and does not close it")
            pieces.append(_bracket(glob[position:end]))
            position = end + 1
        elif character == "\\" and position < len(glob):
            pieces.append(re.escape(glob[position]))
            position += 1
        else:
            pieces.append(re.escape(character))
    return re.compile("".join(pieces), re.DOTALL)


def _bracket(inner: str) -> str:
    negated = inner.startswith("^")
    ranges = re.sub(r"([\\\[\]^&~|])", r"\\\1", inner.removeprefix("^"))
    return f"(?!/)[{'^' if negated else ''}{ranges}]"
