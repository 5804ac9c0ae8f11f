"""Prometheus' own program reads what the registry says of itself, and plays its alert rules."""

import json
import subprocess
import time
import urllib.request
from importlib.resources import files
from pathlib import Path

import yaml

from bench.peers.install import ensure_go_program
from e2e.loopback_registry import serving

_FILES = files("packhorse.registry.observability")
_TESTS = Path(__file__).with_name("alerts_test.yaml")


def promtool(*arguments: str | Path, stdin: bytes = b"") -> str:
    """Run it, and return all that it says."""
    command = [ensure_go_program("promtool"), *arguments]
    done = subprocess.run(command, input=stdin, capture_output=True, check=False)
    said = (done.stdout + done.stderr).decode()
    assert done.returncode == 0, said
    return said


def test_prometheus_has_nothing_to_say_about_the_metrics(tmp_path: Path) -> None:
    with serving(tmp_path) as site:
        for path in ("/metrics", "/ui/", "/readyz"):
            with urllib.request.urlopen(f"http://{site.address}{path}", timeout=20) as reply:
                assert reply.status == 200
        with urllib.request.urlopen(f"http://{site.address}/metrics", timeout=20) as reply:
            text = reply.read()
    assert promtool("check", "metrics", stdin=text) == ""


def test_each_alert_fires_when_it_must_and_not_before(tmp_path: Path) -> None:
    rules = tmp_path / "alerts.yaml"
    rules.write_bytes(_FILES.joinpath("alerts.yaml").read_bytes())
    (tmp_path / _TESTS.name).write_bytes(_TESTS.read_bytes())
    assert "12 rules found" in promtool("check", "rules", "--lint-fatal", rules)
    assert "SUCCESS" in promtool("test", "rules", tmp_path / _TESTS.name)
    alerts = [rule["alert"] for group in yaml.safe_load(rules.read_text())["groups"] for rule in group["rules"]]
    tested = _TESTS.read_text()
    assert [alert for alert in alerts if f"alertname: {alert}" not in tested] == []


def test_the_certificate_and_each_source_are_watched(tmp_path: Path) -> None:
    with serving(tmp_path, tls=True) as site:
        ends = site.count("packhorse_registry_certificate_not_after_timestamp_seconds")
        assert 29 * 86400 < ends - time.time() < 31 * 86400
        store = str(tmp_path / "store")
        assert json.loads(site.fetch("/readyz"))["sources"] == [{"name": store, "ready": True}]
        assert site.count(f'packhorse_registry_source_ready{{source="{store}"}}') == 1
        assert site.count("packhorse_registry_store_repositories") == 0
        assert "packhorse_registry_store_repositories 0" in site.fetch("/metrics").decode()
