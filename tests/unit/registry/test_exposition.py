"""Families in Prometheus' text format."""

from packhorse.registry.exposition import Counter, Histogram, gauge, render
from tests.support.exposition import samples


def test_a_counter_without_labels_begins_at_zero_and_adds_up() -> None:
    counter = Counter("bytes_total", "Bytes.")
    assert samples(render([counter.lines()]).decode()) == {"bytes_total": 0}
    counter.add(3)
    counter.add(4)
    assert samples(render([counter.lines()]).decode()) == {"bytes_total": 7}


def test_series_are_told_apart_by_their_labels() -> None:
    counter = Counter("asked_total", "Asked.", ("method", "status"))
    counter.add(1, "GET", "200")
    counter.add(1, "GET", "404")
    counter.add(1, "GET", "200")
    assert samples(render([counter.lines()]).decode()) == {
        'asked_total{method="GET",status="200"}': 2,
        'asked_total{method="GET",status="404"}': 1,
    }


def test_a_histogram_is_cumulative_and_counts_its_bounds_in() -> None:
    histogram = Histogram("took_seconds", "Took.", (0.1, 1.0), ("what",))
    for seconds in (0.05, 0.1, 0.5, 7.0):
        histogram.observe(seconds, "pull")
    assert samples(render([histogram.lines()]).decode()) == {
        'took_seconds_bucket{what="pull",le="0.1"}': 2,
        'took_seconds_bucket{what="pull",le="1"}': 3,
        'took_seconds_bucket{what="pull",le="+Inf"}': 4,
        'took_seconds_sum{what="pull"}': 7.65,
        'took_seconds_count{what="pull"}': 4,
    }


def test_what_stands_in_a_label_cannot_break_out_of_it() -> None:
    text = render([gauge("ready", "Of\nsources.", {'a"} 1\nfake 2\\': 1}, "source")]).decode()
    assert samples(text) == {'ready{source="a\\"} 1\\nfake 2\\\\"}': 1}
    assert text.splitlines()[0] == "# HELP ready Of\\nsources."


def test_what_is_not_known_is_not_there() -> None:
    assert render([gauge("ends_seconds", "Ends.", None)]) == b""


def test_large_and_small_numbers_keep_their_digits() -> None:
    text = render([gauge("some", "Some.", {"large": float(2**53), "small": 0.000125, "none": 0}, "which")]).decode()
    assert samples(text) == {'some{which="large"}': 2**53, 'some{which="small"}': 0.000125, 'some{which="none"}': 0}
    assert f'some{{which="large"}} {2**53}' in text
