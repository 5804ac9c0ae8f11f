"""Waiting until objects are ready or gone, and telling meanwhile what they wait for."""

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, replace

from packhorse.base.errors import ClusterError
from packhorse.base.events import Reporter
from packhorse.base.units import format_duration
from packhorse.deploy.health import Finding, examine
from packhorse.deploy.ports import Clock
from packhorse.kube.errors import NotServedError
from packhorse.kube.object_identity import ObjectIdentity
from packhorse.kube.ports import Cluster
from packhorse.kube.readiness import Health

__all__ = ["Waiter"]

_POLL_SECONDS = 1.0
_FIRST_POLL_SECONDS = 0.2
_SECONDS_BETWEEN_NOTES = 5.0
_SECONDS_BEFORE_NOTE = 2.0
_SECONDS_TO_STAY_READY = 5.0
_SECONDS_AFTER_FAILURE = 30.0
_SECONDS_FOR_A_STATUS = 15.0
"""In which a controller takes up what it was given; one that has just started may have to become the leader first."""


@dataclass(slots=True)
class _Told:
    """What was said last about an object, and since when it has been ready."""

    line: str = ""
    at: float = float("-inf")
    ready_since: float | None = None


class Waiter:
    """Waits, with one cluster, reporter and clock."""

    def __init__(self, cluster: Cluster, reporter: Reporter, clock: Clock) -> None:
        self._cluster = cluster
        self._reporter = reporter
        self._clock = clock

    def until_ready(
        self,
        identities: Iterable[ObjectIdentity],
        *,
        timeout_seconds: float,
        changed: Collection[ObjectIdentity] = (),
        check: Callable[[], None] = lambda: None,
    ) -> None:
        """Return when all objects are ready.

        A workload that has just become ready and has no readiness probe must stay so for some seconds: without a probe
        it is ready whenever its program runs, a program that crashes again and again included. A custom resource that
        has just been made is given some seconds in which its controller can say the first word about it.

        Args:
            identities: Which objects. Each is a task of the reporter's, and ends here.
            timeout_seconds: How long at most, for all of them. When one has failed for good, the others get half a
                minute more.
            changed: Those of them that have just been made or changed.
            check: Called between two looks; what it raises ends the waiting.

        Raises:
            ClusterError: Some aren't ready in time, or failed for good; each is named with its reason.
        """
        waiting = dict.fromkeys(identities)
        width = max((len(str(identity)) for identity in waiting), default=0)
        for identity in waiting:
            self._reporter.started(_key(identity), str(identity))
        told: dict[ObjectIdentity, _Told] = {}
        failed: list[ObjectIdentity] = []
        begun = self._clock.monotonic()
        deadline = begun + timeout_seconds
        pause = _FIRST_POLL_SECONDS
        while True:
            is_early = self._clock.monotonic() - begun < _SECONDS_FOR_A_STATUS
            for identity in tuple(waiting):
                finding = self._look(identity, expects_status=is_early and identity in changed)
                if finding.health.state == "failed":
                    failed.append(identity)
                    self._reporter.failed(_key(identity), f"{str(identity).ljust(width)}  {finding.line}")
                elif not self._is_ready(finding, width, told):
                    continue
                del waiting[identity]
            now = self._clock.monotonic()
            if failed:
                deadline = min(deadline, now + _SECONDS_AFTER_FAILURE)
            if not waiting or now >= deadline:
                break
            check()
            self._clock.sleep(min(pause, deadline - now))
            pause = _POLL_SECONDS
        if failed or waiting:
            raise self._failure([*failed, *waiting], now - begun)

    def until_gone(self, identities: Iterable[tuple[ObjectIdentity, str]], *, timeout_seconds: float) -> None:
        """Return when none of the objects is there.

        Args:
            identities: Each object with its ``metadata.uid``: one of the same name that came after it doesn't count.
                Each is a task of the reporter's, and ends here.
            timeout_seconds: How long at most, for all of them.

        Raises:
            ClusterError: Some are still there; the message says what holds them, where that is known.
        """
        waiting = dict(identities)
        for identity in waiting:
            self._reporter.started(_key(identity), str(identity))
        begun = self._clock.monotonic()
        pause = _FIRST_POLL_SECONDS
        while True:
            held = {identity: self._holds(identity, uid) for identity, uid in waiting.items()}
            for identity in [each for each in waiting if held[each] is None]:
                del waiting[identity]
                self._reporter.finished(_key(identity))
            waited = self._clock.monotonic() - begun
            if not waiting:
                return
            if waited >= timeout_seconds:
                break
            self._clock.sleep(min(pause, timeout_seconds - waited))
            pause = _POLL_SECONDS
        failures = [ClusterError(f"{each.title} is still there{held[each]}") for each in waiting]
        raise ClusterError.summarise(
            f"{_objects(len(waiting))} did not go within {format_duration(waited)}",
            failures,
            hint="what holds them must let go; then run the same command again",
        )

    @staticmethod
    def nothing_told() -> dict[ObjectIdentity, _Told]:
        """Return what :meth:`tell` remembers things in."""
        return {}

    def tell(self, identities: Iterable[ObjectIdentity], told: dict[ObjectIdentity, _Told]) -> None:
        """Look once at objects that something else waits for, and tell what they wait for."""
        identities = tuple(identities)
        width = max((len(str(identity)) for identity in identities), default=0)
        for identity in identities:
            finding = examine(self._cluster, identity)
            if finding.health.state == "progressing" and finding.troubles:
                self._tell_waiting(finding, width, told)

    def _look(self, identity: ObjectIdentity, *, expects_status: bool) -> Finding:
        finding = examine(self._cluster, identity)
        if expects_status and finding.awaits_status:
            return replace(finding, health=Health("progressing", "its controller has not said anything yet"))
        return finding

    def _holds(self, identity: ObjectIdentity, uid: str) -> str | None:
        """Say what keeps an object; None when it is gone."""
        try:
            live = self._cluster.get(identity)
        except NotServedError:
            return None
        if live is None or (uid and live["metadata"].get("uid") != uid):
            return None
        finalizers = live["metadata"].get("finalizers") or ()
        return f", held by {', '.join(map(str, finalizers))}" if finalizers else ""

    def _is_ready(self, finding: Finding, width: int, told: dict[ObjectIdentity, _Told]) -> bool:
        """Whether an object needs no more waiting; tells what it waits for, or that it is done."""
        last = told.get(finding.identity)
        if not finding.health.is_ready:
            self._tell_waiting(finding, width, told)
            told[finding.identity].ready_since = None
            return False
        now = self._clock.monotonic()
        if last is not None and not finding.is_probed:
            last.ready_since = now if last.ready_since is None else last.ready_since
            if now - last.ready_since < _SECONDS_TO_STAY_READY:
                return False
        if last is not None:
            self._reporter.note(f"✓ {str(finding.identity).ljust(width)}  {finding.health.message}")
        self._reporter.finished(_key(finding.identity))
        return True

    def _tell_waiting(self, finding: Finding, width: int, told: dict[ObjectIdentity, _Told]) -> None:
        now = self._clock.monotonic()
        last = told.get(finding.identity)
        if last is None:
            # What settles by itself within a moment is not worth a line.
            last = told[finding.identity] = _Told(at=now - _SECONDS_BETWEEN_NOTES + _SECONDS_BEFORE_NOTE)
        if finding.line != last.line and now - last.at >= _SECONDS_BETWEEN_NOTES:
            self._reporter.note(f"◌ {str(finding.identity).ljust(width)}  {finding.line}")
            last.line, last.at = finding.line, now

    def _failure(self, identities: list[ObjectIdentity], waited: float) -> ClusterError:
        failures = [ClusterError(examine(self._cluster, each, with_log=True).text) for each in identities]
        return ClusterError.summarise(
            f"{_objects(len(identities))} did not become ready within {format_duration(waited)}",
            failures,
            hint="put right what is wrong and deploy again: it goes on from here",
        )


def _objects(number: int) -> str:
    return "1 object" if number == 1 else f"{number} objects"


def _key(identity: ObjectIdentity) -> str:
    return "/".join(identity.key)
