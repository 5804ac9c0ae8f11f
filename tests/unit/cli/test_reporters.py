"""Progress: what each reporter writes, and which one is chosen."""

import io
import json
import sys
import threading
from collections.abc import Callable
from typing import Any, get_args

import pytest
from rich.console import Console as RichConsole

from packhorse.base.events import NullReporter, Reporter
from packhorse.cli.console import Console, Progress
from packhorse.cli.progress_state import ProgressState, describe
from packhorse.cli.reporters import JsonReporter, PlainReporter, open_reporter
from packhorse.cli.rich_reporter import RichReporter

MIB = 1024 * 1024


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Closed(io.StringIO):
    def write(self, _text: str) -> int:
        raise BrokenPipeError


def a_run(reporter: Reporter, clock: Clock) -> None:
    reporter.phase("Fetching", items=4, total_bytes=100 * MIB)
    reporter.started("a", "postgres:16 layer 4", total_bytes=50 * MIB)
    reporter.started("b", "redis:7 config")
    reporter.advanced("a", 20 * MIB)
    clock.now += 2
    reporter.advanced("a", 30 * MIB)
    reporter.advanced("a", -50 * MIB)
    clock.now += 0.5
    reporter.advanced("a", 50 * MIB)
    reporter.finished("a")
    reporter.skipped("c", "nginx:1 layer 1", "it is there")
    reporter.note("the mirror answers slowly")
    reporter.failed("b", "redis:7 config: connection reset")
    clock.now += 1
    reporter.advanced("nobody", 0)


def test_plain_lines_at_most_one_a_second_but_failures_and_notes_at_once() -> None:
    stream, clock = io.StringIO(), Clock()
    a_run(PlainReporter(stream, clock=clock), clock)
    assert stream.getvalue().splitlines() == [
        "Fetching: 4, 100 MiB",
        "  0 of 4   50 MiB of 100 MiB   26 MB/s   2.0 s left",
        "the mirror answers slowly",
        "  failed redis:7 config: connection reset",
        "  2 of 4   1 failed   50 MiB of 100 MiB   15 MB/s   3.5 s left",
    ]


def test_plain_and_verbose_names_what_is_skipped() -> None:
    stream, clock = io.StringIO(), Clock()
    a_run(PlainReporter(stream, verbose=True, clock=clock), clock)
    assert "  skipped nginx:1 layer 1: it is there" in stream.getvalue().splitlines()


def test_phases_without_amounts() -> None:
    stream, clock = io.StringIO(), Clock()
    reporter = PlainReporter(stream, clock=clock)
    reporter.phase("Waiting")
    reporter.started("x", "Deployment/api")
    clock.now += 90
    reporter.finished("x")
    assert stream.getvalue() == "Waiting\n  1 done   1 min 30 s\n"


def test_json_lines() -> None:
    stream, clock = io.StringIO(), Clock()
    a_run(JsonReporter(stream, clock=clock), clock)
    assert [json.loads(line) for line in stream.getvalue().splitlines()] == [
        {"event": "begin", "schemaVersion": 1},
        {"event": "phase", "title": "Fetching", "items": 4, "totalBytes": 100 * MIB},
        {"event": "started", "key": "a", "title": "postgres:16 layer 4", "totalBytes": 50 * MIB},
        {"event": "started", "key": "b", "title": "redis:7 config"},
        {
            "event": "progress",
            "title": "Fetching",
            "items": 4,
            "doneItems": 0,
            "failedItems": 0,
            "totalBytes": 100 * MIB,
            "doneBytes": 50 * MIB,
            "seconds": 2.0,
        },
        {"event": "finished", "key": "a"},
        {"event": "skipped", "key": "c", "title": "nginx:1 layer 1", "reason": "it is there"},
        {"event": "note", "message": "the mirror answers slowly"},
        {"event": "failed", "key": "b", "message": "redis:7 config: connection reset"},
        {
            "event": "progress",
            "title": "Fetching",
            "items": 4,
            "doneItems": 2,
            "failedItems": 1,
            "totalBytes": 100 * MIB,
            "doneBytes": 50 * MIB,
            "seconds": 3.5,
        },
    ]


def test_a_live_view_has_no_more_lines_than_the_terminal() -> None:
    stream = io.StringIO()
    console = RichConsole(file=stream, force_terminal=True, width=100, height=12, color_system=None)
    with RichReporter(console=console) as reporter:
        reporter.phase("Fetching", items=40, total_bytes=400)
        for number in range(40):
            reporter.started(str(number), f"image-{number} {'x' * 90}", total_bytes=10)
        reporter.advanced("0", 5)
        reporter.note("a note")
        reporter.failed("1", "image-1: reset")
        reporter.skipped("2", "image-2", "it is there")
        reporter.finished("0")
        reporter._live.refresh()
        drawn = list(reporter._draw().renderables)
    assert len(drawn) <= 12 - 2
    assert str(drawn[0]).startswith("Fetching   2 of 40   1 failed   5 B of 400 B")
    assert str(drawn[1]).startswith("  ▸ image-3 xxx")
    assert "…   0 B of 10 B" in str(drawn[1])
    assert str(drawn[-1]) == "  and 29 more"
    assert "a note" in stream.getvalue()
    assert "failed image-1: reset" in stream.getvalue()


def test_a_live_view_before_the_first_phase_is_empty() -> None:
    console = RichConsole(file=io.StringIO(), force_terminal=True)
    assert list(RichReporter(console=console)._draw().renderables) == []


@pytest.mark.parametrize("make", [PlainReporter, JsonReporter])
def test_a_stream_that_is_gone_does_not_stop_the_run(make: Callable[[Any], Reporter]) -> None:
    clock = Clock()
    a_run(make(Closed()), clock)


def test_events_from_many_threads_add_up() -> None:
    state = ProgressState(Clock())
    state.phase("Fetching", 8000, None)

    def work(name: int) -> None:
        for number in range(1000):
            state.started(f"{name}/{number}", "x", None)
            state.advanced(f"{name}/{number}", 3)
            state.ended(f"{name}/{number}", failed=number % 10 == 0)

    threads = [threading.Thread(target=work, args=(name,)) for name in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    view = state.view()
    assert view is not None
    assert (view.done_items, view.failed_items, view.done_bytes, view.tasks) == (7200, 800, 24000, ())
    assert describe(view).startswith("7,200 of 8,000   800 failed   23 KiB   0.0 s")


def test_what_comes_from_outside_does_not_steer_the_terminal() -> None:
    stream, clock = io.StringIO(), Clock()
    plain = PlainReporter(stream, clock=clock)
    plain.note("a\x1b[2Jb")
    plain.failed("x", "x: reset\nby \x9bpeer")
    assert stream.getvalue() == "a�[2Jb\n  failed x: reset\n    by �peer\n"
    drawn = io.StringIO()
    with RichReporter(console=RichConsole(file=drawn, force_terminal=False, width=100)) as live:
        live.phase("Fetching")
        live.started("t", "title \x1b]0;x\x07")
        live.note("a\x1b[2Jb")
        live.failed("x", "x\x9by")
        assert str(list(live._draw().renderables)[1]) == "  ▸ title �]0;x�"
    assert "a�[2Jb\nfailed x�y\n" in drawn.getvalue()


def test_events_before_a_phase_are_no_error() -> None:
    state = ProgressState(Clock())
    state.started("a", "x", None)
    state.advanced("a", 1)
    state.ended("a")
    assert state.view() is None


@pytest.mark.parametrize(
    ("console", "terminal", "kind"),
    [
        (Console(quiet=True), True, NullReporter),
        (Console(progress="none"), True, NullReporter),
        (Console(progress="json"), True, JsonReporter),
        (Console(progress="plain"), True, PlainReporter),
        (Console(progress="auto"), False, PlainReporter),
        (Console(progress="auto"), True, RichReporter),
    ],
)
def test_the_reporter_suits_the_terminal(
    monkeypatch: pytest.MonkeyPatch, console: Console, *, terminal: bool, kind: type
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal)
    with open_reporter(console) as reporter:
        assert type(reporter) is kind


def test_every_choice_of_progress_is_known() -> None:
    assert set(get_args(Progress)) == {"auto", "plain", "json", "none"}
