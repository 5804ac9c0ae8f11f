"""The tests that ask for a real API server, which are skipped where its programs have not been built."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

_PROJECT = Path(__file__).resolve().parents[1]
_TIMEOUT_SECONDS = 900


@pytest.mark.timeout(_TIMEOUT_SECONDS)
def test_what_needs_an_api_server_passes_on_one(bin_dir: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "tests", "-m", "apiserver", "-q", "-rs"],
        cwd=_PROJECT,
        env={**os.environ, "PACKHORSE_E2E_BIN": str(bin_dir)},
        capture_output=True,
        text=True,
        timeout=_TIMEOUT_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    # Without a reason to skip, none may be skipped.
    assert " skipped" not in done.stdout.splitlines()[-1], done.stdout
