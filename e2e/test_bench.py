"""The benchmark runs: once round on the small set, with the peers that are here. Its figures are not looked at."""

import subprocess
import sys
from pathlib import Path

import pytest

from bench.cases.arriving import FIRST_PULL, PUSH, PUSH_AGAIN, PUSH_FIVE_PERCENT
from bench.cases.building import BUILD, BUILD_AGAIN
from bench.cases.growing import GROWTH_JOBS, INSPECT
from bench.cases.serving import SERVE
from bench.cases.starting import STARTS
from bench.cases.verifying import VERIFY
from bench.peers.install import ensure_go_program
from bench.peers.table import BY_HAND, DEBIAN, GO_PROGRAMS
from bench.results import load

_PROJECT = Path(__file__).resolve().parents[1]
_PUSHERS = {"packhorse", "crane", "regctl", "skopeo"}


@pytest.mark.timeout(600)
def test_every_job_is_done_by_packhorse_and_by_the_peers_that_can(tmp_path: Path) -> None:
    for name in ("crane", "regctl"):
        ensure_go_program(name)
    path = tmp_path / "results.json"
    command = [sys.executable, "-m", "bench", "--quick", "--json", str(path)]
    done = subprocess.run(command, cwd=_PROJECT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    results = load(path)
    left_out = {name for reasons in results.left_out.values() for name in reasons}
    assert not left_out & _PUSHERS, done.stderr
    jobs = {BUILD, BUILD_AGAIN, VERIFY, FIRST_PULL, PUSH, PUSH_AGAIN, PUSH_FIVE_PERCENT, SERVE, INSPECT, *STARTS}
    assert results.jobs.keys() == jobs
    assert all("packhorse" in by_name for by_name in results.jobs.values())
    for job in (BUILD, BUILD_AGAIN, FIRST_PULL, PUSH, PUSH_AGAIN, PUSH_FIVE_PERCENT):
        assert results.jobs[job].keys() >= _PUSHERS, job
    assert {point.job for point in results.growth if point.program == "packhorse"} == set(GROWTH_JOBS)
    assert results.missing.keys() <= {*GO_PROGRAMS, *DEBIAN, *BY_HAND}
    for name in results.missing:
        assert f"{name} takes no part" in done.stderr
