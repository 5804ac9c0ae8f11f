"""How the server and what it serves are doing: readiness of each source, and how full the store is.

What must wait for a disk or a network is asked in threads of its own, at most once in a while, and a source that never
answers holds up nobody: it is not ready.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Generic, TypeVar

from packhorse.base.errors import PackhorseError
from packhorse.oci.digest import Digest
from packhorse.oci.model import Descriptor
from packhorse.registry.ports import Catalog, Checked, StoreMeter
from packhorse.store.usage import Usage

__all__ = ["Users", "Watch", "Watched"]

_T = TypeVar("_T")

_log = logging.getLogger(__name__)

_CHECK_FRESH_SECONDS = 2.0
_FIGURE_FRESH_SECONDS = 30.0
_PATIENCE_SECONDS = 5.0

Users = Callable[[str, Digest], Sequence[str]]
"""Says which packages name a manifest of a repository (``shop 1.4.0``), for people."""


def _nobody(_name: str, _digest: Digest) -> Sequence[str]:
    return ()


@dataclass(frozen=True, slots=True)
class Watched:
    """What there is to see beside the catalogue itself; whoever starts the server knows it.

    Attributes:
        sources: Each source that is served, by the name that its operator gave it.
        meter: The store that tells how full it is.
        conflicts: Counts the tags that two sources give to two manifests.
        certificate_not_after: Tells when the server's certificate ends, in seconds since 1970; may wait for a disk.
        users: Tells which packages name a manifest.
    """

    sources: Mapping[str, Catalog] | None = None
    meter: StoreMeter | None = None
    conflicts: Callable[[], int] | None = None
    certificate_not_after: Callable[[], float] | None = None
    users: Users = _nobody


class Watch:
    """Asks what is watched; used on one event loop."""

    def __init__(self, catalog: Catalog, watched: Watched) -> None:
        sources = {"catalog": catalog} if watched.sources is None else watched.sources
        meter = watched.meter if watched.meter is not None else _meter_of(catalog)
        # As many as can hang: a dead source keeps its thread.
        self._pool = ThreadPoolExecutor(len(sources) + 3, thread_name_prefix="registry-watch")
        self._sources = dict(sources)
        self._suspects: set[str] = set()
        self._checks = {
            name: _Remembered(self._pool, _check_of(source), _CHECK_FRESH_SECONDS) for name, source in sources.items()
        }
        self._usage = None if meter is None else self._figure(meter.usage, "how full the store is")
        ends = watched.certificate_not_after
        self._ends = None if ends is None else self._figure(ends, "when the certificate ends")

    async def readiness(self) -> dict[str, str | None]:
        """Say of each source why it is not ready; None where it is."""
        found = await asyncio.gather(*(each.get() for each in self._checks.values()))
        late = f"no answer within {_PATIENCE_SECONDS:.0f} s"
        return {
            name: late if reason is None else reason or None for name, reason in zip(self._checks, found, strict=True)
        }

    async def usage(self) -> Usage | None:
        """Say how full the store is; None where nobody can tell."""
        return None if self._usage is None else await self._usage.get()

    async def certificate_not_after(self) -> float | None:
        """Say when the server's certificate ends, in seconds since 1970; None where nobody can tell."""
        return None if self._ends is None else await self._ends.get()

    @property
    def suspects(self) -> int:
        """How many sources gave a read error or wrong bytes since the server began."""
        return len(self._suspects)

    def suspect(self, descriptor: Descriptor) -> None:
        """Remember the source that could not give some content, and say so in the log; looked for in a thread."""

        def find() -> None:
            name = next((name for name, source in self._sources.items() if _has(source, descriptor)), None)
            if name is not None and name not in self._suspects:
                self._suspects.add(name)
                _log.error("%s is suspect: it could not give %s as it should be", name, descriptor.digest)

        self._pool.submit(find)

    def _figure(self, ask: Callable[[], _T], what: str) -> "_Remembered[_T | None]":
        def figure() -> _T | None:
            try:
                return ask()
            except (PackhorseError, OSError) as error:
                _log.error("cannot tell %s: %s", what, error)
                return None

        return _Remembered(self._pool, figure, _FIGURE_FRESH_SECONDS)

    def close(self) -> None:
        """End the threads, but for those that hang."""
        self._pool.shutdown(wait=False, cancel_futures=True)


class _Remembered(Generic[_T]):
    """Something that is asked in a thread, once at a time, and kept for a while."""

    def __init__(self, pool: ThreadPoolExecutor, ask: Callable[[], _T], fresh_seconds: float) -> None:
        self._pool = pool
        self._ask = ask
        self._fresh_seconds = fresh_seconds
        self._asking: asyncio.Future[_T] | None = None
        self._known: _T | None = None
        self._until = 0.0

    async def get(self) -> _T | None:
        """Return what is known, or ask; None when no answer comes in time."""
        if time.monotonic() < self._until:
            return self._known
        if self._asking is None:
            self._asking = asyncio.get_running_loop().run_in_executor(self._pool, self._ask)
            self._asking.add_done_callback(self._keep)
        asking = self._asking
        done, _ = await asyncio.wait([asking], timeout=_PATIENCE_SECONDS)
        return asking.result() if done else None

    def _keep(self, asked: asyncio.Future[_T]) -> None:
        self._asking = None
        if not asked.cancelled() and asked.exception() is None:
            self._known = asked.result()
            self._until = time.monotonic() + self._fresh_seconds


def _has(source: Catalog, descriptor: Descriptor) -> bool:
    try:
        return source.locate(descriptor) is not None
    except (PackhorseError, OSError):
        return True


def _meter_of(catalog: Catalog) -> StoreMeter | None:
    return catalog if isinstance(catalog, StoreMeter) else None


def _check_of(source: Catalog) -> Callable[[], str]:
    """Make a check that gives the reason why a source is not ready, or an empty text."""

    def check() -> str:
        try:
            if isinstance(source, Checked):
                source.check()
            else:
                source.registries("")
        except (PackhorseError, OSError) as error:
            _log.error("not ready: %s", error)
            return str(error) or type(error).__name__
        return ""

    return check
