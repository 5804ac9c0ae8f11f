"""Charts, kustomizations and manifests of every shape, with what ``packhorse lock`` must say of each.

A case is a package in a folder of ``charts`` or ``kustomizations``, or one file of ``manifests``. Beside it stands
``expected``: the images that must be found, how surely and where, one a line, and nothing else, and what the report
remarks on; or ``refused``, and the words of the refusal.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

__all__ = ["REFUSED", "Case", "cases", "listing"]

REFUSED = "refused"
_ROOT = Path(__file__).parent
_KINDS = ("charts", "kustomizations", "manifests")
_FINDS = ("exact", "declared", "likely")
_DEFINITION = "packhorse.yaml"


@dataclass(frozen=True, slots=True)
class Case:
    """One shape.

    Attributes:
        path: A folder with a ``packhorse.yaml``, or a file of objects.
    """

    kind: str
    name: str
    path: Path

    @property
    def expected(self) -> Path:
        """The file that says what must come of it."""
        return self.path / "expected" if self.path.is_dir() else self.path.with_suffix(".expected")

    @property
    def about(self) -> str:
        """What it shows: the first line of its definition, a comment."""
        described = self.path / _DEFINITION if self.path.is_dir() else self.path
        return described.read_text(encoding="utf-8").partition("\n")[0].removeprefix("# ")

    @property
    def images(self) -> list[str]:
        """The references that must be found or are listed, each once; none when it must be refused."""
        words = [line.split() for line in self.expected.read_text(encoding="utf-8").splitlines()]
        return sorted({found[1] for found in words if found[0] in _FINDS})

    @property
    def outcome(self) -> str:
        """What must come of it, in a word or two."""
        count = len(self.images)
        return f"{count} image{'s' if count > 1 else ''}" if count else REFUSED


def cases(kind: str) -> list[Case]:
    """Gather the cases of ``charts``, ``kustomizations`` or ``manifests``, by name."""
    folder = _ROOT / kind
    if kind == "manifests":
        return [Case(kind, path.stem, path) for path in sorted(folder.glob("*.yaml"))]
    return [Case(kind, path.parent.name, path.parent) for path in sorted(folder.glob(f"*/{_DEFINITION}"))]


def listing() -> Iterator[str]:
    """Yield a line for each case: kind, name, what must come of it, and what it shows."""
    for kind in _KINDS:
        for case in cases(kind):
            yield f"{kind}/{case.name}\t{case.outcome}\t{case.about}"
