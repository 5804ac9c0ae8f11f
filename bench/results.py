"""What one run leaves behind: every sample, and what it was made with; the shape of ``bench/results/*.json``."""

from pathlib import Path

import msgspec

from bench.errors import BenchError

__all__ = ["SCHEMA", "Content", "Limits", "Machine", "Point", "Results", "Sample", "load", "save"]

SCHEMA = 2


class Sample(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One run of one job by one program, its children included."""

    wall_seconds: float
    cpu_seconds: float = 0.0
    peak_bytes: int = 0
    """The largest resident set of any one of its processes."""
    written_bytes: int = 0
    """What it gave to the file system to write, as the kernel counts it."""
    space_bytes: int = 0
    """The most that it had on disk beyond what it made or read: temporary files, caches, stores."""
    sync_seconds: float = 0.0
    """How much longer it takes until what it made is on the disk."""
    product_bytes: int = 0
    """The size of what it made."""


class Machine(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What the run was made on."""

    processor: str
    cores: int
    sha_extensions: bool
    memory_bytes: int
    kernel: str
    python: str
    load_average: tuple[float, float, float]
    """When the run began: other work on the machine shows here."""


class Content(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What was moved."""

    sets: list[str]
    images: int
    blobs: int
    size_bytes: int
    """Every blob counted once."""
    changed_bytes: dict[str, int]
    """For each later edition of the package, the size of the blobs that the first one does not have."""


class Limits(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What the machine can do at most, measured in the same run; CPU seconds are for each GiB."""

    hash_bytes_per_second: float
    """SHA-256 on one core."""
    receive_cpu_seconds: float
    """Of a client that takes bytes from the registry and throws them away."""
    registry_read_cpu_seconds: float
    """Of the registry meanwhile."""
    write_cpu_seconds: float
    """Writing a file in blocks of 1 MiB."""
    disk_bytes_per_second: float
    """Writing a file and waiting until it is on the disk."""
    send_cpu_seconds: float
    """Of a client that reads a file and gives it to the registry."""
    registry_write_cpu_seconds: float
    """Of the registry meanwhile: it hashes and writes."""


class Point(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One job on synthetic content of a given size."""

    job: str
    program: str
    images: int
    content_bytes: int
    samples: list[Sample]


class Results(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A whole run."""

    schema: int = SCHEMA
    date: str
    rounds: int
    machine: Machine
    registry: str
    """The registry that was pulled from and pushed to."""
    content: Content
    programs: dict[str, str]
    """Versions by program."""
    missing: dict[str, str]
    """Programs that were not here, with the reason."""
    left_out: dict[str, dict[str, str]]
    """By job: programs that could not do it, with the reason."""
    jobs: dict[str, dict[str, list[Sample]]]
    """By job and contestant, in the order of the rounds."""
    growth: list[Point]
    limits: Limits


def load(path: Path) -> Results:
    """Read a results file.

    Raises:
        BenchError: It is not there, or of another shape.
    """
    try:
        found = msgspec.json.decode(path.read_bytes(), type=Results)
    except (OSError, msgspec.DecodeError) as error:
        raise BenchError(f"expected results of schema {SCHEMA} in {path}, found: {error}") from error
    if found.schema != SCHEMA:
        raise BenchError(f"expected results of schema {SCHEMA} in {path}, found schema {found.schema}")
    return found


def save(results: Results, path: Path) -> None:
    """Write a results file that people can read as well."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(msgspec.json.format(msgspec.json.encode(results), indent=1) + b"\n")
