"""The dashboard and the alert rules: well formed, and every metric in them is one that the server has."""

import json
import re
from importlib.resources import files
from typing import Any

import pytest
import yaml

from packhorse.registry.watching import Watched
from packhorse.store.directory_site import DirectorySite
from tests.support.exposition import families
from tests.support.serving import running

_FILES = files("packhorse.registry.observability")
_NAME = re.compile(r"\b(?:packhorse|process)_[a-z_]+\b")
_LABELS = re.compile(r"\{([^}]*)\}")


@pytest.fixture(scope="module")
def dashboard() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(_FILES.joinpath("dashboard.json").read_text())
    return found


@pytest.fixture(scope="module")
def rules() -> list[dict[str, Any]]:
    groups = yaml.safe_load(_FILES.joinpath("alerts.yaml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


@pytest.fixture(scope="module")
def exposed(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """The names of all samples that a server has."""
    store = DirectorySite.create(tmp_path_factory.mktemp("site") / "store")
    watched = Watched(conflicts=lambda: 0, certificate_not_after=lambda: 1.0)
    with running(store, watched=watched) as server:
        server.ask("/v2/")
        found = families(server.ask("/metrics").body.decode())
    store.close()
    parts = {f"{name}{part}" for name, kind in found.items() if kind == "histogram" for part in ("_bucket", "_count")}
    return set(found) | parts


def expressions(dashboard: dict[str, Any]) -> list[str]:
    return [target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", ())]


def test_every_metric_of_the_dashboard_is_the_servers(dashboard: dict[str, Any], exposed: set[str]) -> None:
    queries = [each["definition"] for each in dashboard["templating"]["list"] if "definition" in each]
    names = {name for text in [*expressions(dashboard), *queries] for name in _NAME.findall(text)}
    assert len(names) > 15
    assert names - exposed == set()


def test_every_metric_of_the_alerts_is_the_servers(rules: list[dict[str, Any]], exposed: set[str]) -> None:
    names = {name for rule in rules for name in _NAME.findall(rule["expr"])}
    assert len(names) > 10
    assert names - exposed == set()


def test_nothing_that_the_server_counts_is_missing_on_the_dashboard(
    dashboard: dict[str, Any], exposed: set[str]
) -> None:
    shown = set(_NAME.findall(" ".join(expressions(dashboard))))
    parts = {name.removesuffix("_bucket") for name in shown if name.endswith("_bucket")}
    unseen = {name for name in exposed - shown - parts if not name.endswith(("_count", "_bucket"))}
    assert unseen == {"process_start_time_seconds", "packhorse_registry_source_ready"} - shown


def test_panels_stand_side_by_side_and_are_explained(dashboard: dict[str, Any]) -> None:
    panels = dashboard["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        cells = {
            (column, line)
            for column in range(place["x"], place["x"] + place["w"])
            for line in range(place["y"], place["y"] + place["h"])
        }
        assert not taken & cells, panel["title"]
        taken |= cells
        if panel["type"] != "row":
            assert panel["description"]
            assert all(_LABELS.search(target["expr"]) for target in panel["targets"]), panel["title"]
            assert all("$instance" in target["expr"] for target in panel["targets"]), panel["title"]


def test_every_alert_says_what_is_wrong_and_what_to_do(rules: list[dict[str, Any]]) -> None:
    assert len({rule["alert"] for rule in rules}) == len(rules)
    for rule in rules:
        assert rule["labels"]["severity"] in {"critical", "warning", "info"}
        assert set(rule["annotations"]) == {"summary", "description"}
