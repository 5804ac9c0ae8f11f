from bench.results import Sample
from bench.summary import ratio, summarise


def test_medians_of_figures_and_the_most_of_what_a_machine_must_have() -> None:
    taken = summarise(
        [
            Sample(wall_seconds=3.0, cpu_seconds=1.0, peak_bytes=10, space_bytes=5, sync_seconds=1.0),
            Sample(wall_seconds=1.0, cpu_seconds=9.0, peak_bytes=30, space_bytes=7, sync_seconds=0.5),
            Sample(wall_seconds=2.0, cpu_seconds=2.0, peak_bytes=20, space_bytes=6, sync_seconds=9.0),
        ]
    )
    assert (taken.runs, taken.wall_seconds, taken.fastest_seconds, taken.slowest_seconds) == (3, 2.0, 1.0, 3.0)
    assert (taken.cpu_seconds, taken.peak_bytes, taken.space_bytes, taken.on_disk_seconds) == (2.0, 30, 7, 4.0)


def test_a_ratio_is_that_of_the_medians_with_its_extremes_round_by_round() -> None:
    ours = [Sample(wall_seconds=wall) for wall in (1.0, 2.0, 4.0)]
    theirs = [Sample(wall_seconds=wall) for wall in (3.0, 2.0, 8.0)]
    compared = ratio(ours, theirs)
    assert (compared.median, compared.least, compared.most) == (1.5, 1.0, 3.0)


def test_a_slow_program_with_one_run_is_compared_by_that_run() -> None:
    compared = ratio([Sample(wall_seconds=1.0), Sample(wall_seconds=3.0)], [Sample(wall_seconds=8.0)])
    assert (compared.median, compared.least, compared.most) == (4.0, 8.0, 8.0)
