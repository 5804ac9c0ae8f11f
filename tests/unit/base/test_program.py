"""Running programs: their surroundings, and secrets that reach them beside their arguments."""

import os
from pathlib import Path

import pytest

from packhorse.base.errors import ConfigError
from packhorse.base.program import Program, private_folder, secret_files

SHELL = Program(Path("/bin/sh"), {"PATH": "/usr/bin:/bin", "SECRET": "x", "LANG": "C"})


def test_a_program_gets_what_it_is_given() -> None:
    outcome = SHELL.run(["-c", "env; echo said >&2; exit 3"], timeout_seconds=30, environment={"OWN": "1"})
    variables = dict(line.split("=", 1) for line in outcome.stdout.decode().splitlines())
    assert {name: variables.get(name) for name in ("OWN", "LANG", "SECRET")} == {
        "OWN": "1",
        "LANG": "C",
        "SECRET": None,
    }
    assert (outcome.status, outcome.stderr) == (3, "said")


def test_it_reads_nothing_from_the_terminal() -> None:
    assert SHELL.run(["-c", "cat"], timeout_seconds=30, environment={}).stdout == b""


def test_a_program_that_cannot_be_run(tmp_path: Path) -> None:
    (tmp_path / "plain").write_text("no program")
    with pytest.raises(ConfigError, match=r"cannot run .*plain: Permission denied"):
        Program(tmp_path / "plain").run([], timeout_seconds=1, environment={})


def test_a_private_folder_is_private_and_goes_away() -> None:
    with private_folder("test") as folder:
        assert folder.stat().st_mode & 0o777 == 0o700
        (folder / "file").write_text("x")
    assert not folder.exists()


@pytest.mark.parametrize("in_memory", [True, False])
def test_secrets_can_be_read_by_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, in_memory: bool) -> None:
    if not in_memory:
        monkeypatch.delattr(os, "memfd_create")
    secrets = (b"one", b"", bytes(200_000))
    with secret_files(secrets, tmp_path) as (paths, fds):
        outcome = SHELL.run(
            ["-c", 'for path in "$@"; do wc -c < "$path"; done', "sh", *paths],
            timeout_seconds=30,
            environment={},
            pass_fds=fds,
        )
        assert [path.stat().st_mode & 0o777 for path in tmp_path.iterdir()] == ([] if in_memory else [0o600] * 3)
    assert [int(line) for line in outcome.stdout.split()] == [3, 0, 200_000]
