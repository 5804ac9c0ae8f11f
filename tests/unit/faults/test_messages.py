"""The rule for messages, broken in each way that it can be."""

import pytest

from faults import messages
from faults.command import Ended
from faults.disk import Rule
from faults.rounds import Broken

GOOD = "could not read sha256:0123456789ab\n  from http://x: connection reset\nhint: run it again\n"


def ended(code: int, err: str, *, was_ended: bool = False) -> Ended:
    return Ended(("build",), code, "", err, 0.1, was_ended)


@pytest.mark.parametrize(
    "run", [ended(0, ""), ended(5, GOOD), ended(-9, ""), ended(-15, ""), ended(130, "Interrupted.", was_ended=True)]
)
def test_what_follows_the_rule_passes(run: Ended) -> None:
    messages.check(run, ["sha256:"])


@pytest.mark.parametrize(
    ("run", "why"),
    [
        (ended(5, GOOD.replace("hint: run it again", "")), "no hint"),
        (ended(5, GOOD.replace("connection reset", "oh no")), "no cause"),
        (ended(5, GOOD.replace("sha256:", "")), "not named"),
        (ended(1, GOOD), "of no family"),
        (ended(130, GOOD), "of no family"),
        (ended(-11, ""), "of no family"),
        (ended(5, "Traceback (most recent call last):\n" + GOOD), "traceback"),
        (ended(1, "Packhorse failed unexpectedly: KeyError\n" + GOOD), "a defect"),
    ],
)
def test_what_breaks_the_rule_does_not(run: Ended, why: str) -> None:
    with pytest.raises(Broken, match=why):
        messages.check(run, ["sha256:"])


def test_a_disk_that_fails_may_end_it_in_no_family() -> None:
    messages.check(ended(1, GOOD), ["sha256:"], disk=True)


def test_short_reads_and_writes_may_fail_nothing() -> None:
    messages.check_harmless(ended(0, ""), [Rule("read", "short", 1)])
    messages.check_harmless(ended(4, ""), [Rule("read", "sector", 1)])
    with pytest.raises(Broken, match="no failure"):
        messages.check_harmless(ended(4, ""), [Rule("read", "short", 1)])


def test_a_run_without_faults_must_go_well() -> None:
    messages.must_succeed(ended(0, ""), "it")
    with pytest.raises(Broken, match=r"it failed \(SIGSEGV\)"):
        messages.must_succeed(ended(-11, ""), "it")
