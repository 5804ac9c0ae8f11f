"""The API on aiohttp: requests in, answers out, each counted and logged."""

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from http import HTTPStatus
from typing import TypeVar

from packhorse.base.errors import PackhorseError
from packhorse.base.units import MIB
from packhorse.oci import graph, manifest
from packhorse.oci.digest import Digest
from packhorse.oci.model import Descriptor
from packhorse.oci.ports import BlobStream
from packhorse.registry.aiohttp_server import web
from packhorse.registry.answers import Answer, Code, Content, identified, json_answer, refusal
from packhorse.registry.api import PullApi, Teller
from packhorse.registry.asks import Ask
from packhorse.registry.bodies import BodyError, move_body, read_body
from packhorse.registry.gate import USER, Admission, Gate
from packhorse.registry.metrics import Finished, Metrics
from packhorse.registry.operator_api import OperatorApi
from packhorse.registry.ports import Catalog, SiteStore
from packhorse.registry.push_api import PushApi, Receive, refusal_of
from packhorse.registry.request_log import REQUEST_ID, Logged, log_request, request_id, request_id_of
from packhorse.registry.routes import Operation, Route, parse_route
from packhorse.registry.transfer import Run, Sender
from packhorse.registry.watching import Watched
from packhorse.store.refusals import StoreRefusal

__all__ = ["RegistryServer"]

_Result = TypeVar("_Result")

_log = logging.getLogger(__name__)

_POOL_THREADS = 8
_WRITER_THREADS = 8
"""Of their own: whoever pulls does not wait for those who push."""
_NAME = "packhorse"
_WITHOUT_BODY = frozenset({204, 304})
_MANIFEST_CACHE_BYTES = 64 * MIB
_UNWATCHED = Watched()


class RegistryServer:
    """Handles requests; one per event loop."""

    def __init__(
        self,
        catalog: Catalog,
        *,
        stall_seconds: float,
        connections: Callable[[], int],
        tell: Teller | None = None,
        gate: Gate | None = None,
        watched: Watched = _UNWATCHED,
    ) -> None:
        """Make a server.

        Args:
            catalog: What is served.
            tell: Says where a tag or digest of a repository is that is not here (see :class:`PullApi`).
            stall_seconds: How long a client may take for a part of an answer (see :class:`Sender`).
            connections: Tells how many connections there are, for the metrics.
            gate: Knows who may do what; None where everybody may do everything.
            watched: What those who run it can see beside the catalogue.
        """
        self._gate = gate
        self._catalog = catalog
        self._api = PullApi(catalog, tell)
        self._pushes = PushApi(catalog) if isinstance(catalog, SiteStore) else None
        self._metrics = Metrics()
        self._operators = OperatorApi(catalog, watched, self._metrics, connections)
        self._pool = ThreadPoolExecutor(_POOL_THREADS, thread_name_prefix="registry")
        self._writers = ThreadPoolExecutor(_WRITER_THREADS, thread_name_prefix="registry-writer")
        self._sender = Sender(self._pool, stall_seconds=stall_seconds)
        self._manifests = _ManifestCache(_MANIFEST_CACHE_BYTES)

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request."""
        started = time.monotonic()
        route = parse_route(request.path)
        exchange = _Exchange(request)
        request_id.set(exchange.id)
        try:
            if self._gate is None:
                answer = await self._decide(route, request, _ask(request))
            else:
                answer = await self._decide_behind(self._gate, route, request)
            if isinstance(answer.body, Content):
                return await self._answer_content(exchange, answer, answer.body)
            return exchange.small(answer)
        finally:
            finished = Finished(
                operation=route.operation,
                method=request.method,
                status=exchange.status,
                seconds=time.monotonic() - started,
                received_bytes=request.content.total_bytes,
                sent_bytes=exchange.sent_bytes,
                aborted=exchange.aborted,
            )
            self._metrics.count(finished)
            agent = request.headers.get("User-Agent", "")
            log_request(
                Logged(request.remote or "", request.path, request.query_string, route, agent, request.get(USER, "")),
                finished,
            )

    def close(self) -> None:
        """End the threads."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        self._writers.shutdown(wait=False, cancel_futures=True)
        self._operators.close()

    async def _decide_behind(self, gate: Gate, route: Route, request: web.BaseRequest) -> Answer:
        entered = await gate.admit(route, request)
        answer = entered if isinstance(entered, Answer) else await self._decide_for(entered, route, request)
        await gate.record(route, request, answer)
        return answer

    async def _decide_for(self, admission: Admission, route: Route, request: web.BaseRequest) -> Answer:
        ask = replace(_ask(request), sees=admission.sees)
        # Before anything is read or begun.
        refused = await self._looking(lambda: admission.check(self._catalog, route, ask))
        return await self._decide(route, request, ask) if refused is None else refused

    async def _decide(self, route: Route, request: web.BaseRequest, ask: Ask) -> Answer:
        if request.method not in ("GET", "HEAD") or (self._pushes is not None and route.operation is Operation.UPLOAD):
            return (
                self._api.refuse_write()
                if self._pushes is None
                else await self._take(self._pushes, route, request, ask)
            )
        if self._operators.takes(route):
            return await self._operators.answer(route, ask, self._api.counters["probes"])
        if route.operation is Operation.PROBE:
            return json_answer({"seen": self._api.probes_seen(route.target)})
        return await self._look(route, ask)

    async def _look(self, route: Route, ask: Ask) -> Answer:
        """Answer a request that changes nothing."""
        answer = await self._looking(lambda: self._api.answer(route, ask))
        pushes = self._pushes
        if (
            pushes is None
            or ask.method != "HEAD"
            or route.operation is not Operation.BLOB
            or answer.status != HTTPStatus.OK
        ):
            return answer
        # Whoever asks like this is about to push, and leaves out what is there: it must not be collected meanwhile.
        is_there = await self._in_thread(lambda: pushes.touch(route, ask))
        return answer if is_there else await self._looking(lambda: self._api.answer(route, ask))

    async def _take(self, pushes: PushApi, route: Route, request: web.BaseRequest, ask: Ask) -> Answer:
        """Answer a request that changes something."""
        try:
            if route.operation is Operation.MANIFEST and request.method == "PUT":
                return await self._take_manifest(pushes, route, request, ask)
            if not pushes.takes(route, request.method):
                return refusal(Code.UNSUPPORTED, f"{request.method} is nothing that can be done here")
            decided = await self._in_thread(lambda: pushes.begin(route, ask))
            if isinstance(decided, Receive):
                decided = await move_body(request, decided, self._in_thread)
        except BodyError as error:
            decided = refusal(Code.SIZE_INVALID, str(error), status=400)
        except StoreRefusal as error:
            decided = refusal_of(error)
        except (OSError, PackhorseError) as error:
            _log.error("cannot %s %s: %s", request.method, request.path, error)
            decided = refusal(Code.UNKNOWN, "the store cannot be written; its operator finds the reason in the log")
        return decided

    async def _take_manifest(self, pushes: PushApi, route: Route, request: web.BaseRequest, ask: Ask) -> Answer:
        content = await read_body(request, manifest.MAX_MANIFEST_BYTES)
        if content is None:
            return refusal(Code.SIZE_INVALID, f"a manifest has at most {manifest.MAX_MANIFEST_BYTES} bytes here")
        return await self._in_thread(lambda: pushes.put_manifest(route, ask, content))

    async def _looking(self, look: Callable[[], _Result]) -> _Result:
        """Look names up: at once where they are at hand, else in a thread."""
        return look() if self._catalog.is_instant else await self._in_thread(look)

    async def _in_thread(self, work: Callable[[], _Result]) -> _Result:
        return await asyncio.get_running_loop().run_in_executor(self._writers, work)

    async def _answer_content(self, exchange: "_Exchange", answer: Answer, content: Content) -> web.StreamResponse:
        loop = asyncio.get_running_loop()
        try:
            if content.is_manifest:
                known = self._manifests.get(content.descriptor.digest)
                self._metrics.count_cached_manifest(hit=known is not None)
                if known is None:
                    known = await loop.run_in_executor(self._pool, self._read_manifest, content.descriptor)
                    self._manifests.put(content.descriptor.digest, known)
                return exchange.small(Answer(answer.status, answer.headers, known))
            extent = await loop.run_in_executor(self._pool, self._catalog.locate, content.descriptor)
            run = Run(extent, content.span)
            if extent is not None:
                return await exchange.stream(
                    answer, run, lambda response, transport: self._sender.send_extent(response, transport, run)
                )
            return await self._answer_stream(exchange, answer, content, run)
        except PackhorseError as error:
            self._operators.suspect(content.descriptor)
            if exchange.response is not None:
                # The length is promised already: all that is left is to break off, so that the client sees it.
                _log.error("broke off %s: %s", content.descriptor.digest, error)
                return exchange.abort(exchange.response)
            _log.error("cannot serve %s: %s", content.descriptor.digest, error)
            return exchange.small(refusal(Code.UNKNOWN, f"{content.descriptor.digest} cannot be read: {error}"))

    async def _answer_stream(
        self, exchange: "_Exchange", answer: Answer, content: Content, run: Run
    ) -> web.StreamResponse:
        loop = asyncio.get_running_loop()

        def begin() -> BlobStream:
            return self._catalog.open(content.descriptor, offset=content.span.start)

        stream = await loop.run_in_executor(self._pool, begin)
        try:
            return await exchange.stream(
                answer, run, lambda response, transport: self._sender.send_stream(response, transport, stream, run)
            )
        finally:
            stream.close()

    def _read_manifest(self, descriptor: Descriptor) -> bytes:
        return graph.read_verified(self._catalog, descriptor, max_bytes=manifest.MAX_MANIFEST_BYTES)


def _ask(request: web.BaseRequest) -> Ask:
    length = None if "Transfer-Encoding" in request.headers else request.content_length or 0
    query = request.query
    return Ask(request.path, query, request.headers, request.method, tuple(query.getall("tag", ())), length)


class _Exchange:
    """One request and what was sent for it."""

    def __init__(self, request: web.BaseRequest) -> None:
        self._request = request
        self.id = request_id_of(request.headers)
        self._run: Run | None = None
        self._small_bytes = 0
        self.status = 0
        self.response: web.StreamResponse | None = None
        """What has begun to be sent."""
        self.aborted = False

    @property
    def sent_bytes(self) -> int:
        return self._small_bytes if self._run is None else self._run.sent

    def small(self, answer: Answer) -> web.Response:
        """Make a response whose body is in memory."""
        self.status = answer.status
        answer = identified(answer, self.id)
        assert isinstance(answer.body, bytes)  # noqa: S101 - narrows the type; callers have looked
        headers = {**answer.headers, "Server": _NAME, REQUEST_ID: self.id}
        if answer.status not in _WITHOUT_BODY:
            headers["Content-Length"] = str(len(answer.body))
        if self._request.method == "HEAD":
            return web.Response(status=answer.status, headers=headers)
        self._small_bytes = len(answer.body)
        return web.Response(status=answer.status, headers=headers, body=answer.body)

    async def stream(
        self, answer: Answer, run: Run, send: Callable[[web.StreamResponse, asyncio.Transport], Awaitable[None]]
    ) -> web.StreamResponse:
        """Send the headers, and unless it is a HEAD the body."""
        self.status = answer.status
        headers = {**answer.headers, "Content-Length": str(answer.length), "Server": _NAME, REQUEST_ID: self.id}
        response = web.StreamResponse(status=answer.status, headers=headers)
        if self._request.method == "HEAD":
            return response
        self._run = run
        self.response = response
        try:
            await response.prepare(self._request)
            transport = self._request.transport
            if transport is None:
                return self.abort(response)
            await send(response, transport)
        except ConnectionError as error:
            _log.debug("%s went away: %s", self._request.remote, error)
            return self.abort(response)
        return response

    def abort(self, response: web.StreamResponse) -> web.StreamResponse:
        """Break the connection off; what is returned is not sent any further."""
        self.aborted = True
        if (transport := self._request.transport) is not None:
            transport.abort()
        return response


class _ManifestCache:
    """The manifests read last, up to a number of bytes."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._bytes = 0
        self._contents: OrderedDict[Digest, bytes] = OrderedDict()

    def get(self, digest: Digest) -> bytes | None:
        content = self._contents.get(digest)
        if content is not None:
            self._contents.move_to_end(digest)
        return content

    def put(self, digest: Digest, content: bytes) -> None:
        if digest in self._contents:
            return
        self._contents[digest] = content
        self._bytes += len(content)
        while self._bytes > self._max_bytes:
            _, dropped = self._contents.popitem(last=False)
            self._bytes -= len(dropped)
