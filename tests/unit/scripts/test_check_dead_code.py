"""Dead code is found; interfaces, parameters and the shapes of files are not taken for it."""

from pathlib import Path

import pytest

from scripts import check_dead_code


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    (tmp_path / "src").mkdir()
    (tmp_path / "tests").mkdir()
    (tmp_path / "scripts").mkdir()
    (tmp_path / "scripts" / "vulture_allowed.py").touch()
    return tmp_path


def findings(tree: Path, source: str, capsys: pytest.CaptureFixture[str]) -> list[str]:
    (tree / "src" / "module.py").write_text(source)
    code = check_dead_code.main([str(tree)])
    *found, _ = capsys.readouterr().out.splitlines()
    assert code == (1 if found else 0)
    return [line.partition(": ")[2] for line in found]


def test_what_nothing_calls_is_found(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = "def used():\n    pass\n\n\ndef unused():\n    pass\n\n\nused()\n"
    assert findings(tree, source, capsys) == ["unused function 'unused'"]


def test_what_only_a_test_calls_is_found(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tree / "tests" / "test_module.py").write_text("from module import only_tested\n\nonly_tested()\n")
    assert findings(tree, "def only_tested():\n    pass\n", capsys) == ["unused function 'only_tested'"]


def test_what_is_on_the_list_is_not_found(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tree / "scripts" / "vulture_allowed.py").write_text("from module import api\n\napi\n")
    assert findings(tree, "def api():\n    pass\n", capsys) == []


def test_parameters_are_left_to_the_linter(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = "import functools\n\n\n@functools.cache\ndef f(a, *b, c=1, **d):\n    pass\n\n\nf()\nprint(lambda e: 1)\n"
    assert findings(tree, source, capsys) == []


def test_names_in_quoted_annotations_are_used(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = 'from hashlib import _Hash, sha1\n\n\ndef f(a: list["_Hash | None"]):\n    pass\n\n\nf(1)\n'
    assert findings(tree, source, capsys) == ["unused import 'sha1'"]


def test_the_members_of_a_protocol_are_an_interface(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = (
        "from typing import Protocol\n\n\n"
        "class Port(Protocol):\n    size: int\n\n    def read(self):\n        ...\n\n\n"
        "class Adapter(Port):\n    def extra(self):\n        pass\n\n\nprint(Adapter)\n"
    )
    assert findings(tree, source, capsys) == ["unused method 'extra'"]


def test_fields_that_come_from_files_are_no_dead_code(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = (
        "import enum\n\nimport msgspec\n\n\n"
        "class Base(msgspec.Struct):\n    pass\n\n\n"
        "class Shape(Base):\n    name: str\n\n    def method(self):\n        pass\n\n\n"
        "class Kind(enum.Enum):\n    ONE = 1\n\n\nprint(Shape, Kind)\n"
    )
    assert findings(tree, source, capsys) == ["unused method 'method'"]
