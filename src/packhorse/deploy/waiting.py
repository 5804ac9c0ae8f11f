"""Waiting until objects are ready or gone, and telling meanwhile what they wait for."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from packhorse.base.errors import ClusterError
from packhorse.base.events import Reporter
from packhorse.base.units import format_duration
from packhorse.deploy.health import Finding, examine
from packhorse.deploy.ports import Clock
from packhorse.kube.errors import NotServedError
from packhorse.kube.object_identity import ObjectIdentity
from packhorse.kube.ports import Cluster

__all__ = ["Waiter"]

_POLL_SECONDS = 1.0
_FIRST_POLL_SECONDS = 0.2
_SECONDS_BETWEEN_NOTES = 5.0
_SECONDS_BEFORE_NOTE = 2.0


@dataclass(slots=True)
class _Told:
    """What was said last about an object, and when."""

    line: str = ""
    at: float = float("-inf")


class Waiter:
    """Waits, with one cluster, reporter and clock."""

    def __init__(self, cluster: Cluster, reporter: Reporter, clock: Clock) -> None:
        self._cluster = cluster
        self._reporter = reporter
        self._clock = clock

    def until_ready(
        self, identities: Iterable[ObjectIdentity], *, timeout_seconds: float, check: Callable[[], None] = lambda: None
    ) -> None:
        """Return when all objects are ready.

        Args:
            identities: Which objects.
            timeout_seconds: How long at most, for all of them.
            check: Called between two looks; what it raises ends the waiting.

        Raises:
            ClusterError: Some aren't ready in time, or failed for good; each is named with its reason.
        """
        waiting = dict.fromkeys(identities)
        width = max((len(str(identity)) for identity in waiting), default=0)
        told: dict[ObjectIdentity, _Told] = {}
        failed: list[Finding] = []
        begun = self._clock.monotonic()
        pause = _FIRST_POLL_SECONDS
        while True:
            for identity in tuple(waiting):
                finding = examine(self._cluster, identity)
                if finding.health.is_ready:
                    del waiting[identity]
                    self._tell_ready(finding, width, waited=identity in told)
                elif finding.health.state == "failed":
                    del waiting[identity]
                    failed.append(finding)
                    self._reporter.failed(_key(identity), f"{str(identity).ljust(width)}  {finding.line}")
                else:
                    self._tell_waiting(finding, width, told)
            waited = self._clock.monotonic() - begun
            if not waiting or waited >= timeout_seconds:
                break
            check()
            self._clock.sleep(min(pause, timeout_seconds - waited))
            pause = _POLL_SECONDS
        if failed or waiting:
            raise self._failure([*(each.identity for each in failed), *waiting], waited)

    def until_gone(self, identities: Iterable[tuple[ObjectIdentity, str]], *, timeout_seconds: float) -> None:
        """Return when none of the objects is there.

        Args:
            identities: Each object with its ``metadata.uid``: one of the same name that came after it doesn't count.
            timeout_seconds: How long at most, for all of them.

        Raises:
            ClusterError: Some are still there; the message says what holds them, where that is known.
        """
        waiting = dict(identities)
        begun = self._clock.monotonic()
        pause = _FIRST_POLL_SECONDS
        while True:
            held = {identity: self._holds(identity, uid) for identity, uid in waiting.items()}
            waiting = {identity: uid for identity, uid in waiting.items() if held[identity] is not None}
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

    def _tell_ready(self, finding: Finding, width: int, *, waited: bool) -> None:
        if waited:
            self._reporter.note(f"✓ {str(finding.identity).ljust(width)}  {finding.health.message}")
            self._reporter.finished(_key(finding.identity))

    def _tell_waiting(self, finding: Finding, width: int, told: dict[ObjectIdentity, _Told]) -> None:
        now = self._clock.monotonic()
        last = told.get(finding.identity)
        if last is None:
            self._reporter.started(_key(finding.identity), f"{finding.identity} {finding.line}")
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
