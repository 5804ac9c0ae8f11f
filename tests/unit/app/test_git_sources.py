"""Git refs: what they stand for, and what is refused before git is asked."""

import subprocess
from pathlib import Path

import pytest

from packhorse.app.git_sources import GitSources
from packhorse.app.package_folder import PackageFolder
from packhorse.base.errors import ConfigError, NetworkError
from packhorse.package.lock import LockedGit
from tests.support.programs import GIT, needs_git, program

pytestmark = needs_git

IDENTITY = [
    "-c",
    "user.name=A",
    "-c",
    "user.email=a@example.com",
    "-c",
    "commit.gpgsign=false",
    "-c",
    "tag.gpgsign=false",
]


def git(folder: Path, *arguments: str) -> str:
    assert GIT is not None
    done = subprocess.run([GIT, "-C", str(folder), *IDENTITY, *arguments], check=True, capture_output=True, text=True)
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = tmp_path / "repo"
    folder.mkdir()
    git(folder, "init", "-q", "-b", "main")
    (folder / "a.txt").write_text("a")
    git(folder, "add", ".")
    git(folder, "commit", "-q", "-m", "one")
    git(folder, "tag", "light")
    git(folder, "tag", "-a", "-m", "note", "v1")
    git(folder, "checkout", "-q", "-b", "work/next")
    git(folder, "commit", "-q", "--allow-empty", "-m", "two")
    git(folder, "branch", "both")
    git(folder, "tag", "both", "main")
    return folder


@pytest.fixture
def sources(tmp_path: Path, repository: Path) -> GitSources:
    assert repository.parent == tmp_path
    return GitSources(program(GIT), PackageFolder(tmp_path))


@pytest.mark.parametrize(
    ("ref", "means"),
    [
        ("main", "main"),
        ("refs/heads/main", "main"),
        ("work/next", "work/next"),
        ("HEAD", "work/next"),
        ("light", "main"),
        ("v1", "main"),
        ("refs/tags/v1", "main"),
        ("both", "main"),
        ("heads/both", "work/next"),
    ],
)
def test_a_ref_stands_for_its_commit(sources: GitSources, repository: Path, ref: str, means: str) -> None:
    expected = git(repository, "rev-parse", f"refs/heads/{means}")
    assert sources.commit("repo", ref) == expected
    assert sources.commit(f"file://{repository}", ref) == expected


def test_a_commit_stands_for_itself(sources: GitSources) -> None:
    assert sources.commit("https://example.com/nowhere", "a" * 40) == "a" * 40


def test_a_missing_ref_is_named(sources: GitSources) -> None:
    with pytest.raises(ConfigError, match="git repo: there is no branch, tag or commit 'gone'"):
        sources.commit("repo", "gone")


def test_a_repository_that_is_none(sources: GitSources, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(NetworkError, match="git empty: "):
        sources.commit("empty", "main")


@pytest.mark.parametrize("source", ["ext::sh -c x", "fd::3", "--upload-pack=x", "ftp://example.com/x"])
def test_transports_that_run_programs_are_refused(sources: GitSources, source: str) -> None:
    with pytest.raises(ConfigError, match="expected https://"):
        sources.commit(source, "main")


@pytest.mark.parametrize("ref", ["--all", "-x", "a b", "", "a\nb", "x" * 300])
def test_names_that_are_no_refs_are_refused(sources: GitSources, ref: str) -> None:
    with pytest.raises(ConfigError, match="not the name of a branch"):
        sources.commit("repo", ref)


def test_a_path_stays_in_the_package(sources: GitSources) -> None:
    with pytest.raises(ConfigError, match="git repository: "):
        sources.commit("../elsewhere", "main")


def test_a_locked_commit_becomes_a_bundle_that_git_clones(
    sources: GitSources, repository: Path, tmp_path: Path
) -> None:
    commit = sources.commit("repo", "v1")
    locked = LockedGit(component="a", name="g", source="repo", ref="v1", commit=commit)
    content = sources.bundle(locked)
    assert content == sources.bundle(locked)
    (tmp_path / "g.bundle").write_bytes(content)
    git(tmp_path, "clone", "-q", "g.bundle", "clone")
    assert git(tmp_path / "clone", "rev-parse", "HEAD") == commit
    assert (tmp_path / "clone" / "a.txt").read_text() == (repository / "a.txt").read_text()
