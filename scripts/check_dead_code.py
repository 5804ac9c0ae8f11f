"""Finds code in the product that nothing of the product or its development programs uses.

vulture does the looking. Left out of its findings is what is used in ways it cannot see: parameters (ruff looks after
them), the methods of a Protocol (an interface is there to be implemented), and the fields of msgspec structs and
enumerations (their names come from files). The tests do not count as users: code that only a test calls is dead.
"""

import ast
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from vulture.core import Vulture

_USERS = ("src", "corpus", "bench", "conformance", "faults", "fuzz", "scripts", "e2e")
_CONFIDENCE = 60
_NAME = re.compile(r"[A-Za-z_]\w*")
_SHAPES = frozenset({"Struct", "Enum", "StrEnum", "IntEnum", "Flag", "IntFlag"})
_DECORATORS = ["@pytest.fixture", "@*.command", "@*.group"]
_NAMES = ["test_*", "pytest_*"]


def dead_code(folders: Sequence[Path], allowed: Path) -> list[str]:
    """Look through the Python files of ``folders`` and return one line for each finding.

    Args:
        folders: What counts both as possibly dead and as a user.
        allowed: A file that mentions the names which are used from outside.
    """
    finder = Vulture(ignore_names=_NAMES, ignore_decorators=_DECORATORS)
    finder.scavenge([str(path) for path in (*folders, allowed)])
    files = sorted(file for folder in folders for file in folder.rglob("*.py"))
    trees = {file: ast.parse(file.read_text(encoding="utf-8")) for file in files}
    for name in quoted_names(trees.values()):
        finder.used_names.add(name)
    exempt = exempt_names(trees)
    return [
        f"{item.filename}:{item.first_lineno}: {item.message}"
        for item in finder.get_unused_code(min_confidence=_CONFIDENCE)
        if (str(Path(item.filename).resolve()), item.name, item.first_lineno) not in exempt
    ]


def quoted_names(trees: Iterable[ast.Module]) -> Iterator[str]:
    """Yield the names in annotations that are written as strings, which vulture does not read."""
    for node in (node for tree in trees for node in ast.walk(tree)):
        annotations = (getattr(node, "annotation", None), getattr(node, "returns", None))
        for part in (part for annotation in annotations if annotation is not None for part in ast.walk(annotation)):
            if isinstance(part, ast.Constant) and isinstance(part.value, str):
                yield from _NAME.findall(part.value)


def exempt_names(trees: Mapping[Path, ast.Module]) -> set[tuple[str, str, int]]:
    """Collect file, name and line of everything whose use vulture cannot see."""
    classes = {node.name: node for tree in trees.values() for node in ast.walk(tree) if isinstance(node, ast.ClassDef)}
    return {
        (str(file.resolve()), name, line)
        for file, tree in trees.items()
        for node in ast.walk(tree)
        for name, line in _exempt_in(node, classes)
    }


def _exempt_in(node: ast.AST, classes: dict[str, ast.ClassDef]) -> Iterator[tuple[str, int]]:
    match node:
        case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.Lambda():
            arguments = node.args
            given = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
            given += [one for one in (arguments.vararg, arguments.kwarg) if one is not None]
            # vulture reports a parameter at the line of its function.
            first = min([node.lineno, *(item.lineno for item in getattr(node, "decorator_list", []))])
            for argument in given:
                yield from ((argument.arg, line) for line in (argument.lineno, node.lineno, first))
        case ast.ClassDef():
            bases = set(_ancestors(node, classes))
            if "Protocol" in bases:
                yield from _members(node)
            elif bases & _SHAPES:
                yield from _fields(node)


def _ancestors(node: ast.ClassDef, classes: dict[str, ast.ClassDef]) -> Iterator[str]:
    for base in node.bases:
        plain = base.value if isinstance(base, ast.Subscript) else base
        name = plain.attr if isinstance(plain, ast.Attribute) else getattr(plain, "id", "")
        yield name
        # Protocol itself is not inherited: a class below a Protocol is an implementation of it.
        if name in classes and classes[name] is not node:
            yield from (above for above in _ancestors(classes[name], classes) if above != "Protocol")


def _members(node: ast.ClassDef) -> Iterator[tuple[str, int]]:
    for item in node.body:
        if isinstance(item, ast.FunctionDef | ast.AsyncFunctionDef):
            first = min([item.lineno, *(decorator.lineno for decorator in item.decorator_list)])
            yield from ((item.name, line) for line in (item.lineno, first))
    yield from _fields(node)


def _fields(node: ast.ClassDef) -> Iterator[tuple[str, int]]:
    for item in node.body:
        targets = item.targets if isinstance(item, ast.Assign) else [getattr(item, "target", None)]
        yield from ((target.id, item.lineno) for target in targets if isinstance(target, ast.Name))


def main(arguments: Sequence[str]) -> int:
    """Print the findings; return 1 when there is one."""
    root = Path(arguments[0]) if arguments else Path.cwd()
    folders = [root / name for name in _USERS if (root / name).is_dir()]
    findings = dead_code(folders, root / "scripts" / "vulture_allowed.py")
    print(*findings, f"{len(findings)} unused names.", sep="\n")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
