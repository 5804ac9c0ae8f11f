"""Which servers are asked for a repository, in which order, and what is told when none of them has an answer."""

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from urllib.parse import urlencode, urlsplit

from packhorse.base.errors import NetworkError, PackhorseError, RegistryError
from packhorse.oci import distribution_errors
from packhorse.oci.distribution_auth import Scope, Server
from packhorse.oci.distribution_errors import NotFoundError
from packhorse.oci.distribution_exchange import Call, Exchange
from packhorse.oci.distribution_failures import TransportFailure
from packhorse.oci.distribution_transport import Answer
from packhorse.oci.mirrors import Location, PullBy
from packhorse.oci.reference import DEFAULT_REGISTRY
from packhorse.oci.registry_settings import RegistrySettings, is_loopback
from packhorse.oci.retry import Attempts, Pacing

__all__ = ["Access", "Place", "Router", "refused"]

_DOCKER_HUB_HOST = "registry-1.docker.io"
_TRIES_AT_A_MIRROR = 2
_DOWN_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Place:
    """A repository on one server."""

    server: Server
    repository: str
    namespace: str | None = None
    is_mirror: bool = False
    pull_by: PullBy = "all"

    def path(self, tail: str, **query: str) -> str:
        """Return the path and query of an endpoint: ``/v2/<repository>/<tail>?ns=…``."""
        if self.namespace is not None:
            query["ns"] = self.namespace
        return f"/v2/{self.repository}/{tail}" + (f"?{urlencode(query)}" if query else "")


class Router:
    """Turns locations into servers, and remembers which mirrors can't be reached. Shared by all threads."""

    def __init__(self, settings: RegistrySettings, pacing: Pacing) -> None:
        self._settings = settings
        self._pacing = pacing
        self._down: dict[str, float] = {}
        self._lock = threading.Lock()

    def places(self, locations: Sequence[Location]) -> tuple[Place, ...]:
        """Return the places to ask, best first, without mirrors that could not be reached lately."""
        found = [place for location in locations for place in self._places(location)]
        now = self._pacing.clock()
        with self._lock:
            up = [place for place in found if self._down.get(place.server.base, 0.0) <= now]
        return tuple(up or found)

    def report_down(self, place: Place) -> None:
        """Leave a mirror out for a while: its connection could not be made or broke."""
        if place.is_mirror:
            with self._lock:
                self._down[place.server.base] = self._pacing.clock() + _DOWN_SECONDS

    def attempts(self, *, is_last: bool) -> Attempts:
        """Begin to count tries: few where there is somewhere else to ask."""
        policy = self._settings.retry
        if not is_last:
            policy = replace(policy, tries=min(policy.tries, _TRIES_AT_A_MIRROR))
        return Attempts(policy, self._pacing)

    def _places(self, location: Location) -> Iterator[Place]:
        host = _DOCKER_HUB_HOST if location.host == DEFAULT_REGISTRY else location.host
        scheme = location.scheme or self._scheme(host)
        # "Insecure" in registries.conf allows both a certificate that does not check out and no TLS at all.
        schemes = ("https", "http") if location.insecure and not location.scheme else (scheme,)
        for each in schemes:
            server = Server(f"{each}://{host}", location.host, insecure=location.insecure)
            yield Place(server, location.repository, location.namespace, location.is_mirror, location.pull_by)

    def _scheme(self, host: str) -> str:
        settings = self._settings
        if not settings.plain_http_hosts.isdisjoint({"*", host}):
            return "http"
        wants_tls = (
            settings.ca_file is not None
            or not settings.insecure_hosts.isdisjoint({"*", host})
            or any((folder / host).is_dir() for folder in settings.certificate_folders)
        )
        return "http" if is_loopback(urlsplit(f"//{host}").hostname or "") and not wants_tls else "https"


@dataclass(frozen=True, slots=True)
class Access:
    """How one repository is reached: what is shared by everything that is done to it."""

    exchange: Exchange
    router: Router
    registry: str
    repository: str
    locations: tuple[Location, ...]
    writes: bool = False
    """Leave to write is asked for from the start, rather than when the first write comes."""

    def direct(self) -> "Access":
        """The same repository without its mirrors, to be written to."""
        return replace(self, locations=(Location(self.registry, self.repository),), writes=True)

    def scope(self, place: Place) -> Scope:
        """What to ask leave for."""
        actions = "pull,push" if self.writes and not place.is_mirror else "pull"
        return frozenset({f"repository:{place.repository}:{actions}"})

    @property
    def name(self) -> str:
        """Registry and repository."""
        return f"{self.registry}/{self.repository}"

    def written(self, target: str) -> str:
        """The name of a tag or digest in it."""
        return f"{self.name}{'@' if ':' in target else ':'}{target}"

    def places(self, *, by_digest: bool) -> tuple[Place, ...]:
        """Where to read, best first; at least one.

        Raises:
            RegistryError: The mirrors are for the other kind of reading only, and the upstream is ruled out.
        """
        unwanted = "tag" if by_digest else "digest"
        found = tuple(place for place in self.router.places(self.locations) if place.pull_by != unwanted)
        if not found:
            kind = "digest" if by_digest else "tag"
            raise RegistryError(
                f"no mirror of {self.name} may be asked by {kind}, and nothing but mirrors may be asked",
                hint="leave out --mirror-only, or see pull-from-mirror in registries.conf",
            )
        return found

    def upstream(self) -> Place:
        """Where to write: of a repository without mirrors, the one place that it has."""
        return self.router.places(self.locations)[-1]

    def ask(
        self, places: Sequence[Place], call: Callable[[Place], Call], good: frozenset[int] = frozenset({200})
    ) -> tuple[Place, Answer]:
        """Ask one place after the other, until one gives a good answer; return both.

        Raises:
            NotFoundError: Some answer that there is no such thing, and the last can't be reached.
            NetworkError, RegistryError: None does; of the family of the last one's failure, and naming all.
        """
        failures: list[PackhorseError] = []
        for index, place in enumerate(places):
            question = call(place)
            attempts = self.router.attempts(is_last=index == len(places) - 1)
            try:
                answer = self.exchange.run(place.server, question, attempts)
                if answer.status in good:
                    return place, answer
                failures.append(refused(question.what, place, answer))
            except NetworkError as error:
                self.router.report_down(place)
                failures.append(error)
            except RegistryError as error:
                failures.append(error)
        raise _all_failed(failures)


def refused(what: str, place: Place, answer: Answer) -> RegistryError:
    """Read the body of an answer that is a refusal, and make an error of it."""
    try:
        body = answer.read(distribution_errors.MAX_ERROR_BODY_BYTES)
    except TransportFailure:
        body = b""
    return distribution_errors.refusal(what, place.server.base, answer.status, body)


def _all_failed(failures: Sequence[PackhorseError]) -> PackhorseError:
    last = failures[-1]
    if len(failures) == 1:
        return last
    lines = [line for failure in failures for line in failure.message.splitlines()[1:]]
    # Where a mirror answers that it has no such thing and nobody else can be reached, the answer is no: with mirrors
    # alone on the network, looking for a signature that is not there must not end the run.
    absent = any(isinstance(failure, NotFoundError) for failure in failures) and isinstance(last, NetworkError)
    kind = NotFoundError if absent else type(last)
    return kind("\n".join([last.message.splitlines()[0], *lines]), hint=last.hint)
