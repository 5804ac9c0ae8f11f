"""The tables of one run, as rows of text: drawn for a terminal and for a page from the same cells."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from bench.programs import PACKHORSE, PROGRAMS
from bench.report.figures import mib, multiple, seconds, size
from bench.results import Limits, Point, Results, Sample
from bench.summary import ratio, summarise
from packhorse.base.units import plural

__all__ = ["Table", "floors", "growth_table", "job_tables", "limits_table", "overview"]

_GIB = 1024**3
_JOB_HEADER = (
    "", "median s", "min", "max", "times Packhorse", "spread", "on disk s",
    "CPU s", "peak MiB", "written MiB", "space MiB", "made MiB", "runs",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Table:
    """A title, a header, and rows as wide as the header."""

    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]


def overview(results: Results) -> Table:
    """All jobs in one table: Packhorse in seconds, everybody else as a multiple of its time."""
    peers = [program.name for program in PROGRAMS if program is not PACKHORSE]
    peers = [name for name in peers if any(name in by_name for by_name in results.jobs.values())]
    rows = [
        [job, _range(by_name[PACKHORSE.name]), *(_cell(results, job, name) for name in peers), _others(by_name, peers)]
        for job, by_name in results.jobs.items()
        if len(by_name) > 1
    ]
    return Table("All jobs", ("job", "Packhorse", *peers, "others"), rows)


def _others(by_name: Mapping[str, Sequence[Sample]], peers: Sequence[str]) -> str:
    ours = by_name[PACKHORSE.name]
    others = [name for name in by_name if name != PACKHORSE.name and name not in peers]
    return ", ".join(f"{name} {multiple(ratio(ours, by_name[name]).median)}" for name in others)


def _cell(results: Results, job: str, name: str) -> str:
    by_name = results.jobs[job]
    if name not in by_name:
        return "–"
    return multiple(ratio(by_name[PACKHORSE.name], by_name[name]).median)


def _range(samples: Sequence[Sample]) -> str:
    taken = summarise(samples)
    return f"{seconds(taken.wall_seconds)} s ({seconds(taken.fastest_seconds)}–{seconds(taken.slowest_seconds)})"


def job_tables(results: Results) -> Iterator[Table]:
    """One table for each job, with everything that was measured."""
    for job, by_name in results.jobs.items():
        rows = [_job_row(name, by_name[PACKHORSE.name], samples) for name, samples in by_name.items()]
        yield Table(job, _JOB_HEADER, rows)


def _job_row(name: str, ours: Sequence[Sample], theirs: Sequence[Sample]) -> list[str]:
    taken, compared = summarise(theirs), ratio(ours, theirs)
    own = name == PACKHORSE.name
    return [
        name,
        seconds(taken.wall_seconds),
        seconds(taken.fastest_seconds),
        seconds(taken.slowest_seconds),
        "1" if own else multiple(compared.median),
        "" if own else f"{multiple(compared.least)}–{multiple(compared.most)}",
        seconds(taken.on_disk_seconds) if taken.product_bytes else "",
        f"{taken.cpu_seconds:.2f}",
        mib(taken.peak_bytes),
        mib(taken.written_bytes),
        mib(taken.space_bytes),
        mib(taken.product_bytes) if taken.product_bytes else "",
        str(taken.runs),
    ]


def growth_table(results: Results) -> Table:
    """Memory and space by size of the content: Packhorse at each job, and everybody at building."""
    lines: dict[tuple[str, str], dict[tuple[int, int], Point]] = {}
    for point in results.growth:
        lines.setdefault((point.program, point.job), {})[point.content_bytes, point.images] = point
    places = sorted({(point.images, point.content_bytes) for point in results.growth}, key=lambda item: item[1])
    rows = []
    for (program, job), by_place in lines.items():
        cells = [_growth_cell(by_place.get((content, images))) for images, content in places]
        rows.append([program, job, *cells])
    header = ("program", "job", *(f"{plural(images, 'image')}, {size(content)}" for images, content in places))
    return Table("Seconds, peak memory and temporary space as the content grows", header, rows)


def _growth_cell(point: Point | None) -> str:
    if point is None:
        return "–"
    taken = summarise(point.samples)
    return f"{seconds(taken.wall_seconds)} s, {mib(taken.peak_bytes)} / {mib(taken.space_bytes)} MiB"


def floors(results: Results) -> Mapping[str, float]:
    """Seconds below which no program can do a job with this registry on these cores: CPU time that must be spent."""
    limits, gib = results.limits, results.content.size_bytes / _GIB
    hashing = _GIB / limits.hash_bytes_per_second
    needed = {
        "build": hashing + limits.receive_cpu_seconds + limits.registry_read_cpu_seconds + limits.write_cpu_seconds,
        "verify": hashing,
        "push": limits.send_cpu_seconds + limits.registry_write_cpu_seconds,
    }
    return {job: cpu * gib / results.machine.cores for job, cpu in needed.items()}


def limits_table(results: Results) -> Table:
    """What the machine can do, and what follows for the jobs."""
    return Table("What the machine can do", ("part", "measured"), [*_parts(results.limits), *_floors(results)])


def _parts(limits: Limits) -> list[list[str]]:
    return [
        ["SHA-256 on one core", f"{size(limits.hash_bytes_per_second)}/s"],
        ["receiving from the registry and throwing it away", f"{limits.receive_cpu_seconds:.2f} CPU-s/GiB"],
        ["the registry meanwhile", f"{limits.registry_read_cpu_seconds:.2f} CPU-s/GiB"],
        ["writing a file", f"{limits.write_cpu_seconds:.2f} CPU-s/GiB"],
        ["writing until the disk has it", f"{size(limits.disk_bytes_per_second)}/s"],
        ["sending to the registry", f"{limits.send_cpu_seconds:.2f} CPU-s/GiB"],
        ["the registry meanwhile, hashing and writing", f"{limits.registry_write_cpu_seconds:.2f} CPU-s/GiB"],
    ]


def _floors(results: Results) -> list[list[str]]:
    return [
        [f"so {job} takes at least, on {results.machine.cores} cores", f"{seconds(value)} s"]
        for job, value in floors(results).items()
    ]
