import xml.etree.ElementTree as ET
from itertools import pairwise
from pathlib import Path

import pytest

from bench.errors import BenchError
from bench.report import pages
from bench.report.figures import mib, multiple, seconds, size
from bench.report.plot import Line, Panel, draw, ticks
from bench.report.tables import floors, growth_table, job_tables, overview
from bench.report.terminal import draw as draw_text
from bench.results import Results, load, save

_PAGE = """\
# Speed

<!-- bench: results bench/results/none.json -->

<!-- bench: begin conditions -->
<!-- bench: end -->

Words between.

<!-- bench: begin overview -->
old numbers
<!-- bench: end -->
<!-- bench: begin jobs -->
<!-- bench: end -->
<!-- bench: begin growth -->
<!-- bench: end -->
<!-- bench: begin limits -->
<!-- bench: end -->
"""


def test_figures_have_the_digits_that_count() -> None:
    assert [seconds(value) for value in (0.2434, 1.624, 12.94)] == ["0.243", "1.62", "12.9"]
    assert [multiple(value) for value in (0.831, 12.4)] == ["0.83", "12"]
    assert [size(value) for value in (400 * 1024, 384 * 1024**2, 1.5 * 1024**3)] == ["400 KiB", "384 MiB", "1.50 GiB"]
    assert mib(2048 * 1024**2) == "2,048"


def test_results_come_back_as_they_were(results: Results, tmp_path: Path) -> None:
    save(results, tmp_path / "new" / "run.json")
    assert load(tmp_path / "new" / "run.json") == results


def test_a_file_of_another_shape_is_refused(tmp_path: Path, results: Results) -> None:
    path = tmp_path / "run.json"
    save(results, path)
    path.write_text(path.read_text().replace('"schema": 2', '"schema": 1'))
    with pytest.raises(BenchError, match="found schema 1"):
        load(path)
    path.write_text("{}")
    with pytest.raises(BenchError, match=r"run\.json"):
        load(path)
    with pytest.raises(BenchError, match=r"missing\.json"):
        load(tmp_path / "missing.json")


def test_the_overview_gives_ours_in_seconds_and_theirs_as_multiples(results: Results) -> None:
    table = overview(results)
    assert table.header == ("job", "Packhorse", "zarf, no SBOM", "others")
    # What Packhorse did alone is nothing to compare.
    assert table.rows == [["build", "3.00 s (2.00–4.00)", "3.00", "two sha256sum 2.00"]]


def test_a_job_has_a_row_for_each_contestant(results: Results) -> None:
    build, alone = job_tables(results)
    assert [row[0] for row in build.rows] == ["packhorse", "zarf, no SBOM", "two sha256sum"]
    zarf = dict(zip(build.header, build.rows[1], strict=True))
    assert (zarf["median s"], zarf["min"], zarf["max"], zarf["times Packhorse"]) == ("9.00", "8.00", "10.0", "3.00")
    assert (zarf["spread"], zarf["made MiB"], zarf["runs"]) == ("2.00–5.00", "1,024", "2")
    assert [row[0] for row in alone.rows] == ["packhorse"]


def test_growth_has_a_column_for_each_size(results: Results) -> None:
    table = growth_table(results)
    assert table.header == ("program", "job", "1 image, 1.00 GiB", "2 images, 2.00 GiB")
    assert table.rows[1] == ["zarf, no SBOM", "build", "4.00 s, 30 / 1,024 MiB", "8.00 s, 30 / 2,048 MiB"]


def test_a_floor_is_the_processor_time_that_must_be_spent_on_all_cores(results: Results) -> None:
    # 2 GiB on two cores: as many seconds as CPU-s/GiB.
    assert floors(results) == pytest.approx({"build": 1.0 + 0.2 + 0.5 + 0.3, "verify": 1.0, "push": 2.0})


def test_the_terminal_names_who_was_not_there(results: Results) -> None:
    text = draw_text(results)
    assert "zot took no part: not on PATH" in text
    assert "hauler was left out of arriving" in text


def test_a_page_is_filled_again_and_again_to_the_same(results: Results) -> None:
    filled = pages.fill_page(_PAGE, results)
    assert "old numbers" not in filled
    assert "Words between." in filled
    assert "| build | 3.00 s (2.00–4.00) | 3.00 | two sha256sum 2.00 |" in filled
    assert "- Not measured: zot: not on PATH." in filled
    assert "cannot open haul.tar" in filled
    assert "somebody" not in filled
    assert pages.fill_page(filled, results) == filled


def test_a_place_that_no_table_is_for_is_refused(results: Results) -> None:
    with pytest.raises(BenchError, match="found nonsense"):
        pages.fill_page("<!-- bench: begin nonsense -->\n<!-- bench: end -->", results)


@pytest.fixture
def tree(tmp_path: Path, results: Results, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(pages, "_TREE", tmp_path)
    save(results, tmp_path / "bench" / "results" / "run.json")
    (tmp_path / "speed.md").write_text(_PAGE)
    return tmp_path


def test_a_page_that_was_written_passes_its_check(tree: Path, results: Results) -> None:
    page = tree / "speed.md"
    pages.write_page(results, tree / "bench" / "results" / "run.json", page)
    assert "<!-- bench: results bench/results/run.json -->" in page.read_text()
    assert pages.check_page(page) == 0


@pytest.mark.parametrize("name", ["speed.md", "cost-against-size.svg"])
def test_a_number_changed_by_hand_fails_the_check(
    name: str, tree: Path, results: Results, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tree / "speed.md"
    pages.write_page(results, tree / "bench" / "results" / "run.json", page)
    changed = tree / name
    changed.write_text(changed.read_text().replace("2", "3"))
    if name == "speed.md":
        changed.write_text(changed.read_text().replace("bench/results/run", "bench/results/run"))
    assert pages.check_page(page) == 1
    assert name in capsys.readouterr().err


def test_a_page_without_a_file_is_refused(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# Speed\n")
    with pytest.raises(BenchError, match="bench: results PATH"):
        pages.check_page(page)


@pytest.mark.parametrize(
    ("most", "expected"),
    [(10, [0, 2, 4, 6, 8, 10]), (3, [0, 1, 2, 3]), (0.7, [0, 0.2, 0.4, 0.6, 0.8]), (0, [0, 1])],
)
def test_ticks_are_round_and_reach_the_most(most: float, expected: list[float]) -> None:
    assert ticks(most) == pytest.approx(expected)


def test_a_plot_is_svg_with_every_line_named_inside_the_picture() -> None:
    lines = [Line(f"<{number}>", [(1.0, 5.0 + number / 100), (2.0, 5.0 + number / 100)]) for number in range(9)]
    root = ET.fromstring(draw([Panel("Time & space", "GiB", lines), Panel("b", "GiB", lines)], "<3>"))  # noqa: S314
    texts = [node for node in root.iter() if node.tag.endswith("text")]
    names = [node for node in texts if (node.text or "").startswith("<")]
    assert len(names) == 18
    places = sorted(float(node.attrib["y"]) for node in names[:9])
    assert all(after - before >= 13.9 for before, after in pairwise(places))
    assert places[0] > 0
    assert places[-1] < float(root.attrib["height"])
    assert [node.text for node in names if "font-weight" in node.attrib] == ["<3>", "<3>"]


def test_the_plot_of_a_run_leaves_out_what_grows_in_number_only(results: Results) -> None:
    small = results.growth[0]
    drawn = pages.cost_against_size(results)
    assert drawn.count("<circle") == 3 * 4
    grown = type(results)(
        **{
            **{name: getattr(results, name) for name in results.__struct_fields__},
            "growth": [
                *results.growth,
                type(small)(job="build", program="packhorse", images=400, content_bytes=4096, samples=small.samples),
            ],
        }
    )
    assert pages.cost_against_size(grown) == drawn
