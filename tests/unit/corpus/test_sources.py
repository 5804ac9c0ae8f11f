import json
import shutil
import subprocess
import zipfile
from hashlib import sha256
from pathlib import Path

import pytest

from corpus.entries import Entry
from corpus.errors import CorpusError
from corpus.sources import Debian, GoProgram, Wheel
from corpus.workshop import Workshop, key_of

AMD64 = "linux/amd64"
needs_dpkg = pytest.mark.skipif(shutil.which("dpkg-deb") is None, reason="dpkg-deb is not installed")
needs_go = pytest.mark.skipif(shutil.which("go") is None, reason="go is not installed")


@pytest.fixture
def wheel(workshop: Workshop, tmp_path: Path) -> Wheel:
    """A wheel as pip would have put it into the cache."""
    path = tmp_path / "tool-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(zipfile.ZipInfo("tool.data/scripts/tool", (2020, 2, 3, 4, 5, 6)), b"\x7fELF")
    digest = sha256(path.read_bytes()).hexdigest()
    shutil.copy(path, workshop.folder("wheels", digest))
    return Wheel("tool==1.0", {AMD64: digest}, {"tool.data/scripts/tool": "/usr/bin/tool"})


class TestWheel:
    def test_gives_the_members_asked_for(self, wheel: Wheel, workshop: Workshop) -> None:
        for entry in wheel.entries(AMD64, workshop):
            assert (entry.path, entry.mode, entry.mtime, entry.size) == ("usr/bin/tool", 0o755, 1_580_702_706, 4)
            assert entry.content is not None
            assert entry.content.read() == b"\x7fELF"
        assert wheel.identity(AMD64, workshop)["wheel"] == wheel.hashes[AMD64]

    def test_refuses_other_bytes_under_the_hash(self, wheel: Wheel, workshop: Workshop) -> None:
        (path,) = workshop.folder("wheels", wheel.hashes[AMD64]).iterdir()
        path.write_bytes(path.read_bytes() + b"\0")
        with pytest.raises(CorpusError, match="found other bytes"):
            list(wheel.entries(AMD64, workshop))

    def test_names_a_member_that_is_not_there(self, wheel: Wheel, workshop: Workshop) -> None:
        other = Wheel(wheel.requirement, wheel.hashes, {"tool.data/scripts/other": "/other"})
        with pytest.raises(CorpusError, match=r'Expected "tool\.data/scripts/other"'):
            list(other.entries(AMD64, workshop))

    def test_names_a_platform_without_a_hash(self, wheel: Wheel, workshop: Workshop) -> None:
        with pytest.raises(CorpusError, match="for linux/arm64"):
            wheel.identity("linux/arm64", workshop)


def put_package(workshop: Workshop, scratch: Path, name: str, files: dict[str, str]) -> None:
    """Build a Debian package of ``files`` where apt would have put it."""
    root = scratch / name
    (root / "DEBIAN").mkdir(parents=True)
    (root / "DEBIAN" / "control").write_text(
        f"Package: {name}\nVersion: 1:2.0\nArchitecture: amd64\nMaintainer: A <a@example.com>\nDescription: {name}\n"
    )
    for path, text in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    target = workshop.folder("apt", "amd64", "packages") / f"{name}_1%3a2.0_amd64.deb"
    subprocess.run(["dpkg-deb", "--build", "--root-owner-group", root, target], check=True, capture_output=True)


def say_resolved(workshop: Workshop, asked: list[str], chosen: list[str]) -> None:
    """Write what apt would have resolved ``asked`` to."""
    path = workshop.folder("apt", "amd64", "resolved") / f"{key_of({'names': asked})}.json"
    path.write_text(json.dumps([f"{name}=1:2.0" for name in chosen]))


@needs_dpkg
@pytest.mark.peer("dpkg-deb")
class TestDebian:
    @pytest.fixture
    def base(self, workshop: Workshop, tmp_path: Path) -> Debian:
        documents = {"usr/share/doc/base/copyright": "MIT", "usr/share/doc/base/README": "long"}
        put_package(workshop, tmp_path, "base", {"bin/sh": "shell", "etc/base": "b", **documents})
        put_package(workshop, tmp_path, "scripted", {"usr/bin/scripted": "s"})
        say_resolved(workshop, ["base"], ["base", "scripted"])
        return Debian(("base",), without=("scripted",))

    def contents(self, source: Debian, workshop: Workshop) -> dict[str, Entry]:
        return {entry.path: entry for entry in source.entries(AMD64, workshop) if entry.kind != "directory"}

    def test_gives_the_files_under_usr_with_the_links_of_the_root(self, base: Debian, workshop: Workshop) -> None:
        found = self.contents(base, workshop)
        assert found["bin"].link == "usr/bin"
        assert found["usr/bin/sh"].uid == 0
        assert "bin/sh" not in found
        assert "usr/bin/scripted" not in found

    def test_keeps_licences_and_leaves_out_documents(self, base: Debian, workshop: Workshop) -> None:
        found = self.contents(base, workshop)
        assert "usr/share/doc/base/copyright" in found
        assert "usr/share/doc/base/README" not in found

    def test_records_the_packages_for_scanners(self, base: Debian, workshop: Workshop) -> None:
        record = self.contents(base, workshop)["var/lib/dpkg/status.d/base"]
        assert record.content is not None
        assert b"Package: base\nVersion: 1:2.0\n" in record.content.read()

    def test_an_upper_layer_has_only_what_is_new(self, base: Debian, workshop: Workshop, tmp_path: Path) -> None:
        put_package(workshop, tmp_path, "server", {"usr/sbin/server": "s"})
        say_resolved(workshop, ["base", "server"], ["base", "scripted", "server"])
        upper = Debian(("server",), on=base)
        assert set(self.contents(upper, workshop)) == {"usr/sbin/server", "var/lib/dpkg/status.d/server"}
        assert upper.identity(AMD64, workshop) == {"debian": ["server=1:2.0"], "base": False}

    def test_what_was_resolved_holds_while_its_packages_are_there(self, base: Debian, workshop: Workshop) -> None:
        # "scripted" is left out, so that its package may be missing; nobody asks apt, whose lists are not there.
        packages = workshop.folder("apt", "amd64", "packages")
        next(packages.glob("scripted_*")).unlink()
        assert base.identity(AMD64, workshop)["debian"] == ["base=1:2.0"]

    def test_links_of_the_root_are_followed(self, workshop: Workshop, tmp_path: Path) -> None:
        put_package(workshop, tmp_path, "daemon", {"var/run/daemon/state": "s", "lib/x/y": "z"})
        say_resolved(workshop, ["daemon"], ["daemon"])
        found = self.contents(Debian(("daemon",)), workshop)
        assert {"run/daemon/state", "usr/lib/x/y"} <= set(found)
        assert found["var/run"].link == "/run"


@needs_go
@pytest.mark.peer("go")
class TestGoProgram:
    @pytest.fixture
    def program(self, tmp_path: Path) -> GoProgram:
        folder = tmp_path / "module"
        folder.mkdir()
        (folder / "go.mod").write_text("module example.com/hello\n\ngo 1.21\n")
        (folder / "main.go").write_text('package main\n\nfunc main() { println("hello") }\n')
        return GoProgram("example.com/hello", "/hello", folder=folder)

    def test_builds_a_program_for_each_platform(self, program: GoProgram, workshop: Workshop) -> None:
        machines = {}
        for platform in (AMD64, "linux/arm64"):
            for entry in program.entries(platform, workshop):
                assert (entry.path, entry.mode) == ("hello", 0o755)
                assert entry.content is not None
                header = entry.content.read(20)
                assert header[:4] == b"\x7fELF"
                machines[platform] = int.from_bytes(header[18:20], "little")
        assert machines == {AMD64: 62, "linux/arm64": 183}  # e_machine of the ELF specification

    def test_a_changed_source_is_another_program(self, program: GoProgram, workshop: Workshop) -> None:
        before = program.identity(AMD64, workshop)
        assert program.folder is not None
        (program.folder / "main.go").write_text('package main\n\nfunc main() { println("bye") }\n')
        assert program.identity(AMD64, workshop) != before

    def test_a_compilers_refusal_is_told(self, program: GoProgram, workshop: Workshop) -> None:
        assert program.folder is not None
        (program.folder / "main.go").write_text("package main\n\nfunc main() { nonsense }\n")
        with pytest.raises(CorpusError, match="undefined: nonsense"):
            list(program.entries(AMD64, workshop))


def test_a_missing_program_is_named(workshop: Workshop) -> None:
    with pytest.raises(CorpusError, match='Expected the program "no-such-program"'):
        workshop.run(["no-such-program"])
