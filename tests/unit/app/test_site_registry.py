"""A registry for a site: its folder, its certificates and their renewal, over real TLS with the client of our own."""

import base64
import datetime as dt
import http.client
import json
import os
import signal
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner

from packhorse.app import site_registry
from packhorse.app.site_folder import SiteFolder
from packhorse.base.errors import ConfigError, RegistryError, UsageError
from packhorse.cli.main import cli
from packhorse.oci import media_types
from packhorse.oci.distribution_client import RegistryClient
from packhorse.oci.memory_store import MemoryStore
from packhorse.oci.model import Descriptor
from packhorse.oci.registry_settings import Credential, RegistrySettings
from packhorse.registry import certificates
from packhorse.registry.access.htpasswd import is_right, parse_users
from packhorse.registry.certificates import Subject
from packhorse.registry.listener import TlsFiles
from tests.support.guarding import ACCESS, guarded

NOW = dt.datetime.now(dt.UTC)


@pytest.fixture
def site(tmp_path: Path) -> SiteFolder:
    return site_registry.make_site(tmp_path / "site", ("localhost", "127.0.0.1"), "admin-pass", anonymous_pull=False)


@pytest.fixture
def authority() -> certificates.Issued:
    return certificates.new_authority("The site's CA", NOW)


def test_a_folder_is_made_once_and_its_secrets_are_its_owners(site: SiteFolder) -> None:
    for path in (site.key, site.ca_key, site.users, site.path / "token.key"):
        assert path.stat().st_mode & 0o077 == 0
    assert b"admin-pass" not in site.users.read_bytes()
    with pytest.raises(UsageError, match="already"):
        site_registry.make_site(site.path, ("localhost",), "x", anonymous_pull=False)


def test_openssl_believes_the_certificate(site: SiteFolder) -> None:
    for host in (["-verify_hostname", "localhost"], ["-verify_ip", "127.0.0.1"]):
        command = ["openssl", "verify", "-x509_strict", "-purpose", "sslserver", *host, "-CAfile", str(site.ca)]
        done = subprocess.run([*command, str(site.certificate)], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr


def test_a_certificate_is_renewed_in_its_last_third_for_the_same_hosts(site: SiteFolder) -> None:
    before = site.certificate.read_bytes()
    assert not site_registry.renew(site, NOW + dt.timedelta(days=260))
    assert site.certificate.read_bytes() == before
    later = NOW + dt.timedelta(days=270)
    assert site_registry.renew(site, later)
    facts = certificates.read_facts(site.certificate.read_bytes())
    assert facts.hosts == ("localhost", "127.0.0.1")
    assert facts.seconds_left(later) > 390 * 86400
    ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(site.certificate, site.key)


def test_without_the_key_of_the_authority_nothing_is_renewed(site: SiteFolder) -> None:
    site.ca_key.unlink()
    assert not site_registry.renew(site)
    with pytest.raises(ConfigError, match="runs out on"):
        site_registry.renew(site, NOW + dt.timedelta(days=300))


def test_a_certificate_of_somebody_else_is_complained_of_in_time(site: SiteFolder) -> None:
    assert not site_registry.check_end(site.certificate, NOW + dt.timedelta(days=360))
    with pytest.raises(ConfigError, match="is good until"):
        site_registry.check_end(site.certificate, NOW + dt.timedelta(days=370))


def test_no_certificate_outlives_its_authority(authority: certificates.Issued) -> None:
    late = NOW + dt.timedelta(days=certificates.AUTHORITY_DAYS - 10)
    facts = certificates.read_facts(
        certificates.issue(authority, Subject("a.example", ("a.example",)), late).certificate
    )
    assert facts.not_after <= certificates.read_facts(authority.certificate).not_after
    with pytest.raises(ConfigError, match="has run out"):
        certificates.issue(authority, Subject("a.example", ("a.example",)), NOW + dt.timedelta(days=4000))


def test_another_key_is_not_taken_for_the_authoritys(authority: certificates.Issued) -> None:
    other = certificates.new_authority("Another", NOW)
    with pytest.raises(ConfigError, match="not that of its certificate"):
        certificates.issue(
            certificates.Issued(authority.certificate, other.key), Subject("a.example", ("a.example",)), NOW
        )


def test_users_come_and_go(site: SiteFolder) -> None:
    assert site_registry.set_password(site, "anna", "first")
    assert not site_registry.set_password(site, "anna", "second")
    assert site_registry.site_status(site).users == ("admin", "anna")
    site_registry.remove_user(site, "anna")
    with pytest.raises(UsageError, match="no user anna"):
        site_registry.remove_user(site, "anna")
    with pytest.raises(ConfigError, match="without blanks"):
        site_registry.set_password(site, "an:na", "x")


def fetch(host: str, path: str, ca: Path, client: Path | None = None, login: str | None = None) -> int:
    """Ask with a client certificate, with a login, or as nobody; gives the status."""
    context = ssl.create_default_context(cafile=ca)
    if client is not None:
        context.load_cert_chain(client / "client.crt", client / "client.key")
    headers = {} if login is None else {"Authorization": "Basic " + base64.b64encode(login.encode()).decode()}
    connection = http.client.HTTPSConnection(host, timeout=20, context=context)
    try:
        connection.request("GET", path, headers=headers)
        return connection.getresponse().status
    finally:
        connection.close()


def test_a_client_certificate_is_a_login(tmp_path: Path, authority: certificates.Issued) -> None:
    folder = tmp_path / "keys"
    site_registry.write_issued(authority, folder / "ca.crt", folder / "ca.key")
    server = certificates.issue(authority, Subject("localhost", ("localhost", "127.0.0.1")), NOW)
    site_registry.write_issued(server, folder / "server.crt", folder / "server.key")
    stranger = certificates.new_authority("The site's CA", NOW)
    for name, by, subject in (
        ("node7", authority, Subject("node7", groups=("nodes",))),
        ("admin", authority, Subject("admin")),
        ("forged", stranger, Subject("admin")),
        ("trick", authority, Subject("group:admins")),
    ):
        issued = certificates.issue(by, subject, NOW)
        site_registry.write_issued(issued, folder / name / "client.crt", folder / name / "client.key")
    tls = TlsFiles(folder / "server.crt", folder / "server.key", folder / "ca.crt")
    access = ACCESS.replace("  nodes: [node]", '  nodes: ["group:nodes"]')
    (tmp_path / "site").mkdir()
    with guarded(tmp_path / "site", access, tls, with_certificates=True) as running:
        host, ca, absent = f"localhost:{running.server.port}", folder / "ca.crt", "/v2/team/none/manifests/1"
        assert fetch(host, absent, ca) == 401
        assert fetch(host, absent, ca, folder / "node7") == 404
        assert fetch(host, "/v2/secret/none/manifests/1", ca, folder / "node7") == 403
        assert fetch(host, "/metrics", ca, folder / "admin") == 200
        assert fetch(host, "/metrics", ca, folder / "trick") == 401
        with pytest.raises((ConnectionError, ssl.SSLError)):
            fetch(host, absent, ca, folder / "forged")


@contextmanager
def served(site: SiteFolder) -> Iterator[tuple[str, int]]:
    """Run ``packhorse serve --site``; gives its host with port, and its process."""
    command = [
        sys.executable,
        "-m",
        "packhorse",
        "serve",
        "--site",
        str(site.path),
        "--listen",
        "127.0.0.1:0",
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert "pushes need a login" in line, line
            yield "localhost:" + line.partition("https://localhost:")[2].split()[0], process.pid
        finally:
            process.terminate()
            process.communicate(timeout=20)


class Logins:
    """One login for every registry."""

    def __init__(self, credential: Credential | None) -> None:
        self._credential = credential

    def lookup(self, _registry: str, _repository: str) -> Credential | None:
        return self._credential


def push(site: SiteFolder, host: str, credential: Credential | None) -> Descriptor:
    """Push a manifest by the client of our own, and pull it again."""
    source = MemoryStore()
    image = source.add(b'{"schemaVersion":2,"manifests":[]}', media_types.OCI_INDEX)
    settings = RegistrySettings(credentials=Logins(credential), ca_file=site.ca)
    with RegistryClient(settings) as client:
        repository = client.repository(f"{host}/team/app")
        repository.push(image, source)
        repository.tag(image, "1")
        return repository.resolve("1")


def test_two_commands_serve_a_site_to_the_client_of_our_own(site: SiteFolder) -> None:
    with served(site) as (host, pid):
        assert push(site, host, Credential("admin", "admin-pass")).size == 34
        with pytest.raises(RegistryError):
            push(site, host, Credential("admin", "wrong"))
        with pytest.raises(RegistryError):
            push(site, host, None)
        with pytest.raises(RegistryError):
            push(site, host, Credential("anna", "anna-pass"))
        site_registry.set_password(site, "anna", "anna-pass")
        rule = "rules:\n  - {role: push, users: [anna], repositories: [team/*]}\n"
        site.access.write_text(site.access.read_text().replace("rules:\n", rule))
        os.kill(pid, signal.SIGHUP)
        for _ in range(100):
            if fetch(host, "/v2/", site.ca, login="anna:anna-pass") == 200:
                break
            threading.Event().wait(0.05)
        assert push(site, host, Credential("anna", "anna-pass")).size == 34
    assert "anna-pass" not in site.audit_log.read_text()


def test_a_server_that_starts_with_an_old_certificate_renews_it(site: SiteFolder) -> None:
    authority = site_registry.read_authority(site.ca, site.ca_key)
    subject = Subject("localhost", ("localhost", "127.0.0.1"))
    old = certificates.issue(authority, subject, NOW - dt.timedelta(days=300))
    site.certificate.write_bytes(old.certificate)
    site.key.write_bytes(old.key)
    with served(site) as (host, _):
        address = (host.partition(":")[0], int(host.partition(":")[2]))
        for _ in range(200):
            served_with = ssl.get_server_certificate(address, ca_certs=str(site.ca)).encode()
            if certificates.read_facts(served_with).seconds_left(NOW) > 390 * 86400:
                return
            threading.Event().wait(0.05)
    pytest.fail("the old certificate is still served")


def run(*arguments: str, stdin: str | None = None) -> str:
    """Run a command line that succeeds."""
    done = CliRunner().invoke(cli, arguments, input=stdin)
    assert done.exit_code == 0, done.output
    return done.output


def test_the_command_makes_a_site_with_a_password_that_is_printed_once(tmp_path: Path) -> None:
    folder = tmp_path / "site"
    said = run("registry", "init", str(folder), "--host", "registry.site.example")
    password = said.partition("not shown again: ")[2].split()[0]
    hashed = parse_users((folder / "users.htpasswd").read_bytes(), "users")["admin"]
    assert is_right(password.encode(), hashed)
    assert f"packhorse serve --site {folder}" in said
    said = run("registry", "user", str(folder), "ci", "--password-stdin", stdin="ci-pass\n")
    assert "ci-pass" not in said
    status = json.loads(run("registry", "status", str(folder), "--output", "json"))
    assert (status["users"], status["renewsItself"]) == (["admin", "ci"], True)
    assert status["certificate"]["hosts"] == ["registry.site.example"]
    assert 395 < status["certificate"]["daysLeft"] < 398
    run("registry", "user", str(folder), "ci", "--remove")
    assert "Users: admin; 1 rule" in run("registry", "status", str(folder))


def test_keys_are_made_by_the_command(tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    run("key", "ca", "--out", str(keys), "--name", "CA of the harbour")
    run("key", "server-cert", "--ca", str(keys), "--host", "a.example", "--host", "10.0.0.5", "--out", str(keys / "a"))
    run("key", "client-cert", "--ca", str(keys), "--user", "node1", "--group", "nodes", "--out", str(keys / "n"))
    assert certificates.read_facts((keys / "a" / "server.crt").read_bytes()).hosts == ("a.example", "10.0.0.5")
    command = ["openssl", "verify", "-purpose", "sslclient", "-CAfile", str(keys / "ca.crt")]
    subprocess.run([*command, str(keys / "n" / "client.crt")], check=True, capture_output=True)
    done = CliRunner().invoke(cli, ["key", "ca", "--out", str(keys)])
    assert isinstance(done.exception, UsageError)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--push-to", "x"], "who may push"),
        (["--push-to", "x", "--access", "a.yaml", "--anonymous-push"], "not with --access"),
        (["b.tar", "--audit-log", "a.log"], "--audit-log goes with --access"),
        (["b.tar", "--access", "a.yaml", "--client-ca", "c.crt"], "--client-ca needs TLS"),
        (["--site", "nowhere"], "no access.yaml"),
        (["b.tar", "--tls-cert", "c.crt"], "go together"),
    ],
)
def test_options_that_do_not_go_together_are_refused(options: list[str], said: str) -> None:
    done = CliRunner().invoke(cli, ["serve", *options])
    assert isinstance(done.exception, UsageError)
    assert said in done.exception.message
