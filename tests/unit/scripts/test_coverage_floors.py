"""Floors are compared with what ran, by package and for all."""

from pathlib import Path, PurePosixPath

import coverage
import pytest

from scripts import coverage_floors
from scripts.coverage_floors import Count, compare, package_of, render

FLOORS = {"overall": 80, "other": 70, "oci": 95}


def test_a_package_without_a_floor_of_its_own_has_the_others() -> None:
    lines = compare({"oci": Count(100, 95), "store": Count(100, 70)}, FLOORS)
    assert [(line.package, line.floor, line.holds) for line in lines] == [
        ("oci", 95, True),
        ("store", 70, True),
        ("overall", 80, True),
    ]


def test_one_missed_line_below_the_floor_is_told_by_name() -> None:
    lines = compare({"oci": Count(1000, 949), "store": Count(10, 10)}, FLOORS)
    assert [line.package for line in lines if not line.holds] == ["oci"]
    assert next(row for row in render(lines).splitlines() if "below its floor" in row).startswith("oci")


def test_the_sum_weighs_packages_by_their_size() -> None:
    *_, overall = compare({"oci": Count(10, 10), "store": Count(990, 700)}, FLOORS)
    assert overall.count == Count(1000, 710)
    assert not overall.holds


def test_a_package_with_nothing_to_run_is_covered() -> None:
    assert Count().percent == 100.0


@pytest.mark.parametrize("floors", [{"overall": 80}, {"other": 80}, {**FLOORS, "gone": 90}])
def test_a_table_that_names_too_little_or_too_much_is_refused(floors: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"\[tool\.packhorse\.coverage\]"):
        compare({"oci": Count(1, 1)}, floors)


def test_files_belong_to_the_folder_below_the_root() -> None:
    root = PurePosixPath("/tree/src/packhorse")
    assert package_of(root / "oci" / "deep" / "digest.py", root) == "oci"
    assert package_of(root / "__init__.py", root) == "."


def test_measured_data_is_summed_with_its_branches(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    package = tmp_path / "src" / "packhorse" / "oci"
    package.mkdir(parents=True)
    module = package / "sample.py"
    module.write_text("def f(x):\n    if x:\n        return 1\n    return 2\n")
    (tmp_path / "pyproject.toml").write_text(
        "[tool.coverage.run]\nbranch = true\n[tool.packhorse.coverage]\noverall = 80\nother = 60\n"
    )
    data = coverage.CoverageData(str(tmp_path / "data"))
    # f(True) alone ran: 3 of 4 statements, 1 of 2 branches.
    data.add_arcs({str(module): [(-1, 1), (1, -1), (-1, 2), (2, 3), (3, -1)]})
    data.write()

    code = coverage_floors.main(["--root", str(tmp_path), "--data", "data"])

    assert code == 1
    oci, overall = capsys.readouterr().out.splitlines()[1:]
    assert oci.split() == ["oci", "6", "66.7%", "60%"]
    assert overall.endswith("below its floor")
