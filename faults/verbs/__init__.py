"""One module for each verb: how a round of it goes, and what must hold after it."""

from collections.abc import Callable, Mapping
from pathlib import Path

from faults.bed import Bed
from faults.rounds import Verb
from faults.verbs.build import BuildRounds
from faults.verbs.deploy import DeployRounds
from faults.verbs.load import LoadRounds
from faults.verbs.lock import LockRounds
from faults.verbs.power import PowerRounds
from faults.verbs.push import PushRounds
from faults.verbs.registry import RegistryRounds
from faults.verbs.serve import ServeRounds
from faults.verbs.verify import VerifyRounds

__all__ = ["VERBS", "why_not"]

VERBS: Mapping[str, Callable[[Path, Bed], Verb]] = {
    "lock": lambda folder, _: LockRounds(folder),
    "build": lambda folder, _: BuildRounds(folder),
    "verify": lambda folder, _: VerifyRounds(folder),
    "load": lambda folder, _: LoadRounds(folder),
    "serve": lambda folder, _: ServeRounds(folder),
    "push": lambda folder, _: PushRounds(folder),
    "registry": lambda folder, _: RegistryRounds(folder),
    "deploy": DeployRounds,
    "power": lambda folder, _: PowerRounds(folder),
}
"""How the rounds of each verb are made, given a folder of their own and the cluster."""


def why_not(name: str, bed: Bed) -> str:
    """Why there are no rounds of a verb here; empty where there are."""
    return bed.why_not if name == "deploy" else ""
