"""The interpreter for .venv is one that runs and is new enough, whatever stands on PATH."""

import os
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[3] / "scripts" / "find_python.sh"


@pytest.fixture
def bin_folder(tmp_path: Path) -> Path:
    folder = tmp_path / "bin"
    folder.mkdir()
    return folder


def interpreter(folder: Path, name: str, version: tuple[int, int]) -> None:
    """Make a program that answers the script's two questions as a Python of this version would."""
    new_enough = 0 if version >= (3, 11) else 1
    path = folder / name
    path.write_text(f'#!/bin/sh\ncase "$2" in *exit*) exit {new_enough} ;; *) echo {version[0]}.{version[1]} ;; esac\n')
    path.chmod(0o755)


def find(folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    surroundings = {"PATH": os.fspath(folder), **environment}
    return subprocess.run(["/bin/sh", str(SCRIPT)], env=surroundings, capture_output=True, text=True, check=False)


def test_plain_python3_is_taken_when_it_is_new_enough(bin_folder: Path) -> None:
    interpreter(bin_folder, "python3", (3, 11))
    interpreter(bin_folder, "python3.13", (3, 13))
    assert find(bin_folder).stdout == "python3\n"


def test_a_newer_one_is_taken_when_python3_is_too_old(bin_folder: Path) -> None:
    interpreter(bin_folder, "python3", (3, 9))
    interpreter(bin_folder, "python3.12", (3, 12))
    assert find(bin_folder).stdout == "python3.12\n"


def test_a_name_that_does_not_run_is_passed_over(bin_folder: Path) -> None:
    shim = bin_folder / "python3"
    shim.write_text("#!/bin/sh\necho 'not installed' >&2\nexit 127\n")
    shim.chmod(0o755)
    interpreter(bin_folder, "python3.11", (3, 11))
    assert find(bin_folder).stdout == "python3.11\n"


def test_the_one_that_is_asked_for_is_the_only_candidate(bin_folder: Path) -> None:
    interpreter(bin_folder, "python3", (3, 12))
    interpreter(bin_folder, "mine", (3, 14))
    assert find(bin_folder, PYTHON="mine").stdout == "mine\n"


def test_too_old_is_said_with_what_was_found_and_what_to_do(bin_folder: Path) -> None:
    interpreter(bin_folder, "python3", (3, 9))
    result = find(bin_folder)
    assert result.returncode == 1
    assert result.stdout == ""
    assert "needs Python 3.11 or newer; found: python3 (3.9)." in result.stderr
    assert "hint:" in result.stderr


def test_no_python_at_all_is_said(bin_folder: Path) -> None:
    result = find(bin_folder)
    assert result.returncode == 1
    assert "found: none" in result.stderr
