from pathlib import Path

import pytest

from bench.peers import find, install
from bench.peers.table import BY_HAND, DEBIAN, GO_PROGRAMS, STORY_PROGRAMS


def _program(folder: Path, name: str) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in (*GO_PROGRAMS, *DEBIAN, *BY_HAND):
        monkeypatch.delenv(f"PEER_{name.upper()}", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path / "path"))
    monkeypatch.setattr(find, "_BIN", tmp_path / "bin")
    return tmp_path


@pytest.mark.usefixtures("folders")
def test_a_missing_peer_is_named_with_what_would_help() -> None:
    here, missing = find.find_peers()
    assert here == {}
    assert missing.keys() == {*GO_PROGRAMS, *DEBIAN, *BY_HAND}
    assert "make peers" in missing["crane"]
    assert "PEER_HAULER" in missing["hauler"]


def test_a_peer_is_taken_from_its_variable_then_from_ours_then_from_path(
    folders: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for place in ("path", "bin"):
        for name in ("crane", "hauler"):
            _program(folders / place, name)
    _program(folders / "path", "skopeo")
    monkeypatch.setenv("PEER_HAULER", str(_program(folders / "elsewhere", "hauler-2")))
    monkeypatch.setenv("PEER_ZOT", str(folders / "no-zot"))
    here, missing = find.find_peers()
    assert here == {
        "crane": str(folders / "bin" / "crane"),
        "skopeo": str(folders / "path" / "skopeo"),
        "hauler": str(folders / "elsewhere" / "hauler-2"),
    }
    assert "names" in missing["zot"]


def test_a_program_with_a_module_of_ours_is_pinned_there_to_the_version_of_the_table() -> None:
    for name, program in {**GO_PROGRAMS, **STORY_PROGRAMS}.items():
        if program.module:
            folder = Path(install.__file__).with_name("modules") / name
            assert f"{program.module} {program.version}" in (folder / "go.mod").read_text()
            assert f"{program.module} {program.version} h1:" in (folder / "go.sum").read_text()


def test_what_is_built_already_is_linked_and_not_built_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(install, "_BIN", tmp_path)
    built = _program(tmp_path, f"crane-{GO_PROGRAMS['crane'].version}")
    (tmp_path / "crane").symlink_to("crane-v0.0.1")
    assert install.ensure_go_program("crane").resolve() == built
