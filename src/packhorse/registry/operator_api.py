"""What a server tells those who run it: whether it lives, whether it is ready, its figures, and pages for a browser."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from packhorse.oci.model import Descriptor
from packhorse.registry.answers import Answer, Code, json_answer, refusal
from packhorse.registry.asks import Ask
from packhorse.registry.exposition import CONTENT_TYPE
from packhorse.registry.metrics import Measured, Metrics
from packhorse.registry.pages.site import Pages
from packhorse.registry.ports import Catalog
from packhorse.registry.routes import Operation, Route
from packhorse.registry.watching import Watch, Watched

__all__ = ["OperatorApi"]

_T = TypeVar("_T")

_PAGE_THREADS = 2
"""Of their own: whoever looks at pages does not hold up pulls."""


class OperatorApi:
    """Answers on the event loop, and leaves to threads what must wait."""

    def __init__(self, catalog: Catalog, watched: Watched, metrics: Metrics, connections: Callable[[], int]) -> None:
        """Make it.

        Args:
            catalog: What is served.
            watched: What there is to see beside it.
            metrics: What was counted.
            connections: Tells how many connections there are.
        """
        self._watched = watched
        self._watch = Watch(catalog, watched)
        self._metrics = metrics
        self._connections = connections
        self._pages = Pages(catalog, watched.users)
        self._pool = ThreadPoolExecutor(_PAGE_THREADS, thread_name_prefix="registry-pages")

    @staticmethod
    def takes(route: Route) -> bool:
        """Whether this half of the server answers."""
        return route.operation in (Operation.HEALTH, Operation.READY, Operation.METRICS, Operation.PAGE)

    async def answer(self, route: Route, ask: Ask, probes: int) -> Answer:
        """Answer a GET or HEAD; ``probes`` is how many requests for probed repositories there were."""
        if route.operation is Operation.HEALTH:
            return Answer(200, {"Content-Type": "text/plain"}, b"ok\n")
        if route.operation is Operation.READY:
            return await self._ready(all_of_it=ask.sees is None)
        if route.operation is Operation.METRICS:
            return Answer(200, {"Content-Type": CONTENT_TYPE}, self._metrics.render(await self._measure(probes)))
        if ask.path == "/" and "text/html" not in ask.headers.get("Accept", ""):
            return refusal(Code.NAME_UNKNOWN, "there is nothing here; the API is at /v2/, pages for people at /ui/")
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._pool, self._pages.answer, route.target, ask)

    def suspect(self, descriptor: Descriptor) -> None:
        """Take down that a source could not give some content."""
        self._watch.suspect(descriptor)

    def close(self) -> None:
        """End the threads."""
        self._watch.close()
        self._pool.shutdown(wait=False, cancel_futures=True)

    async def _ready(self, *, all_of_it: bool) -> Answer:
        """Say whether all sources are ready; which one is not, and why, is for those who may see everything."""
        reasons = await self._watch.readiness()
        ready = all(reason is None for reason in reasons.values())
        sources = [
            {"name": name, "ready": reason is None, **({} if reason is None else {"reason": reason})}
            for name, reason in reasons.items()
        ]
        shown: dict[str, object] = {"ready": ready, **({"sources": sources} if all_of_it else {})}
        answer = json_answer(shown, status=200 if ready else 503)
        answer.headers["Cache-Control"] = "no-store"
        return answer

    async def _measure(self, probes: int) -> Measured:
        watched = self._watched
        reasons, usage, ends = await asyncio.gather(
            self._watch.readiness(), self._watch.usage(), self._watch.certificate_not_after()
        )
        return Measured(
            connections=self._connections(),
            probes=probes,
            usage=usage,
            ready={name: reason is None for name, reason in reasons.items()},
            conflicts=_asked(watched.conflicts),
            suspects=self._watch.suspects,
            certificate_not_after=ends,
        )


def _asked(ask: Callable[[], _T] | None) -> _T | None:
    return None if ask is None else ask()
