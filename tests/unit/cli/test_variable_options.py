"""Variables from options, files, the environment and answers."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from packhorse.base.errors import ConfigError, PackhorseError, UsageError
from packhorse.cli import variable_options
from packhorse.cli.variable_options import VariableOptions, gather_variables
from packhorse.package.model import Variable

DOMAIN = Variable(name="domain", default="shop.local", description="Where it is reached.")
REPLICAS = Variable(name="replicas", type="integer", default=1)
PASSWORD = Variable(name="password", sensitive=True, pattern="[a-z]{4,}")
ALL = (DOMAIN, REPLICAS, PASSWORD)
SECRET = {"PACKHORSE_VAR_PASSWORD": "hunter"}


def gathered(
    options: VariableOptions, environment: Mapping[str, str] = SECRET, declared: Sequence[Variable] = ALL
) -> dict[str, object]:
    values = gather_variables(declared, options, environment)
    return {name: values[name] for name in values}


def parse(*arguments: str) -> VariableOptions:
    seen = []

    @click.command()
    @click.option("--other")
    @variable_options.variable_options
    def command(variables: VariableOptions, other: str | None) -> None:
        del other
        seen.append(variables)

    result = CliRunner().invoke(command, arguments, catch_exceptions=False)
    assert result.exit_code == 0
    return seen[0]


def test_the_options_reach_the_verb_as_one() -> None:
    assert parse() == VariableOptions()
    assert parse("--set", "a=1", "--values-file", "x", "--set", "b=2", "--set-file", "c=d", "--values-file", "z") == (
        VariableOptions(pairs=("a=1", "b=2"), file_pairs=("c=d",), values_files=(Path("x"), Path("z")))
    )


def test_the_environment_and_defaults() -> None:
    assert gathered(VariableOptions(), {**SECRET, "PACKHORSE_VAR_REPLICAS": "3", "PACKHORSE_VAR_OTHER": "x"}) == {
        "domain": "shop.local",
        "replicas": 3,
        "password": "hunter",
    }


def test_what_is_nearer_to_the_person_wins(tmp_path: Path) -> None:
    for number in (1, 2):
        (tmp_path / f"{number}.yaml").write_text(f"domain: file{number}\nreplicas: {number}\npassword: filefile\n")
    (tmp_path / "secret").write_text("fromfile\n")
    files = (tmp_path / "1.yaml", tmp_path / "2.yaml")
    environment = {**SECRET, "PACKHORSE_VAR_DOMAIN": "environment"}
    assert gathered(VariableOptions(), environment)["domain"] == "environment"
    assert gathered(VariableOptions(values_files=files), environment) == {
        "domain": "file2",
        "replicas": 2,
        "password": "filefile",
    }
    options = VariableOptions(
        pairs=("domain=a=b", "replicas=7"), file_pairs=(f"password={tmp_path / 'secret'}",), values_files=files
    )
    assert gathered(options, environment) == {"domain": "a=b", "replicas": 7, "password": "fromfile"}


def test_a_file_loses_one_line_break(tmp_path: Path) -> None:
    path = tmp_path / "key"
    for content, value in ((b"a\nb\n", "a\nb"), (b"a\r\n", "a"), (b"a\n\n", "a\n"), (b"a", "a"), (b"", "")):
        path.write_bytes(content)
        assert gathered(VariableOptions(file_pairs=(f"domain={path}",)))["domain"] == value
    path.write_bytes(b"\xff")
    with pytest.raises(ConfigError, match=r"--set-file domain: .*key: expected text in UTF-8"):
        gathered(VariableOptions(file_pairs=(f"domain={path}",)))


@pytest.mark.parametrize(
    ("options", "family", "message"),
    [
        (VariableOptions(pairs=("domain",)), UsageError, "--set: expected NAME=VALUE, found 'domain'"),
        (VariableOptions(file_pairs=("=x",)), UsageError, "--set-file: expected NAME=VALUE, found '=x'"),
        (
            VariableOptions(pairs=("replicas=x",)),
            ConfigError,
            "--set replicas: variable replicas expects a whole",
        ),
        (VariableOptions(pairs=("x=y",)), ConfigError, "--set x: the package has no variable x"),
        (VariableOptions(values_files=(Path("nowhere.yaml"),)), ConfigError, r"nowhere\.yaml: no such file"),
        (VariableOptions(file_pairs=("domain=nowhere",)), ConfigError, "nowhere: no such file"),
    ],
)
def test_mistakes(options: VariableOptions, family: type[PackhorseError], message: str) -> None:
    with pytest.raises(family, match=message):
        gathered(options)


def test_a_secret_is_refused_where_others_can_see_it() -> None:
    with pytest.raises(UsageError, match="this variable is sensitive") as caught:
        gathered(VariableOptions(pairs=("password=hunter",)))
    assert "hunter" not in f"{caught.value} {caught.value.hint}"
    assert "--set-file password=FILE" in str(caught.value.hint)


class Terminal:
    """Stands for a terminal on which somebody types."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, answers: Sequence[str]) -> None:
        self.answers = list(answers)
        self.shown: list[str] = []
        self.hidden: list[str] = []
        monkeypatch.setattr(sys.stdin, "isatty", lambda: True)
        monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
        monkeypatch.setattr("click.termui.visible_prompt_func", self._visible)
        monkeypatch.setattr("click.termui.hidden_prompt_func", self._hidden)

    def _visible(self, prompt: str = "") -> str:
        self.shown.append(prompt)
        return self.answers.pop(0)

    def _hidden(self, prompt: str = "") -> str:
        self.hidden.append(prompt)
        return self.answers.pop(0)


@pytest.fixture
def no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stdin, "isatty", lambda: False)


@pytest.mark.usefixtures("no_terminal")
def test_without_a_terminal_nobody_is_asked() -> None:
    with pytest.raises(ConfigError, match="1 variable has no value: password"):
        gathered(VariableOptions(), {})


def test_what_is_missing_is_asked_for(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    city = Variable(name="city", description="Where the site is.")
    terminal = Terminal(monkeypatch, ["Bergen", "No!", "hunter"])
    found = gathered(VariableOptions(), {}, (city, PASSWORD, REPLICAS))
    assert found == {"city": "Bergen", "password": "hunter", "replicas": 1}
    assert terminal.answers == []
    printed = capfd.readouterr()
    assert printed.out == ""
    assert "Where the site is." in printed.err
    assert "Error: the answer: variable password expects text that matches [a-z]{4,}" in printed.err
    assert "No!" not in printed.err
    assert "hunter" not in printed.err
    assert len(terminal.hidden) == 2
    assert len(terminal.shown) == 1
