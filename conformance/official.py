"""One run of the conformance program, and what it reports."""

import os
import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Outcome", "ProgramError", "read_summary", "run_program"]

_SECONDS = 600.0
_COUNT = re.compile(r"^ +(Disabled|Skip|Pass|FAIL|Error|Total)\.*: +([0-9]+)$", re.MULTILINE)
_WORDS = frozenset({"Disabled", "Skip", "Pass", "FAIL", "Error", "Total"})
_FAILED = re.compile(r'msg="failed test" name="OCI Conformance Test/([^"]*)"')


class ProgramError(Exception):
    """The program could not be run, or reported nothing; the message says why."""


@dataclass(frozen=True)
class Outcome:
    """How many of the program's checks ended how, and the names of those that failed."""

    passed: int
    failed: int
    skipped: int
    disabled: int
    failures: tuple[str, ...] = ()

    @property
    def total(self) -> int:
        """All checks."""
        return self.passed + self.failed + self.skipped + self.disabled

    @property
    def is_clean(self) -> bool:
        """Whether something was checked, and nothing failed."""
        return self.passed > 0 and not self.failed


def run_program(program: Path, host: str, variables: Mapping[str, str], folder: Path) -> Outcome:
    """Let the program ask a registry that listens at ``host``.

    Args:
        program: Its file.
        host: ``ADDRESS:PORT``, spoken to in plain HTTP.
        variables: Its settings.
        folder: Where its reports are kept.

    Raises:
        ProgramError: It could not be run, or has reported nothing.
    """
    folder.mkdir(parents=True)
    # Settings of whoever calls must not change what is checked.
    kept = {name: value for name, value in os.environ.items() if not name.startswith("OCI_")}
    own = {"OCI_REGISTRY": host, "OCI_TLS": "disabled", "OCI_RESULTS_DIR": str(folder), "OCI_LOG": "warn"}
    try:
        done = subprocess.run(
            [program],
            cwd=folder,
            env={**kept, **variables, **own},
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ProgramError(f"cannot run {program}: {error}") from error
    (folder / "stdout").write_text(done.stdout, encoding="utf-8")
    (folder / "stderr").write_text(done.stderr, encoding="utf-8")
    # Its exit code tells little: 0 where it could not even begin, and at commit 967efdc 2 where pushes are off, because
    # it breaks while it writes its other reports. What it says on stdout comes before those.
    try:
        return read_summary(done.stdout, done.stderr)
    except ValueError as error:
        told = done.stderr.strip()[-2000:]
        raise ProgramError(f"{program} reported nothing (exit code {done.returncode}): {told or error}") from error


def read_summary(stdout: str, stderr: str) -> Outcome:
    """Read how many checks ended how, and from the log which failed.

    Raises:
        ValueError: It is no summary, or its numbers do not add up.
    """
    counts = {word: int(number) for word, number in _COUNT.findall(stdout)}
    if set(counts) != _WORDS:
        raise ValueError(
            f"expected the counts {', '.join(sorted(_WORDS))}, found {', '.join(sorted(counts)) or 'none'}"
        )
    failed = counts["FAIL"] + counts["Error"]
    outcome = Outcome(counts["Pass"], failed, counts["Skip"], counts["Disabled"], tuple(_FAILED.findall(stderr)))
    if outcome.total != counts["Total"]:
        raise ValueError(f"expected {counts['Total']} checks, the counts give {outcome.total}")
    return outcome
