"""The package can be run as a program."""

import runpy
import sys

import pytest

import packhorse


def test_the_package_is_the_command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["packhorse", "--version"])
    with pytest.raises(SystemExit) as ended:
        runpy.run_module("packhorse", run_name="__main__")
    assert ended.value.code == 0
    assert capsys.readouterr().out == f"packhorse {packhorse.__version__}\n"
