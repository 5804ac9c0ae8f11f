"""What a deployment would do and what a release is, as frozen values. Nothing here is secret when it is printed."""

from dataclasses import dataclass, field
from typing import Any, Literal

from packhorse.deploy.desired import DesiredChart
from packhorse.kube.errors import FieldConflict
from packhorse.kube.object_identity import KubeObject, ObjectIdentity

__all__ = [
    "SENSITIVE",
    "ActionKind",
    "ChartAction",
    "FieldChange",
    "ObjectAction",
    "Plan",
    "Problem",
    "RecordSummary",
    "Stage",
    "Step",
]

SENSITIVE = "(sensitive)"
"""Stands in the place of a value that nobody may read in a plan."""

ActionKind = Literal["create", "change", "replace", "remove", "keep", "unchanged"]
"""``replace``: deleted and created again, for kinds that can't be changed. ``keep``: left the package and stays."""


@dataclass(frozen=True, slots=True)
class FieldChange:
    """One field that differs; None where it isn't there. Sensitive values are :data:`SENSITIVE` on both sides."""

    path: str
    """``spec.template.spec.containers[api].image``: items of lists by their name where they have one."""
    before: Any
    after: Any
    sensitive: bool = False


@dataclass(frozen=True, slots=True)
class ObjectAction:
    """What happens to one object."""

    kind: ActionKind
    identity: ObjectIdentity
    changes: tuple[FieldChange, ...] = ()
    note: str = ""
    """Why, or what follows: ``left the package``, ``hook pre-upgrade``, ``restarts 1 pod``."""
    conflicts: tuple[FieldConflict, ...] = ()
    """Fields that other managers own, and that this would change."""
    adopted: bool = False
    """The object was there before and no release made it: removal will leave it."""
    desired: KubeObject | None = field(default=None, repr=False, compare=False)
    """What to apply. It may hold secrets."""
    hidden: tuple[str, ...] = ()
    """Paths of the fields that hold sensitive values."""

    @property
    def is_work(self) -> bool:
        """Whether carrying out the plan touches the object."""
        return self.kind not in {"unchanged", "keep"}


@dataclass(frozen=True, slots=True)
class ChartAction:
    """What happens to one Helm release, and to the objects in it."""

    kind: ActionKind
    """``create`` installs, ``change`` upgrades, ``remove`` uninstalls."""
    component: str
    chart: str
    """Its name in the package."""
    release: str
    namespace: str
    objects: tuple[ObjectAction, ...] = ()
    hooks: tuple[ObjectAction, ...] = ()
    inputs_digest: str = ""
    """Salted digest of archive and values: the same means that nothing new would be installed."""
    timeout_seconds: int = 300
    desired: DesiredChart | None = field(default=None, repr=False, compare=False)
    """What to install. Its values may hold secrets."""
    definitions: tuple[ObjectIdentity, ...] = ()
    """What its ``crds/`` bring."""
    rendered: tuple[KubeObject, ...] = field(default=(), repr=False, compare=False)
    """Everything in it, hooks and definitions included. It may hold secrets."""
    interrupted: bool = False
    """Whether Helm's own records must be put right first, because an earlier deployment was cut off or failed."""

    @property
    def is_work(self) -> bool:
        """Whether Helm has something to do."""
        return self.kind in {"create", "change", "remove"}


Step = ObjectAction | ChartAction


@dataclass(frozen=True, slots=True)
class Stage:
    """The steps of one component, in order. The next stage begins when everything in this one is ready."""

    component: str
    """Empty for the namespaces that come first and for what is removed at the end."""
    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class RecordSummary:
    """What is deployed now."""

    version: str
    revision: int
    status: str
    root_digest: str = ""


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that stands against carrying out the plan."""

    message: str
    hint: str = ""
    is_policy: bool = False
    """Whether it is a rule that stands against it, not the cluster."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that a deployment would do, in order."""

    release: str
    version: str
    root_digest: str
    revision: int
    """Of the release that carrying it out makes."""
    namespaces: tuple[str, ...]
    components: tuple[str, ...]
    stages: tuple[Stage, ...]
    deployed: RecordSummary | None = None
    problems: tuple[Problem, ...] = ()
    offline: bool = False
    images: int = 0
    """How many different images the objects ask for."""

    @property
    def steps(self) -> tuple[Step, ...]:
        """All steps in order."""
        return tuple(step for stage in self.stages for step in stage.steps)

    @property
    def object_actions(self) -> tuple[ObjectAction, ...]:
        """What happens to every object, those of charts and their hooks included, in order."""
        found: list[ObjectAction] = []
        for step in self.steps:
            found.extend((*step.hooks, *step.objects) if isinstance(step, ChartAction) else (step,))
        return tuple(found)

    @property
    def has_work(self) -> bool:
        """Whether carrying it out would touch anything."""
        return any(step.is_work for step in self.steps)

    @property
    def conflicts(self) -> tuple[tuple[ObjectIdentity, FieldConflict], ...]:
        """Every field that another manager owns and that this would change."""
        return tuple((action.identity, each) for action in self.object_actions for each in action.conflicts)
