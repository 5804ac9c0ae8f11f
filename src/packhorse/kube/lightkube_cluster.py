"""A real cluster, through lightkube's connection: kubeconfig, credentials and TLS are its, objects stay plain JSON.

Lightkube's typed client knows the kinds it was generated from; a package may bring any kind. So requests are made from
the API's own discovery documents, and objects pass as they are.
"""

import random
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from http import HTTPStatus
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote, urlsplit

import httpx2
import msgspec
from lightkube.config import client_adapter
from lightkube.core.exceptions import ConfigError as LightkubeConfigError

from packhorse.base.errors import ClusterError, ConfigError, NetworkError
from packhorse.kube import api_errors
from packhorse.kube.errors import NotServedError
from packhorse.kube.fields import mapping, objects
from packhorse.kube.kubeconfig import load_kubeconfig
from packhorse.kube.object_identity import KubeObject, ObjectIdentity
from packhorse.kube.ports import ApplyOptions, ServedKind
from packhorse.oci.registry_settings import ProxySettings

__all__ = ["LightkubeCluster"]

_CONNECT_TIMEOUT_SECONDS = 10.0
_READ_TIMEOUT_SECONDS = 30.0
_ANSWER_SECONDS = 60.0
"""For a whole answer: the read timeout starts anew with every byte that a server drips."""
_TRIES = 4
_FIRST_PAUSE_SECONDS = 0.25
_MAX_PAUSE_SECONDS = 5.0
_PAGE_SIZE = 500
_RETRIED = frozenset({429, 502, 503, 504})
_MAX_LOG_BYTES = 64 * 1024
_KEEPS_STATUS = "has a subresource for its status"
"""Beside what the API says of a resource."""

_NO_PROXIES = ProxySettings()


class LightkubeCluster:
    """One cluster as one user. Implements :class:`packhorse.kube.ports.Cluster`; safe to use from several threads.

    Requests that change nothing twice (reads, applies, deletes by identity) are tried again when the server is busy or
    the connection breaks; creations and replacements only when the server says that it did nothing.
    """

    def __init__(
        self,
        client: httpx2.Client,
        *,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Take over an open connection, whose base URL is the API server's.

        Args:
            client: Closed by :meth:`close`.
            sleep: Pauses between tries, in seconds.
            clock: Seconds that never go back.
        """
        self._client = client
        self._sleep = sleep
        self._clock = clock
        self._resources: dict[str, dict[str, KubeObject]] = {}

    @classmethod
    def connect(
        cls, kubeconfig: Sequence[Path], context: str | None = None, *, proxies: ProxySettings = _NO_PROXIES
    ) -> Self:
        """Prepare a connection from kubeconfig files; nothing is sent yet.

        Args:
            kubeconfig: As ``KUBECONFIG`` lists them.
            context: Of the kubeconfig; its current one where it is left out.
            proxies: What the server is asked through.

        Raises:
            ConfigError: The kubeconfig can't be used.
        """
        config = load_kubeconfig(kubeconfig, context)
        timeout = httpx2.Timeout(_READ_TIMEOUT_SECONDS, connect=_CONNECT_TIMEOUT_SECONDS)
        try:
            settings = client_adapter.ConnectionParams(timeout=timeout).httpx_params(config)
            # Left to itself, the library reads the environment, and takes a proxy for this very machine too.
            settings.update(trust_env=False, proxy=_proxy_for(config.cluster.server, proxies))
            client = httpx2.Client(**settings)
        except (LightkubeConfigError, OSError, ValueError) as error:
            raise ConfigError(f"cannot use the kubeconfig's context {config.context_name}: {error}") from error
        return cls(client)

    def close(self) -> None:
        """Close all connections."""
        self._client.close()

    def __enter__(self) -> Self:
        """Return the cluster itself."""
        return self

    def __exit__(self, *exc_info: object) -> None:
        """Close."""
        self.close()

    def server_version(self) -> str:
        """Return the API server's version."""
        return str(self._json("GET", "/version", "ask for the server's version").get("gitVersion", ""))

    def is_namespaced(self, api_version: str, kind: str) -> bool:
        """Whether objects of this kind live in namespaces."""
        return self._resource(api_version, kind).get("namespaced") is True

    def keeps_status(self, api_version: str, kind: str) -> bool:
        """Whether objects of this kind have a status that is written apart."""
        return self._resource(api_version, kind)[_KEEPS_STATUS] is True

    def namespaced_kinds(self) -> tuple[ServedKind, ...]:
        """List every kind that lives in namespaces and can be listed."""
        groups = self._json("GET", "/apis", "list the API's groups").get("groups")
        versions = ["v1"]
        versions += [str(mapping(group.get("preferredVersion")).get("groupVersion")) for group in objects(groups)]
        return tuple(
            ServedKind(version, kind)
            for version in versions
            for kind, resource in self._discover(version).items()
            if resource.get("namespaced") is True and "list" in (resource.get("verbs") or ())
        )

    def get(self, identity: ObjectIdentity) -> KubeObject | None:
        """Return the object, or None."""
        response = self._send("GET", self._path_of(identity), f"read {identity.title}", absent_is_fine=True)
        return None if response.status_code == HTTPStatus.NOT_FOUND else _decode(response)

    def list(self, kind: ServedKind, *, namespace: str = "", labels: str = "") -> tuple[KubeObject, ...]:
        """Return all objects of a kind."""
        path = self._path(kind.api_version, kind.kind, namespace)
        params = {"limit": str(_PAGE_SIZE), **({"labelSelector": labels} if labels else {})}
        found: list[KubeObject] = []
        while True:
            page = self._json("GET", path, f"list objects of kind {kind.kind}", params=params)
            # Items of a list come without their type.
            typed = {"apiVersion": kind.api_version, "kind": kind.kind}
            found.extend({**typed, **item} for item in objects(page.get("items")))
            following = mapping(page.get("metadata")).get("continue")
            if not following:
                return tuple(found)
            params["continue"] = str(following)

    def apply(self, obj: KubeObject, options: ApplyOptions) -> KubeObject:
        """Apply on the server's side."""
        identity = ObjectIdentity.of(obj)
        params = {
            "fieldManager": options.manager,
            "force": str(options.force).lower(),
            "fieldValidation": "Strict" if options.strict else "Ignore",
        }
        if options.dry_run:
            params["dryRun"] = "All"
        doing = f"{'check' if options.dry_run else 'apply'} {identity.title}"
        return self._json(
            "PATCH", self._path_of(identity), doing, params=params, body=obj, media_type="application/apply-patch+yaml"
        )

    def create(self, obj: KubeObject) -> KubeObject:
        """Create the object."""
        identity = ObjectIdentity.of(obj)
        path = self._path(identity.api_version, identity.kind, identity.namespace)
        return self._json("POST", path, f"create {identity.title}", body=obj)

    def replace(self, obj: KubeObject) -> KubeObject:
        """Replace the object."""
        identity = ObjectIdentity.of(obj)
        return self._json("PUT", self._path_of(identity), f"update {identity.title}", body=obj)

    def delete(self, identity: ObjectIdentity, *, uid: str = "") -> bool:
        """Ask for the object's deletion."""
        options: KubeObject = {"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": "Background"}
        if uid:
            options["preconditions"] = {"uid": uid}
        try:
            path = self._path_of(identity)
        except NotServedError:
            return False
        response = self._send("DELETE", path, f"delete {identity.title}", body=options, absent_is_fine=True)
        return response.status_code != HTTPStatus.NOT_FOUND

    def events(self, namespace: str, uid: str) -> tuple[KubeObject, ...]:
        """Return the events about an object, the newest last."""
        path = f"/api/v1/namespaces/{quote(namespace or 'default', safe='')}/events"
        page = self._json("GET", path, "read events", params={"fieldSelector": f"involvedObject.uid={uid}"})
        return tuple(sorted(objects(page.get("items")), key=_event_time))

    def log_tail(self, pod: ObjectIdentity, container: str, *, lines: int, previous: bool = False) -> tuple[str, ...]:
        """Return the last lines of a container's log; empty when the kubelet has none or can't be asked."""
        params = {"container": container, "tailLines": str(lines), "limitBytes": str(_MAX_LOG_BYTES)}
        if previous:
            params["previous"] = "true"
        try:
            response = self._send("GET", f"{self._path_of(pod)}/log", f"read the log of {pod.title}", params=params)
        except (ClusterError, NetworkError):
            return ()
        return tuple(response.text.splitlines()[-lines:])

    def _resource(self, api_version: str, kind: str) -> KubeObject:
        found = self._discover(api_version).get(kind)
        if found is None:
            # A CustomResourceDefinition may have come since.
            self._resources.pop(api_version, None)
            found = self._discover(api_version).get(kind)
        if found is None:
            raise NotServedError(
                f"the cluster has no kind {kind} in {api_version}",
                hint="is its CustomResourceDefinition in the package, or installed?",
            )
        return found

    def _discover(self, api_version: str) -> dict[str, KubeObject]:
        """Return the resources of a group and version by their kind; of subresources only whether there is a status."""
        known = self._resources.get(api_version)
        if known is not None:
            return known
        path = f"/apis/{api_version}" if "/" in api_version else f"/api/{api_version}"
        response = self._send("GET", path, f"ask the API server what {api_version} has", absent_is_fine=True)
        if response.status_code == HTTPStatus.NOT_FOUND:
            return {}
        resources = tuple(objects(_decode(response).get("resources")))
        names = {str(each.get("name")) for each in resources}
        found = {
            str(each.get("kind")): {**each, _KEEPS_STATUS: f"{each.get('name')}/status" in names}
            for each in resources
            if "/" not in str(each.get("name"))
        }
        self._resources[api_version] = found
        return found

    def _path_of(self, identity: ObjectIdentity) -> str:
        return f"{self._path(identity.api_version, identity.kind, identity.namespace)}/{quote(identity.name, safe='')}"

    def _path(self, api_version: str, kind: str, namespace: str) -> str:
        resource = self._resource(api_version, kind)
        root = f"/apis/{api_version}" if "/" in api_version else f"/api/{api_version}"
        inside = f"/namespaces/{quote(namespace, safe='')}" if namespace and resource.get("namespaced") else ""
        return f"{root}{inside}/{resource['name']}"

    def _json(self, method: str, path: str, doing: str, **options: Any) -> KubeObject:
        return _decode(self._send(method, path, doing, **options))

    def _send(  # noqa: PLR0913 - one request has that many parts
        self,
        method: str,
        path: str,
        doing: str,
        *,
        params: Mapping[str, str] | None = None,
        body: KubeObject | None = None,
        media_type: str = "application/json",
        absent_is_fine: bool = False,
    ) -> httpx2.Response:
        content = None if body is None else msgspec.json.encode(body)
        headers = {} if body is None else {"Content-Type": media_type}
        for attempt in range(1, _TRIES + 1):
            last = attempt == _TRIES
            try:
                response = self._receive(
                    self._client.build_request(method, path, params=params, content=content, headers=headers)
                )
            except httpx2.TransportError as error:
                if last or method in {"POST", "PUT"} or isinstance(error, httpx2.ConnectError):
                    raise _broken(doing, self._client.base_url, error) from error
                self._sleep(_pause(attempt, None))
                continue
            except (LightkubeConfigError, httpx2.HTTPError, OSError) as error:
                raise ClusterError(f"cannot {doing}: {error}") from error
            if response.status_code not in _RETRIED or last:
                break
            self._sleep(_pause(attempt, response.headers.get("Retry-After")))
        if response.status_code == HTTPStatus.NOT_FOUND and absent_is_fine:
            return response
        if response.status_code >= HTTPStatus.BAD_REQUEST:
            raise api_errors.refusal(doing, response.status_code, _status_of(response))
        return response

    def _receive(self, request: httpx2.Request) -> httpx2.Response:
        """Send a request and read its answer to the end, in bounded time."""
        end = self._clock() + _ANSWER_SECONDS
        pieces = []
        with closing(self._client.send(request, stream=True)) as response:
            for piece in response.iter_bytes():
                pieces.append(piece)
                if self._clock() > end:
                    message = f"its answer did not come to an end within {_ANSWER_SECONDS:.0f} s"
                    raise httpx2.ReadTimeout(message, request=request)
        # What is in the pieces is unpacked already.
        headers = [(name, value) for name, value in response.headers.items() if name != "content-encoding"]
        return httpx2.Response(response.status_code, headers=headers, content=b"".join(pieces), request=request)


def _pause(attempt: int, retry_after: str | None) -> float:
    """Return how many seconds to wait before the next try: as asked, else doubling with jitter."""
    if retry_after is not None and retry_after.isdigit():
        return min(float(retry_after), _MAX_PAUSE_SECONDS)
    return float(min(_FIRST_PAUSE_SECONDS * 2 ** (attempt - 1), _MAX_PAUSE_SECONDS) * random.uniform(0.5, 1.0))  # noqa: S311 - jitter


def _broken(doing: str, server: httpx2.URL, error: httpx2.TransportError) -> NetworkError:
    what = str(error) or type(error).__name__
    return NetworkError(
        f"cannot {doing}: the API server {server} does not answer: {what}",
        hint="is the cluster up, and is this the right --kubeconfig and --context?",
    )


def _decode(response: httpx2.Response) -> KubeObject:
    try:
        return msgspec.json.decode(response.content, type=dict[str, Any])
    except (msgspec.DecodeError, msgspec.ValidationError) as error:
        raise ClusterError(f"the API server answered {response.url} with something that is no JSON object") from error


def _status_of(response: httpx2.Response) -> KubeObject:
    try:
        return _decode(response)
    except ClusterError:
        return {}


def _event_time(event: KubeObject) -> str:
    series = mapping(event.get("series")).get("lastObservedTime")
    return str(series or event.get("lastTimestamp") or event.get("eventTime") or event.get("firstTimestamp") or "")


def _proxy_for(server: str, proxies: ProxySettings) -> str | None:
    parts = urlsplit(server)
    return proxies.proxy_for(parts.scheme, parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80))
