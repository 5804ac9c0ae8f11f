"""Many items are worked on at a time, no more than asked for; one failure is noted, an interruption stops all."""

import threading

import pytest

from packhorse.base.errors import NetworkError, PackhorseError
from packhorse.base.parallel import Crew, InterruptedWorkError


def test_every_item_is_worked_on_in_threads_with_a_name() -> None:
    seen: dict[int, str] = {}

    def work(item: int) -> None:
        seen[item] = threading.current_thread().name

    assert Crew(3, "blobs").each(range(50), work) == []
    assert sorted(seen) == list(range(50))
    assert all(name.startswith("blobs") for name in seen.values())


@pytest.mark.parametrize(("workers", "at_a_time"), [(3, 3), (1, 1), (0, 1)])
def test_no_more_items_than_workers_are_worked_on_at_a_time(workers: int, at_a_time: int) -> None:
    everybody = threading.Barrier(at_a_time)
    lock = threading.Lock()
    busy = most = 0

    def work(_: int) -> None:
        nonlocal busy, most
        with lock:
            busy += 1
            most = max(most, busy)
        # Whoever waits here shows that as many as may be are at work.
        everybody.wait(timeout=30)
        with lock:
            busy -= 1

    assert Crew(workers, "test").each(range(at_a_time * 4), work) == []
    assert most <= at_a_time


def test_failures_are_gathered_in_the_order_of_the_items() -> None:
    second_failed = threading.Event()

    def work(item: str) -> None:
        if item == "first":
            assert second_failed.wait(timeout=30)
            raise NetworkError(item)
        if item == "second":
            second_failed.set()
            raise PackhorseError(item)

    failures = Crew(2, "test").each(["first", "second", "third"], work)
    assert [(item, str(error), type(error)) for item, error in failures] == [
        ("first", "first", NetworkError),
        ("second", "second", PackhorseError),
    ]


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, ZeroDivisionError])
def test_an_interruption_stops_what_runs_and_what_has_not_begun(interruption: type[BaseException]) -> None:
    crew = Crew(2, "test")
    at_work = threading.Event()
    left_off = threading.Event()
    begun: list[int] = []

    def work(item: int) -> None:
        begun.append(item)
        if item == 0:
            assert at_work.wait(timeout=30)
            raise interruption
        at_work.set()
        try:
            while True:
                crew.check()
        except InterruptedWorkError:
            left_off.set()
            raise

    with pytest.raises(interruption):
        crew.each(range(1000), work)
    assert left_off.is_set()
    assert len(begun) < 1000


def test_nobody_leaves_off_while_nothing_is_being_stopped() -> None:
    Crew(1, "test").check()
