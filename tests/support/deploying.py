"""A site in memory, and deploying to it in one call."""

from dataclasses import dataclass, field
from pathlib import Path

from packhorse.app.deploy import DeployOptions, DeployResult, deploy_package
from packhorse.app.plan import DeployRequest, make_plan, site_values
from packhorse.app.site import Site
from packhorse.deploy.apply import ApplySettings
from packhorse.deploy.charts import ChartFolder
from packhorse.deploy.planner import Choice, Planned
from packhorse.deploy.ports import PackageContent
from packhorse.deploy.release_lock import LockHolder
from packhorse.package.variables import Given, VariableValues, settle
from tests.support.fake_helm import FakeHelm
from tests.support.lively_cluster import LivelyCluster
from tests.support.notes import NotesReporter
from tests.support.virtual_clock import VirtualClock

__all__ = ["TestSite", "values_of"]

HOLDER = LockHolder("test@here/1", lambda _identity: False)


@dataclass
class TestSite:
    __test__ = False

    folder: Path
    cluster: LivelyCluster = field(default_factory=LivelyCluster)
    clock: VirtualClock = field(default_factory=VirtualClock)
    reporter: NotesReporter = field(default_factory=NotesReporter)
    helm: FakeHelm = field(init=False)

    def __post_init__(self) -> None:
        self.helm = FakeHelm(self.cluster)

    @property
    def site(self) -> Site:
        return Site(self.cluster, self.helm, self.helm, ChartFolder(self.folder), self.clock)

    def plan(self, content: PackageContent, *, choice: Choice | None = None, **variables: str) -> Planned:
        values = values_of(content, **variables)
        return make_plan(content, self.site, choice or Choice(), site_values(values))

    def deploy(
        self,
        content: PackageContent,
        *,
        choice: Choice | None = None,
        settings: ApplySettings | None = None,
        holder: LockHolder = HOLDER,
        steal_lock: bool = False,
        **variables: str,
    ) -> DeployResult:
        request = DeployRequest(Path("unused"), None, choice or Choice(), values_of(content, **variables))
        options = DeployOptions(holder, settings or ApplySettings(timeout_seconds=60), steal_lock)
        return deploy_package(content, self.site, request, options, self.reporter)


def values_of(content: PackageContent, **variables: str) -> VariableValues:
    given = {name: Given(value, "the test") for name, value in variables.items()}
    return settle(content.definition.variables, [given]).complete()
