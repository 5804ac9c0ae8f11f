"""Git bundles: git clones them, and their bytes depend on the commit alone."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from packhorse.app.git_bundle import make_git_bundle
from packhorse.base.errors import ConfigError, NetworkError

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="needs git")
GIT = Path(shutil.which("git") or "git")
ENVIRONMENT = {
    "PATH": os.environ["PATH"],
    "GIT_AUTHOR_NAME": "A", "GIT_AUTHOR_EMAIL": "a@example", "GIT_AUTHOR_DATE": "2026-01-01T00:00:00Z",
    "GIT_COMMITTER_NAME": "A", "GIT_COMMITTER_EMAIL": "a@example", "GIT_COMMITTER_DATE": "2026-01-01T00:00:00Z",
    "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_SYSTEM": "/dev/null",
}  # fmt: skip


def git(folder: Path, *arguments: str) -> str:
    """Run git."""
    done = subprocess.run(["git", *arguments], cwd=folder, env=ENVIRONMENT, check=True, capture_output=True, text=True)
    return done.stdout.strip()


@pytest.fixture(params=["sha1", "sha256"])
def repository(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """A repository with two commits, a large file and an empty one."""
    folder = tmp_path / "source"
    folder.mkdir()
    git(folder, "init", "--quiet", "--initial-branch=trunk", f"--object-format={request.param}")
    (folder / "large").write_bytes(os.urandom(200_000))
    (folder / "empty").touch()
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "-m", "one")
    (folder / "sub").mkdir()
    (folder / "sub" / "file").write_text("hello\n")
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "-m", "two")
    return folder


def test_git_clones_it_with_its_history(repository: Path, tmp_path: Path) -> None:
    commit = git(repository, "rev-parse", "HEAD")
    bundle = make_git_bundle(GIT, str(repository), "trunk", commit, ENVIRONMENT)
    (tmp_path / "x.bundle").write_bytes(bundle)
    git(tmp_path, "clone", "--quiet", "x.bundle", "clone")
    clone = tmp_path / "clone"
    assert git(clone, "rev-parse", "HEAD") == commit
    assert git(clone, "rev-parse", "--abbrev-ref", "HEAD") == "trunk"
    assert git(clone, "log", "--format=%s").splitlines() == ["two", "one"]
    assert (clone / "large").read_bytes() == (repository / "large").read_bytes()
    git(clone, "fsck", "--strict")


def test_packing_of_the_source_does_not_change_a_byte(repository: Path) -> None:
    commit = git(repository, "rev-parse", "HEAD")
    before = make_git_bundle(GIT, str(repository), "trunk", commit, ENVIRONMENT)
    git(repository, "gc", "--quiet", "--aggressive")
    git(repository, "branch", "other")
    assert make_git_bundle(GIT, str(repository), "trunk", commit, ENVIRONMENT) == before


def test_a_commit_that_is_gone_and_a_source_that_is_none(repository: Path, tmp_path: Path) -> None:
    commit = git(repository, "rev-parse", "HEAD")
    with pytest.raises(ConfigError, match="any more"):
        make_git_bundle(GIT, str(repository), "trunk", "1" * len(commit), ENVIRONMENT)
    with pytest.raises(NetworkError, match="could not fetch"):
        make_git_bundle(GIT, str(tmp_path / "nowhere"), "trunk", commit, ENVIRONMENT)
