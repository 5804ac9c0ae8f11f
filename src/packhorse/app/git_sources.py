"""Git repositories, asked by the git program: from a ref to a commit."""

import re

import msgspec

from packhorse.app.git_bundle import make_git_bundle
from packhorse.app.package_folder import PackageFolder
from packhorse.base.errors import ConfigError, NetworkError
from packhorse.base.program import Outcome, Program
from packhorse.package.lock import LockedGit

__all__ = ["GitSources", "is_local"]

_TIMEOUT_SECONDS = 600.0
_COMMIT = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_REMOTE = re.compile(r"^(?:https?|ssh|git|file)://|^[A-Za-z0-9._-]+@[A-Za-z0-9.-]+:")
_SAFE_REF = re.compile(r"(?!-)[A-Za-z0-9._/+@{}^~-]{1,250}")
_KEPT = (
    "PATH",
    "HOME",
    "SSH_AUTH_SOCK",
    "GIT_SSH",
    "GIT_SSH_COMMAND",
    "GIT_ASKPASS",
    "XDG_CONFIG_HOME",
    "GIT_SSL_CAINFO",
)


class GitSources(msgspec.Struct, frozen=True):
    """Asks repositories. The user's git configuration holds, for that is where credentials are.

    Attributes:
        git: The program.
        folder: Of the package; sources without a scheme are paths in it.
    """

    git: Program
    folder: PackageFolder

    def commit(self, source: str, ref: str) -> str:
        """Return the commit that a ref stands for; see :class:`packhorse.app.lock_resolver.GitResolver`."""
        if not _SAFE_REF.fullmatch(ref):
            raise ConfigError(f"git {source}: {ref!r} is not the name of a branch, tag or commit")
        if _COMMIT.fullmatch(ref):
            return ref
        place = self.place(source)
        outcome = self._run(["ls-remote", "--", place, ref, f"{ref}^{{}}"])
        if outcome.status:
            raise NetworkError(f"git {source}: {outcome.stderr}", hint="check the address, and that you may read it")
        found = dict(line.split("\t", 1)[::-1] for line in outcome.stdout.decode("utf-8", "replace").splitlines())
        for name in _readings(ref):
            if name in found:
                return found[name]
        raise ConfigError(f"git {source}: there is no branch, tag or commit {ref!r}")

    def place(self, source: str) -> str:
        """Return what to tell git: the URL, or the path of a repository in the package's folder."""
        if _REMOTE.search(source):
            return source
        if is_local(source):
            return str(self.folder.inside(source, "git repository"))
        raise ConfigError(f"git {source}: expected https://, ssh://, git@host:path or a path in the package's folder")

    def bundle(self, repository: LockedGit) -> bytes:
        """Return a git bundle of the locked commit and its history; see :func:`make_git_bundle`."""
        place = self.place(repository.source)
        return make_git_bundle(self.git.path, place, repository.ref, repository.commit, self._environment())

    def _run(self, arguments: list[str]) -> Outcome:
        """Run git; it never asks a question, and knows no transport that runs other programs."""
        fixed = {"GIT_TERMINAL_PROMPT": "0", "GIT_ALLOW_PROTOCOL": "file:git:http:https:ssh", "LC_ALL": "C"}
        environment = {**self._environment(), **fixed}
        return self.git.run(arguments, timeout_seconds=_TIMEOUT_SECONDS, environment=environment)

    def _environment(self) -> dict[str, str]:
        given = self.git.environment
        return {name: given[name] for name in given if name in _KEPT or name.lower().endswith("_proxy")}


def is_local(source: str) -> bool:
    """Whether a source is a path in the package's folder."""
    return "://" not in source and "::" not in source and not source.startswith("-")


def _readings(ref: str) -> list[str]:
    """What a ref may be, in git's own order (gitrevisions(7)); an annotated tag stands for its commit."""
    names = [ref, f"refs/{ref}", f"refs/tags/{ref}", f"refs/heads/{ref}"]
    return [variant for name in names for variant in (f"{name}^{{}}", name)]
