"""What the conformance program reports, and what is made of it when it reports nothing."""

import stat
from pathlib import Path

import pytest

from conformance.__main__ import main
from conformance.official import Outcome, ProgramError, read_summary, run_program

SUMMARY = """
OCI Conformance Result: {result}
  Disabled......................:          {disabled}
  Skip..........................:          4
  Pass..........................:        978
  FAIL..........................:          {failed}
  Error.........................:          {errors}
  Total.........................:        {total}

API conformance:
  Tag listing...................:       Pass
"""


def summary(*, failed: int = 0, errors: int = 0, disabled: int = 0, total: int | None = None) -> str:
    return SUMMARY.format(
        result="Pass" if not failed else "FAIL",
        failed=failed,
        errors=errors,
        disabled=disabled,
        total=982 + failed + errors + disabled if total is None else total,
    )


def program(folder: Path, stdout: str, *, stderr: str = "", code: int = 0) -> Path:
    """A program that says this, and what it was told."""
    (folder / "said").write_text(stdout)
    (folder / "logged").write_text(stderr)
    path = folder / "program"
    path.write_text(f"#!/bin/sh\nenv > '{folder}/told'\ncat '{folder}/said'\ncat '{folder}/logged' >&2\nexit {code}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def test_a_clean_run() -> None:
    found = read_summary(summary(disabled=2), "")
    assert found == Outcome(passed=978, failed=0, skipped=4, disabled=2)
    assert found.total == 984
    assert found.is_clean


def test_failures_are_named() -> None:
    log = 'time=x level=WARN msg="failed test" name="OCI Conformance Test/sparse/tag-list" error="missing"\n'
    found = read_summary(summary(failed=1, errors=1), log)
    assert (found.failed, found.failures) == (2, ("sparse/tag-list",))
    assert not found.is_clean


def test_nothing_checked_is_no_success() -> None:
    assert not Outcome(passed=0, failed=0, skipped=982, disabled=0).is_clean


@pytest.mark.parametrize("text", ["", "OCI Conformance Result: Pass\n", summary(total=5)])
def test_what_is_no_summary_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected"):
        read_summary(text, "")


def test_the_program_is_told_where_to_ask_and_nothing_of_the_caller(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OCI_API_PUSH", "false")
    outcome = run_program(program(tmp_path, summary()), "127.0.0.1:5", {"OCI_VERSION": "dev"}, tmp_path / "results")
    assert outcome.is_clean
    told = (tmp_path / "told").read_text().splitlines()
    assert {"OCI_REGISTRY=127.0.0.1:5", "OCI_TLS=disabled", "OCI_VERSION=dev"} <= set(told)
    assert not [line for line in told if line.startswith("OCI_API_PUSH")]
    assert "Total" in (tmp_path / "results" / "stdout").read_text()


@pytest.mark.parametrize("code", [0, 1, 2])
def test_a_program_that_says_nothing_is_an_error_whatever_its_exit_code(tmp_path: Path, code: int) -> None:
    broken = program(tmp_path, "", stderr="failed to load config", code=code)
    with pytest.raises(ProgramError, match="failed to load config"):
        run_program(broken, "127.0.0.1:5", {}, tmp_path / "results")


def test_a_program_that_cannot_be_run(tmp_path: Path) -> None:
    with pytest.raises(ProgramError, match="cannot run"):
        run_program(tmp_path / "none", "127.0.0.1:5", {}, tmp_path / "results")


@pytest.mark.parametrize("named", [None, "", "/nowhere/oci-conformance", "/tmp"])
def test_without_the_program_it_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], named: str | None
) -> None:
    monkeypatch.delenv("OCI_CONFORMANCE", raising=False)
    if named is not None:
        monkeypatch.setenv("OCI_CONFORMANCE", named)
    assert main([]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert "Nothing was checked" in told.err
    assert (named or "is not set") in told.err


@pytest.mark.parametrize(("failed", "code"), [(0, 0), (3, 1)])
def test_every_store_is_asked_and_a_failure_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], failed: int, code: int
) -> None:
    log = 'msg="failed test" name="OCI Conformance Test/ping" error="x"\n' * failed
    monkeypatch.setenv("OCI_CONFORMANCE", str(program(tmp_path, summary(failed=failed), stderr=log, code=code)))
    assert main([]) == code
    told = capsys.readouterr().out
    assert "| directory | dev |" in told
    assert "| sealed bundle | 1.1, read-only, docker.io/library/multi |" in told
    assert told.count("FAILED") == 6 * failed


def test_one_store_may_be_chosen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("OCI_CONFORMANCE", str(program(tmp_path, summary())))
    assert main(["directory"]) == 0
    assert "sealed" not in capsys.readouterr().out
    with pytest.raises(SystemExit):
        main(["attic"])
    assert "there is no store attic" in capsys.readouterr().err
