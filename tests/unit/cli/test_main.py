"""The command line's manners: help, typing errors, exit codes, and what is imported when."""

import gc
import json
import logging
import subprocess
import sys
from collections.abc import Callable, Iterator

import click
import pytest

from packhorse import __version__
from packhorse.base import errors
from packhorse.base.errors import ConfigError, NetworkError, PackhorseError
from packhorse.cli import main
from packhorse.cli.console import Console, add_global_options, pass_console
from packhorse.cli.verbs import SECTIONS, VERBS, Verb

Run = Callable[..., tuple[int, str, str]]
PROGRAM = [sys.executable, "-m", "packhorse"]


@pytest.fixture(autouse=True)
def quiet_logger() -> Iterator[None]:
    """Undo what --verbose does for the rest of a process."""
    logger = logging.getLogger("packhorse")
    level, propagate = logger.level, logger.propagate
    yield
    logger.handlers.clear()
    logger.setLevel(level)
    logger.propagate = propagate


@pytest.fixture
def verb(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[Console], object]], None]:
    """Put a verb called ``try`` into the program, that does what a function does."""

    def install(function: Callable[[Console], object]) -> None:
        @click.command("try")
        @click.option("--count", type=int, default=0)
        @pass_console
        def command(console: Console, count: int) -> object:
            del count
            return function(console)

        add_global_options(command)
        monkeypatch.setattr(main, "_verbs", lambda: {"try": Verb("try", "Try.", SECTIONS[0])})
        monkeypatch.setattr(main, "_load", lambda _verb: command)

    return install


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str]) -> Run:
    def run(*arguments: str, console: Console | None = None) -> tuple[int, str, str]:
        code = main.guarded(arguments, console or Console())
        captured = capfd.readouterr()
        return code, captured.out, captured.err

    return run


def test_version(run: Run) -> None:
    assert run("--version") == (0, f"packhorse {__version__}\n", "")


def test_help_has_the_sections_in_the_order_of_the_way(run: Run) -> None:
    code, out, err = run("--help")
    assert (code, err) == (0, "")
    heads = [line.rstrip(":") for line in out.splitlines() if line.rstrip(":") in SECTIONS]
    assert heads == [section for section in SECTIONS if section in heads]
    assert {"Connected side", "Crossing", "People"} <= set(heads)
    assert "  completion  Print the completion script for a shell." in out


def command_lines() -> list[tuple[str, ...]]:
    """Return the words of every command that is no group."""
    context = click.Context(main.cli)
    lines: list[tuple[str, ...]] = []
    for name in main.cli.list_commands(context):
        command = main.cli.get_command(context, name)
        lines += [(name, child) for child in command.commands] if isinstance(command, click.Group) else [(name,)]
    return lines


def test_every_verb_of_the_help_can_be_imported_and_has_help_with_an_example(run: Run) -> None:
    for words in command_lines():
        code, out, _ = run(*words, "--help")
        assert code == 0
        assert "Example" in out, words
        assert "--quiet, --verbose, --progress, --no-color and --traceback" in " ".join(out.split())


def test_verbs_are_named_once_and_have_a_section() -> None:
    assert len({verb.name for verb in VERBS}) == len(VERBS)
    assert {verb.section for verb in VERBS} <= set(SECTIONS)
    assert all(verb.summary.endswith(".") for verb in VERBS)


def test_nothing_to_do_shows_the_help(run: Run) -> None:
    code, out, err = run()
    assert (code, out) == (2, "")
    assert err.startswith("Usage: packhorse [OPTIONS] COMMAND [ARGS]...")


@pytest.mark.parametrize(
    ("typed", "meant"), [("verfy", "verify"), ("completoin", "completion"), ("compl", "completion")]
)
def test_a_misspelled_verb_gets_a_suggestion(run: Run, typed: str, meant: str) -> None:
    assert run(typed) == (2, "", f"There is no verb '{typed}'. Did you mean '{meant}'?\nhint: packhorse --help\n")


def test_a_verb_like_no_other_gets_none(run: Run) -> None:
    assert run("xyzzy") == (2, "", "There is no verb 'xyzzy'.\nhint: packhorse --help\n")


def test_a_wrong_option_names_the_help_to_look_at(run: Run) -> None:
    code, out, err = run("completion", "--shel")
    assert (code, out) == (2, "")
    assert err.endswith("hint: packhorse completion --help\n")


@pytest.mark.parametrize(
    "arguments", [("--quiet", "try"), ("try", "--quiet"), ("-q", "try", "--count", "3"), ("try", "-q")]
)
def test_global_options_stand_before_or_after_the_verb(
    run: Run, verb: Callable[..., None], arguments: tuple[str, ...]
) -> None:
    seen: list[Console] = []
    verb(seen.append)
    assert run(*arguments)[0] == 0
    assert seen[0].quiet
    assert not seen[0].verbose


def test_an_option_after_the_verb_does_not_undo_one_before(run: Run, verb: Callable[..., None]) -> None:
    seen: list[Console] = []
    verb(seen.append)
    run("--verbose", "--progress", "json", "try", "--progress", "plain", "--no-color", "--traceback")
    assert seen == [Console(verbose=True, progress="plain", no_color=True, traceback=True)]


def test_the_environment_gives_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.delenv("PACKHORSE_TRACEBACK", raising=False)
    assert Console() == Console(no_color=False, traceback=False)
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("PACKHORSE_TRACEBACK", "1")
    assert Console() == Console(no_color=True, traceback=True)


def raising(error: BaseException) -> Callable[[Console], object]:
    def function(_console: Console) -> object:
        raise error

    return function


@pytest.mark.parametrize("name", errors.__all__)
def test_every_family_has_its_exit_code(run: Run, verb: Callable[..., None], name: str) -> None:
    family: type[PackhorseError] = getattr(errors, name)
    verb(raising(family("expected this, found that", hint="do so")))
    assert run("try") == (family.exit_code, "", "expected this, found that\nhint: do so\n")


def test_exit_codes_are_those_of_the_documentation() -> None:
    assert [getattr(errors, name).exit_code for name in sorted(errors.__all__)] == [8, 3, 4, 5, 1, 9, 6, 7, 2]


@pytest.mark.parametrize("name", errors.__all__)
def test_an_error_without_a_hint_says_what_its_family_does_next(run: Run, verb: Callable[..., None], name: str) -> None:
    family: type[PackhorseError] = getattr(errors, name)
    verb(raising(family("expected this, found that")))
    assert run("try")[2] == f"expected this, found that\nhint: {family.next_step}\n"
    assert json.loads(run("try", "--progress", "json")[2])["hint"] == family.next_step
    assert "next_step" in vars(family)


def test_failures_are_listed_with_hints_of_their_own(run: Run, verb: Callable[..., None]) -> None:
    nested = ConfigError("two\nits second line", hint="its own hint", failures=[ConfigError("below two")])
    failures = [NetworkError("one", hint="try again"), nested]
    verb(raising(PackhorseError.summarise("Could not fetch 2 of 3 blobs.", failures)))
    assert run("try") == (
        5,
        "",
        (
            "Could not fetch 2 of 3 blobs.\n"
            "  one\n"
            "  two\n"
            "  its second line\n"
            "    below two\n"
            "    hint: its own hint\n"
            "hint: try again\n"
        ),
    )


def test_an_error_is_one_json_line_where_progress_is_json(run: Run, verb: Callable[..., None]) -> None:
    failures = [NetworkError("one", hint="look"), ConfigError("two\nlines")]
    verb(raising(PackhorseError.summarise("Two of three.", failures, hint="try again")))
    code, out, err = run("try", "--progress", "json")
    assert (code, out) == (5, "")
    assert json.loads(err) == {
        "event": "error",
        "exitCode": 5,
        "message": "Two of three.",
        "hint": "try again",
        "failures": [
            {"exitCode": 5, "message": "one", "hint": "look"},
            {"exitCode": 3, "message": "two\nlines"},
        ],
    }


def test_a_very_long_list_of_failures_is_cut(run: Run, verb: Callable[..., None]) -> None:
    verb(raising(PackhorseError.summarise("Bad.", [ConfigError(f"no {n}") for n in range(1234)])))
    _, _, err = run("try")
    assert err.splitlines()[-3:-1] == ["  no 49", "  and 1,184 more"]


def test_what_came_from_outside_does_not_steer_the_terminal(run: Run, verb: Callable[..., None]) -> None:
    verb(raising(ConfigError("a\x1b[2Jb\nline two", hint="\x07", failures=[ConfigError("\x9bx", hint="\u202e")])))
    assert run("try") == (3, "", "a�[2Jb\nline two\n  �x\n    hint: �\nhint: �\n")


def test_ctrl_c(run: Run, verb: Callable[..., None]) -> None:
    verb(raising(KeyboardInterrupt()))
    assert run("try") == (130, "", "Interrupted.\n")
    verb(raising(click.Abort()))
    assert run("try") == (130, "", "Interrupted.\n")


def test_a_defect_is_a_short_line(run: Run, verb: Callable[..., None]) -> None:
    verb(raising(ZeroDivisionError("division by zero")))
    code, out, err = run("try")
    assert (code, out) == (1, "")
    assert err == (
        "Packhorse failed unexpectedly: ZeroDivisionError: division by zero\n"
        "hint: run it again with --traceback (or PACKHORSE_TRACEBACK=1) and report what it prints\n"
    )


def test_a_traceback_is_shown_when_asked_for(run: Run, verb: Callable[..., None]) -> None:
    verb(raising(ZeroDivisionError("division by zero")))
    _, _, err = run("try", "--traceback")
    assert err.startswith("Traceback (most recent call last):")
    assert "hint: run it again" not in err
    verb(raising(ConfigError("wrong")))
    _, _, err = run("try", console=Console(traceback=True))
    assert err.startswith("Traceback (most recent call last):")
    assert err.endswith(f"\nwrong\nhint: {ConfigError.next_step}\n")


def test_a_verb_may_return_its_exit_code(run: Run, verb: Callable[..., None]) -> None:
    verb(lambda _console: 3)
    assert run("try")[0] == 3
    verb(lambda _console: "text")
    assert run("try")[0] == 0


def test_verbose_shows_what_our_modules_log_and_nobody_elses(run: Run, verb: Callable[..., None]) -> None:
    def log(_console: Console) -> None:
        logging.getLogger("packhorse.oci.copy").debug("skipped %s", "sha256:12\x1b")
        logging.getLogger("urllib3").debug("GET /token")

    verb(log)
    assert run("try")[2] == ""
    (line,) = run("-v", "try", "--verbose")[2].splitlines()
    assert line.endswith(" DEBUG packhorse.oci.copy: skipped sha256:12�")


def test_colour_only_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    assert Console(no_color=False).styled("x", sys.stderr, fg="red") == "\x1b[31mx\x1b[0m"
    assert Console(no_color=True).styled("x", sys.stderr, fg="red") == "x"
    monkeypatch.setenv("TERM", "dumb")
    assert Console(no_color=False).styled("x", sys.stderr, fg="red") == "x"


def test_quiet_says_no_results(capfd: pytest.CaptureFixture[str]) -> None:
    Console(quiet=True).say("built")
    Console(quiet=True).warn("old")
    Console().say("built")
    Console().warn("old\x1b[2J")
    captured = capfd.readouterr()
    assert (captured.out, captured.err) == ("built\n", "old�[2J\n")


def test_a_reader_that_goes_away_is_no_error() -> None:
    # The pipe is closed before the program writes its first byte.
    with subprocess.Popen([*PROGRAM, "--help"], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.close()
        _, err = process.communicate(timeout=30)
    assert process.returncode == 141
    assert err == b""


WATCHED = ("rich", "msgspec", "urllib3", "yaml", "aiohttp", "lightkube", "asyncio", "ssl")


@pytest.mark.parametrize("argument", ["--version", "--help"])
def test_help_imports_no_verb_and_nothing_heavy(argument: str) -> None:
    program = (
        "import sys\n"
        "from packhorse.cli.console import Console\n"
        "from packhorse.cli.main import guarded\n"
        f"code = guarded([{argument!r}], Console())\n"
        "print(code, *sorted(sys.modules), file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    code, *modules = done.stderr.split()
    assert code == "0"
    assert not [name for name in modules if name.endswith("_command")]
    assert not [name for name in WATCHED if name in modules]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_script(run: Run, shell: str) -> None:
    code, out, err = run("completion", shell)
    assert (code, err) == (0, "")
    assert "_PACKHORSE_COMPLETE" in out
    assert "packhorse" in out


def test_a_completion_script_is_printed_without_starting_a_shell(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        pytest.fail("it started a program")

    monkeypatch.setattr(subprocess, "Popen", refuse)
    assert run("completion", "bash")[0] == 0


def completed(words: str) -> list[str]:
    environment = {
        "_PACKHORSE_COMPLETE": "bash_complete",
        "COMP_WORDS": words,
        "COMP_CWORD": str(len(words.split(" ")) - 1),
    }
    done = subprocess.run(PROGRAM, env=environment, capture_output=True, text=True, check=False)
    return [line.partition(",")[2] for line in done.stdout.split()]


def test_the_shell_completes_verbs_and_options() -> None:
    assert "completion" in completed("packhorse com")
    assert "verify" not in completed("packhorse com")
    assert completed("packhorse completion z") == ["zsh"]
    assert "--progress" in completed("packhorse --pro")


def test_a_verb_that_runs_for_days_has_its_garbage_collected() -> None:
    # The start is without, and a server must not be.
    (serve,) = (verb for verb in VERBS if verb.name == "serve")
    gc.disable()
    try:
        main._load.__wrapped__(serve)
        assert gc.isenabled()
        assert gc.get_freeze_count() > 0
    finally:
        gc.unfreeze()
        gc.enable()
