from pathlib import Path

import pytest

from bench.results import Content, Limits, Machine, Point, Results, Sample
from bench.room import Room

_MIB = 1024 * 1024
_GIB = 1024 * _MIB


@pytest.fixture
def room(tmp_path: Path) -> Room:
    return Room(tmp_path / "room").make()


def _point(program: str, gibibytes: int, wall: float) -> Point:
    sample = Sample(wall_seconds=wall, peak_bytes=30 * _MIB, space_bytes=gibibytes * _GIB)
    return Point(job="build", program=program, images=gibibytes, content_bytes=gibibytes * _GIB, samples=[sample])


@pytest.fixture
def results() -> Results:
    """Two rounds of one job by two programs, a job of Packhorse alone, and two points of growth."""
    build = {
        "packhorse": [Sample(wall_seconds=wall, product_bytes=_GIB) for wall in (2.0, 4.0)],
        "zarf, no SBOM": [Sample(wall_seconds=wall, product_bytes=_GIB) for wall in (10.0, 8.0)],
        "two sha256sum": [Sample(wall_seconds=6.0)],
    }
    return Results(
        date="2026-01-02T03:04:05+00:00",
        rounds=2,
        machine=Machine(
            processor="A|B 9000",
            cores=2,
            sha_extensions=True,
            memory_bytes=8 * _GIB,
            kernel="6.1",
            python="3.11.7",
            load_average=(0.5, 0.4, 0.3),
        ),
        registry="distribution v3.1.2",
        content=Content(
            sets=["library"], images=14, blobs=60, size_bytes=2 * _GIB, changed_bytes={"five-percent": 100 * _MIB}
        ),
        programs={"packhorse": "1.0.0", "zarf": "v0.84.0"},
        missing={"zot": "not on PATH"},
        left_out={"arriving": {"hauler": "hauler ended with 1:\nERR cannot open /home/somebody/haul.tar"}},
        jobs={"build": build, "--version": {"packhorse": [Sample(wall_seconds=0.05)]}},
        growth=[
            point
            for gibibytes in (1, 2)
            for point in (_point("packhorse", gibibytes, 1.0), _point("zarf, no SBOM", gibibytes, gibibytes * 4.0))
        ],
        limits=Limits(
            hash_bytes_per_second=1.0 * _GIB,
            receive_cpu_seconds=0.2,
            registry_read_cpu_seconds=0.5,
            write_cpu_seconds=0.3,
            disk_bytes_per_second=2.0 * _GIB,
            send_cpu_seconds=0.1,
            registry_write_cpu_seconds=1.9,
        ),
    )
