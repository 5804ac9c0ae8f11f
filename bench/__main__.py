"""``python -m bench``: measure Packhorse and the peers that are here, side by side."""

import argparse
import dataclasses
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from bench.cases import Case, all_cases, prepare
from bench.machine import describe, version_of
from bench.measure import BenchError, Sample, Summary, summarise
from bench.peers import find_peers
from bench.scene import open_scene

_TREE = Path(__file__).parents[1]
_CACHE = _TREE / ".cache"
_MIB = 1024 * 1024
_SETS = ["bench", "demo"]


def main(arguments: Sequence[str]) -> int:
    """Run what is asked for; print the tables and write the JSON."""
    asked = _parser().parse_args(arguments)
    peers = find_peers()
    results: dict[str, dict[str, list[Sample]]] = {}
    try:
        with open_scene(_CACHE / "bench" / "scene", _CACHE / "corpus", asked.sets) as scene:
            prepare(scene)
            scene.out.mkdir()
            for case in all_cases(scene, peers):
                if not asked.only or case.name in asked.only or case.name == "build":
                    results[case.name] = _run(case, asked.rounds)
                    _print(case.name, results[case.name])
            images, size = len(scene.images), scene.bundle.stat().st_size
    except BenchError as error:
        print(error, file=sys.stderr)
        return 1
    report = {
        "machine": describe(),
        "images": images,
        "bundleBytes": size,
        "rounds": asked.rounds,
        "programs": {peer.name: version_of(*peer.version) for peer in peers},
        "samples": {
            case: {name: [dataclasses.asdict(sample) for sample in samples] for name, samples in by_name.items()}
            for case, by_name in results.items()
        },
    }
    asked.json.parent.mkdir(parents=True, exist_ok=True)
    asked.json.write_text(json.dumps(report, indent=1) + "\n")
    print(f"\n{images} images, {size / _MIB:.0f} MiB; all samples: {asked.json}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measure Packhorse beside its peers.")
    parser.add_argument("--rounds", type=int, default=5, help="how often each program does each job, interleaved")
    parser.add_argument("--only", action="append", metavar="JOB", help="measure only these jobs (build always runs)")
    parser.add_argument("--sets", nargs="+", default=_SETS, help="sets of the corpus whose images are moved")
    parser.add_argument("--json", type=Path, default=_CACHE / "bench" / "results.json", help="where samples are kept")
    return parser


def _run(case: Case, rounds: int) -> dict[str, list[Sample]]:
    samples: dict[str, list[Sample]] = {name: [] for name in case.contestants}
    for number in range(rounds):
        print(f"{case.name}: round {number + 1} of {rounds}", file=sys.stderr, flush=True)
        for name, contestant in list(case.contestants.items()):
            if name not in samples:
                continue
            try:
                samples[name].append(contestant())
            except BenchError as error:
                if name == "packhorse":
                    raise
                # A peer that cannot do a job is left out of it, and said so.
                print(f"{name} is left out of {case.name}: {error}", file=sys.stderr)
                del samples[name]
    return samples


def _print(title: str, results: dict[str, list[Sample]]) -> None:
    ours = summarise(results["packhorse"])
    print(f"\n{title}")
    print(f"  {'':22} {'median':>8} {'min':>8} {'max':>8} {'ratio':>7} {'spread':>13} {'CPU s':>7} {'peak MiB':>9}")
    for name, samples in results.items():
        their = summarise(samples)
        print(f"  {name:22} {_figures(their)} {_ratio(results['packhorse'], samples, their, ours)} {_rest(their)}")


def _figures(summary: Summary) -> str:
    return f"{summary.wall_seconds:8.3f} {summary.fastest_seconds:8.3f} {summary.slowest_seconds:8.3f}"


def _ratio(ours: list[Sample], theirs: list[Sample], their: Summary, our: Summary) -> str:
    """How many times our wall time theirs is: of the medians, and the spread over the rounds."""
    rounds = sorted(their.wall_seconds / our.wall_seconds for our, their in zip(ours, theirs, strict=True))
    return f"{their.wall_seconds / our.wall_seconds:6.2f}x {rounds[0]:5.2f} - {rounds[-1]:5.2f}"


def _rest(summary: Summary) -> str:
    return f"{summary.cpu_seconds:7.2f} {summary.peak_bytes / _MIB:9.0f}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
