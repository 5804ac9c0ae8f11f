import json
import shutil
import subprocess
import zipfile
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest

from corpus.entries import CLAMP_SECONDS, Entry
from corpus.errors import CorpusError
from corpus.sources import Debian, GoProgram, MavenJars, NodeModules, Wheel, Wheels
from corpus.workshop import Workshop, key_of

AMD64 = "linux/amd64"
JARS = {"tool-1.0.jar": b"PK tool", "tool-1.0-linux.jar": b"PK linux"}
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


@pytest.fixture
def wheels(workshop: Workshop, tmp_path: Path) -> Wheels:
    """A lock of one wheel with something in each kind of place, as pip would have put it into the cache."""
    path = tmp_path / "web-2.0-py3-none-any.whl"
    members = {
        "web/page.py": "page",
        "web/__init__.py": "",
        "web-2.0.dist-info/METADATA": "Name: web",
        "web-2.0.dist-info/RECORD": "web/page.py,,",
        "web-2.0.data/scripts/serve": "#!python",
        "web-2.0.data/data/share/web/logo": "logo",
        "web-2.0.data/platlib/web/fast.so": "fast",
        "web-2.0.data/headers/web.h": "header",
    }
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in members.items():
            archive.writestr(zipfile.ZipInfo(name, (2020, 2, 3, 4, 5, 6)), text)
    digest = sha256(path.read_bytes()).hexdigest()
    shutil.copy(path, workshop.folder("wheels", digest))
    lock = tmp_path / "lock.txt"
    lock.write_text(f"# what a comment says\nweb==2.0 --hash=sha256:{digest}\n")
    return Wheels(lock, "/site")


class TestWheels:
    def test_lays_out_modules_scripts_and_data_without_what_pip_writes(
        self, wheels: Wheels, workshop: Workshop
    ) -> None:
        found = {
            entry.path: (entry.mode, entry.content and entry.content.read())
            for entry in wheels.entries(AMD64, workshop)
        }
        assert found == {
            "site/web/page.py": (0o644, b"page"),
            "site/web/__init__.py": (0o644, b""),
            "site/web-2.0.dist-info/METADATA": (0o644, b"Name: web"),
            "usr/local/bin/serve": (0o755, b"#!python"),
            "usr/local/share/web/logo": (0o644, b"logo"),
            "site/web/fast.so": (0o644, b"fast"),
        }

    def test_another_version_in_the_lock_is_another_layer(self, wheels: Wheels, workshop: Workshop) -> None:
        before = wheels.identity(AMD64, workshop)
        wheels.lock.write_text(f"web==2.1 --hash=sha256:{'0' * 64}\n")
        assert wheels.identity(AMD64, workshop) != before

    @pytest.mark.parametrize("line", ["web==2.0", "web>=2 --hash=sha256:" + "0" * 64, ""])
    def test_refuses_what_is_not_pinned(self, wheels: Wheels, workshop: Workshop, line: str) -> None:
        pinned = wheels.lock.read_text() if line else ""
        wheels.lock.write_text(f"{pinned}{line}\n")
        with pytest.raises(CorpusError, match="Expected lines as name==version"):
            wheels.identity(AMD64, workshop)


def pretend(workshop: Workshop, folder: Path, program: str, script: str) -> Workshop:
    """Put a shell script in the place of a program that talks to a registry."""
    folder.mkdir(exist_ok=True)
    (folder / program).write_text(f"#!/bin/sh\nset -eu\n{script}\n")
    (folder / program).chmod(0o755)
    return replace(workshop, environment={"PATH": f"{folder}:/usr/bin:/bin"})


class TestNodeModules:
    @pytest.fixture
    def modules(self, tmp_path: Path) -> NodeModules:
        folder = tmp_path / "app"
        folder.mkdir()
        (folder / "package.json").write_text('{"name": "app"}')
        (folder / "package-lock.json").write_text('{"lockfileVersion": 3}')
        return NodeModules(folder, "/app")

    @pytest.fixture
    def npm(self, workshop: Workshop, tmp_path: Path) -> Workshop:
        install = """
        echo "$@" > ../asked
        mkdir -p node_modules/.bin node_modules/b node_modules/a/empty
        echo b > node_modules/b/index.js; echo a > node_modules/a/cli.js; chmod 0700 node_modules/a/cli.js
        ln -s ../a/cli.js node_modules/.bin/a; date > node_modules/.package-lock.json"""
        return pretend(workshop, tmp_path / "bin", "npm", install)

    def test_gives_files_and_links_with_plain_modes_and_one_time(self, modules: NodeModules, npm: Workshop) -> None:
        found = [(entry.path, entry.mode, entry.link, entry.mtime) for entry in modules.entries(AMD64, npm)]
        assert found == [
            ("app/node_modules/.bin/a", 0o777, "../a/cli.js", CLAMP_SECONDS),
            ("app/node_modules/a/cli.js", 0o755, "", CLAMP_SECONDS),
            ("app/node_modules/b/index.js", 0o644, "", CLAMP_SECONDS),
            ("app/package-lock.json", 0o644, "", CLAMP_SECONDS),
            ("app/package.json", 0o644, "", CLAMP_SECONDS),
        ]

    def test_runs_no_script_and_takes_what_is_for_the_platform(self, modules: NodeModules, npm: Workshop) -> None:
        list(modules.entries("linux/arm64", npm))
        asked = (npm.cache / "node" / "asked").read_text().split()
        assert {"ci", "--ignore-scripts", "--os=linux", "--cpu=arm64"} <= set(asked)

    def test_is_installed_once(self, modules: NodeModules, npm: Workshop) -> None:
        list(modules.entries(AMD64, npm))
        (npm.cache / "node" / "asked").unlink()
        list(modules.entries(AMD64, npm))
        assert not (npm.cache / "node" / "asked").exists()

    def test_another_lock_is_another_layer(self, modules: NodeModules, workshop: Workshop) -> None:
        before = modules.identity(AMD64, workshop)
        (modules.folder / "package-lock.json").write_text('{"lockfileVersion": 2}')
        assert modules.identity(AMD64, workshop) != before

    def test_names_a_platform_that_npm_has_no_word_for(self, modules: NodeModules, workshop: Workshop) -> None:
        with pytest.raises(CorpusError, match="found linux/s390x"):
            modules.identity("linux/s390x", workshop)


class TestMavenJars:
    @pytest.fixture
    def jars(self, tmp_path: Path) -> MavenJars:
        first, second = (sha256(content).hexdigest() for content in JARS.values())
        lock = tmp_path / "lock.txt"
        lock.write_text(f"org.example:tool:1.0 sha256:{first}\norg.example:tool:1.0:linux sha256:{second}\n")
        return MavenJars(lock, "/opt/libs")

    def maven(self, workshop: Workshop, scratch: Path, content: str) -> Workshop:
        fetch = f"""
        for word in "$@"; do case "$word" in -DoutputDirectory=*) folder="${{word#*=}}";; esac; done
        cp pom.xml {scratch}/asked.xml; mkdir -p "$folder"; cd "$folder"
        printf '{content}' > tool-1.0.jar; printf 'PK linux' > tool-1.0-linux.jar"""
        return pretend(workshop, scratch / "bin", "mvn", fetch)

    def test_gives_every_jar_and_fetches_once(self, jars: MavenJars, workshop: Workshop, tmp_path: Path) -> None:
        shop = self.maven(workshop, tmp_path, "PK tool")
        for _ in range(2):
            found = {entry.path: entry.content and entry.content.read() for entry in jars.entries(AMD64, shop)}
            assert found == {f"opt/libs/{name}": content for name, content in JARS.items()}
            (tmp_path / "bin" / "mvn").write_text("#!/bin/sh\nexit 1\n")
        asked = (tmp_path / "asked.xml").read_text()
        assert asked.count("<exclusion>") == 2
        assert "<classifier>linux</classifier>" in asked

    def test_refuses_other_bytes(self, jars: MavenJars, workshop: Workshop, tmp_path: Path) -> None:
        shop = self.maven(workshop, tmp_path, "PK other")
        with pytest.raises(CorpusError, match=r"Expected org\.example:tool-1\.0\.jar to be sha256:"):
            list(jars.entries(AMD64, shop))

    def test_names_a_jar_that_was_not_fetched(self, jars: MavenJars, workshop: Workshop, tmp_path: Path) -> None:
        shop = pretend(workshop, tmp_path / "bin", "mvn", "true")
        with pytest.raises(CorpusError, match=r"Expected Maven to fetch org\.example:tool-1\.0\.jar"):
            list(jars.entries(AMD64, shop))

    def test_refuses_what_has_no_hash(self, jars: MavenJars, workshop: Workshop) -> None:
        jars.lock.write_text(f"{jars.lock.read_text()}org.example:other:1.0\n")
        with pytest.raises(CorpusError, match="Expected lines as group:artifact:version"):
            jars.identity(AMD64, workshop)


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


def say_resolved(workshop: Workshop, asked: list[str], chosen: list[str], **how: object) -> None:
    """Write what apt would have resolved ``asked`` to."""
    path = workshop.folder("apt", "amd64", "resolved") / f"{key_of({'names': asked, **how})}.json"
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

    def test_what_is_resolved_with_some_updates_is_kept_apart(
        self, base: Debian, workshop: Workshop, tmp_path: Path
    ) -> None:
        put_package(workshop, tmp_path, "patched", {"usr/bin/patched": "p"})
        say_resolved(workshop, ["base"], ["base", "patched"], updates=["patched"])
        some = replace(base, updates=("patched",))
        assert some.identity(AMD64, workshop)["debian"] == ["base=1:2.0", "patched=1:2.0"]
        assert base.identity(AMD64, workshop)["debian"] == ["base=1:2.0"]

    def test_links_of_the_root_are_followed(self, workshop: Workshop, tmp_path: Path) -> None:
        put_package(workshop, tmp_path, "daemon", {"var/run/daemon/state": "s", "lib/x/y": "z"})
        say_resolved(workshop, ["daemon"], ["daemon"])
        found = self.contents(Debian(("daemon",)), workshop)
        assert {"run/daemon/state", "usr/lib/x/y"} <= set(found)
        assert found["var/run"].link == "/run"


def read_program(program: GoProgram, workshop: Workshop) -> bytes:
    """Read it while the source is there: it closes what it gave when it is asked for more."""
    contents = (entry.content for entry in program.entries(AMD64, workshop))
    content = next(contents)
    assert content is not None
    return content.read()


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

    def test_tags_choose_files_and_are_part_of_what_it_is(self, program: GoProgram, workshop: Workshop) -> None:
        assert program.folder is not None
        (program.folder / "extra.go").write_text("//go:build extra\n\npackage main\n\nfunc main() {}\n")
        tagged = replace(program, tags=("extra",))
        assert [entry.path for entry in program.entries(AMD64, workshop)] == ["hello"]
        with pytest.raises(CorpusError, match="main redeclared"):
            list(tagged.entries(AMD64, workshop))
        assert tagged.identity(AMD64, workshop) != program.identity(AMD64, workshop)

    def test_the_state_of_a_repository_changes_no_byte(self, program: GoProgram, workshop: Workshop) -> None:
        assert program.folder is not None
        first = read_program(program, workshop)
        git = ("git", "-c", "user.name=t", "-c", "user.email=t@example.com", "-C", str(program.folder.parent))
        for command in (("init", "--quiet"), ("add", "module"), ("commit", "--quiet", "--message=all")):
            subprocess.run([*git, *command], check=True)
        assert read_program(program, Workshop(workshop.cache / "another", workshop.tell)) == first

    def test_a_compilers_refusal_is_told(self, program: GoProgram, workshop: Workshop) -> None:
        assert program.folder is not None
        (program.folder / "main.go").write_text("package main\n\nfunc main() { nonsense }\n")
        with pytest.raises(CorpusError, match="undefined: nonsense"):
            list(program.entries(AMD64, workshop))


def test_a_missing_program_is_named(workshop: Workshop) -> None:
    with pytest.raises(CorpusError, match='Expected the program "no-such-program"'):
        workshop.run(["no-such-program"])
