"""Where the corpus keeps what it fetched and made, and how it runs other programs."""

import fcntl
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

from corpus.errors import CorpusError

__all__ = ["Workshop", "key_of"]


def key_of(value: Mapping[str, object]) -> str:
    """Give the SHA-256 of ``value`` as canonical JSON, in hex."""
    return sha256(json.dumps(value, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def _tell(message: str) -> None:
    print(message, file=sys.stderr, flush=True)


@dataclass(frozen=True, slots=True)
class Workshop:
    """The cache folder and the voice of one run.

    Everything in the cache appears under its final name by one rename, so that runs side by side, or killed half-way,
    leave nothing broken.
    """

    cache: Path
    tell: Callable[[str], None] = _tell
    environment: Mapping[str, str] = field(default_factory=dict)
    """Variables for all programs that are run."""

    def folder(self, *names: str) -> Path:
        """Give a folder of the cache, made when it is not there."""
        path = self.cache.joinpath(*names)
        path.mkdir(parents=True, exist_ok=True)
        return path

    @contextmanager
    def making(self, final: Path) -> Iterator[Path]:
        """Give a temporary folder that becomes ``final`` when the block ends well.

        Somebody else's ``final`` that appeared in the meantime stays, and ours is thrown away: it has the same bytes.
        """
        final.parent.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(dir=final.parent, prefix=f".{final.name[:16]}-"))
        try:
            yield draft
            draft.chmod(0o755)
            if not final.exists():
                try:
                    draft.rename(final)
                except OSError:
                    if not final.exists():
                        raise
        finally:
            shutil.rmtree(draft, ignore_errors=True)

    @contextmanager
    def making_file(self, final: Path) -> Iterator[Path]:
        """Give the path of a temporary file that becomes ``final`` when the block ends well."""
        final.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=final.parent, prefix=".") as folder:
            draft = Path(folder, final.name)
            yield draft
            draft.replace(final)

    @contextmanager
    def alone(self, folder: Path, work: str = "") -> Iterator[None]:
        """Wait until nobody else, in this process or another, is in this block for ``folder`` and ``work``."""
        with (folder / f".{work}lock").open("w") as stream:
            fcntl.flock(stream, fcntl.LOCK_EX)
            yield

    def run(
        self,
        command: Sequence[str | Path],
        *,
        cwd: Path | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> str:
        """Run another program and give what it printed.

        Args:
            command: The program and its arguments.
            cwd: Where it runs; here where it is left out.
            environment: Variables on top of our own.

        Raises:
            CorpusError: The program is not there, or failed; the message has the end of what it said.
        """
        words = [str(word) for word in command]
        try:
            done = subprocess.run(
                words,
                cwd=cwd,
                env={**os.environ, "LC_ALL": "C", **self.environment, **(environment or {})},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                check=False,
            )
        except FileNotFoundError as error:
            raise CorpusError(f'Expected the program "{words[0]}" on PATH, found none: install it.') from error
        if done.returncode != 0:
            tail = (done.stderr or done.stdout).strip()[-2000:]
            raise CorpusError(f"{' '.join(words[:6])} … ended with {done.returncode}:\n{tail}")
        return done.stdout
