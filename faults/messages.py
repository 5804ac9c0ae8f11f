"""The rule for messages: a run that fails names the item, the cause and the next step, in the right family."""

import re
import signal
from collections.abc import Sequence

from faults.command import Ended
from faults.disk import Rule
from faults.rounds import Broken

__all__ = ["check", "check_harmless", "must_succeed"]

_FAMILIES = range(2, 10)
_INTERRUPTED = 130
_LOADING = "from packhorse.cli.main import entry"
_CAUSES = re.compile(
    r"HTTP (status )?\d{3}|reset|closed the connection|connection was closed|refused|in time|broken pipe"
    r"|makes no sense|does not speak|redirect|no place|Location|bytes came in|expected|it took|asked for"
    r"|Input/output error|read error|is full|No space left|not enough space|cut off|is damaged|malformed"
    r"|not a manifest|no token|not where a secret may go|is not a list|lacks|does not answer|ends at byte"
    r"|changed since|cannot be read|can't be read|has no |bytes; at most|not valid|Permission denied"
    r"|disk I/O error|unable to open|is not what|is not a bundle|did not keep|database is locked|is gone"
    r"|did not end well|is no JSON|Server disconnected|unable to handle the request|has the media type",
    re.IGNORECASE,
)


def check(ended: Ended, items: Sequence[str], *, disk: bool = False) -> None:
    """Hold what a failed run printed against the rule.

    Args:
        ended: The run.
        items: Expressions for what may have failed; one of them must be in the message.
        disk: Whether the disk failed, for which there is no family.

    Raises:
        Broken: It breaks the rule.
    """
    if ended.code == -signal.SIGINT and ended.was_ended and _LOADING in ended.err:
        return  # Ctrl-C while the interpreter was loading what would have taken it
    if "Traceback (most recent call last)" in ended.err or "failed unexpectedly" in ended.err:
        raise Broken(f"it ended with a traceback, or as a defect of its own\n{ended.err}")
    if ended.code == 0 or ended.killed:
        return
    if ended.code == _INTERRUPTED and ended.was_ended:
        return
    if ended.code not in _FAMILIES and not (disk and ended.code == 1):
        raise Broken(f"exit code {ended.code} is of no family that fits\n{ended.err}")
    message = ended.err
    if not re.search(r"^hint: \S", message, re.MULTILINE):
        raise Broken(f"no hint says what to do\n{message}")
    if not _CAUSES.search(message):
        raise Broken(f"no cause is named\n{message}")
    if not any(re.search(item, message) for item in items):
        raise Broken(f"it is not named what failed; one of {', '.join(items)} was expected\n{message}")


def check_harmless(ended: Ended, rules: Sequence[Rule]) -> None:
    """Make sure that reads and writes which do less than was asked, as they may, fail nothing.

    Raises:
        Broken: The run failed.
    """
    if rules and all(rule.kind == "short" for rule in rules) and ended.code:
        raise Broken(f"a short read or write, which is no failure, made it fail\n{ended.err}")


def must_succeed(ended: Ended, what: str) -> None:
    """Make sure that a run without faults went well.

    Raises:
        Broken: It did not.
    """
    if ended.code:
        name = signal.Signals(-ended.code).name if ended.code < 0 else str(ended.code)
        raise Broken(f"{what} failed ({name})\n{ended.err}")
