"""Nothing phones home: every verb, with every system call recorded that could reach somebody.

Each case runs in two places: where there is nothing but loopback, so that an attempt fails at once; and where there is
a way out to a border that counts, with proxies in the environment, so that an attempt is made and a second witness sees
it.
"""

import functools
import http.client
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import click
import pytest

from e2e.cluster.process import wait_until
from e2e.quiet.desk import ABSENT, NOBODY, REFUSED, Desk, judge, only
from e2e.quiet.events import Inet, Kind
from e2e.quiet.package import BUNDLE, IMAGE, RELEASE, write_package
from e2e.quiet.rule import Named, violations
from e2e.quiet.site import LOOPBACK, QuietSite
from e2e.workplace import PACKHORSE, Workplace
from packhorse.cli.main import cli

_LOOPBACK_ONLY, _WAY_OUT = "nothing but loopback", "a way out, and proxies"
_PORT = 5080
# A documentation range: nothing is ever there.
_ELSEWHERE = "192.0.2.10"
_PROXY = "http://192.0.2.77:3128"
_PROXIES = {name: _PROXY for word in ("http", "https", "all") for name in (f"{word}_proxy", f"{word}_proxy".upper())}


@pytest.fixture(scope="module", params=[_LOOPBACK_ONLY, _WAY_OUT])
def site(
    request: pytest.FixtureRequest, bin_dir: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[QuietSite]:
    with QuietSite(tmp_path_factory.mktemp("site"), bin_dir, has_way_out=request.param == _WAY_OUT) as made:
        yield made


@pytest.fixture(scope="module")
def package(bin_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A package with a part of every kind, locked and built."""
    folder = write_package(tmp_path_factory.mktemp("author") / "package", bin_dir / "pause")
    author = Workplace("the author's", folder, lambda *argv: [str(word) for word in argv])
    author.packhorse("lock")
    author.packhorse("build")
    return folder


@pytest.fixture
def desk(site: QuietSite, package: Path, tmp_path: Path) -> Desk:
    recorder = site.recorder(tmp_path)
    if site.has_way_out:
        recorder = recorder.given(_PROXIES)
    return Desk(site, recorder, tmp_path, package / BUNDLE, package)


def its_version_and_its_help(desk: Desk) -> None:
    assert "packhorse" in desk.quiet(NOBODY, "--version").stdout
    assert "Site:" in desk.quiet(NOBODY, "--help").stdout


def a_verb_that_does_not_exist(desk: Desk) -> None:
    desk.quiet(NOBODY, "phone-home", exit_code=REFUSED["usage"])


def a_script_for_a_shell(desk: Desk) -> None:
    assert desk.quiet(NOBODY, "completion", "bash").stdout


def what_the_shell_asks_while_one_types(desk: Desk) -> None:
    words = {"_PACKHORSE_COMPLETE": "bash_complete", "COMP_WORDS": "packhorse pu", "COMP_CWORD": "1"}
    assert "push" in desk.given(**words).quiet(NOBODY).stdout


def the_schema(desk: Desk) -> None:
    assert desk.quiet(NOBODY, "schema").stdout.startswith("{")


def a_new_package(desk: Desk) -> None:
    desk.quiet(NOBODY, "init", "shop")
    assert (desk.folder / "shop" / "packhorse.yaml").exists()


def a_package_that_has_all_of_it(desk: Desk) -> None:
    package = desk.author()
    shutil.copyfile(desk.package / "packhorse.yaml", package / "packhorse.yaml")
    desk.quiet(NOBODY, "lock", package)
    desk.quiet(NOBODY, "lock", "--check", package)
    desk.quiet(NOBODY, "build", package)


def with_nothing_but_a_mirror(desk: Desk) -> None:
    package = desk.author()
    registry = desk.site.registry
    desk.plain("push", desk.bundle, str(registry))
    mirror = ("--mirror-only", "--mirror", f"docker.io=http://{registry}")
    desk.quiet(only(registry), "lock", *mirror, package)
    desk.quiet(only(registry), "build", *mirror, package)


def from_the_bundle_before(desk: Desk) -> None:
    desk.quiet(NOBODY, "build", "--reuse", desk.bundle, "--output", desk.folder / "again.tar", desk.package)


def an_image_that_the_mirror_lacks(desk: Desk) -> None:
    package = desk.author()
    definition = package / "packhorse.yaml"
    definition.write_text(definition.read_text().replace(IMAGE, "docker.io/library/missing:1"))
    mirror = ("--mirror-only", "--mirror", f"docker.io=http://{desk.site.registry}")
    desk.quiet(only(desk.site.registry), "lock", *mirror, package, exit_code=REFUSED["registry"])


def a_mirror_that_does_not_answer(desk: Desk) -> None:
    package = desk.author()
    desk.plain("push", desk.bundle, str(desk.site.registry))
    desk.plain("lock", "--mirror-only", "--mirror", f"docker.io=http://{desk.site.registry}", package)
    mirror = ("--mirror-only", "--mirror", f"docker.io=http://{ABSENT}")
    desk.quiet(only(ABSENT), "build", *mirror, package, exit_code=REFUSED["network"])


def a_bundle(desk: Desk) -> None:
    assert IMAGE in desk.quiet(NOBODY, "inspect", desk.bundle, "--full").stdout


def a_whole_bundle(desk: Desk) -> None:
    desk.quiet(NOBODY, "verify", desk.bundle)


def another_root_than_the_one_given(desk: Desk) -> None:
    desk.quiet(NOBODY, "verify", desk.bundle, "--root", f"sha256:{'0' * 64}", exit_code=REFUSED["integrity"])


def each_kind_of_thing(desk: Desk) -> None:
    desk.quiet(NOBODY, "extract", desk.bundle, "--image", IMAGE, "--to", desk.folder / "image")
    desk.quiet(NOBODY, "extract", desk.bundle, "--chart", "web", "--to", desk.folder)
    desk.quiet(NOBODY, "extract", desk.bundle, "--file", "probe.sh", "--to", desk.folder)


def an_image_that_is_not_there(desk: Desk) -> None:
    missing = ("--image", "docker.io/library/missing:1", "--to", desk.folder / "image")
    desk.quiet(NOBODY, "extract", desk.bundle, *missing, exit_code=REFUSED["usage"])


def into_a_store(desk: Desk) -> None:
    desk.quiet(NOBODY, "load", desk.bundle, "--store", desk.folder / "store")
    desk.quiet(NOBODY, "load", desk.bundle, "--store", desk.folder / "store")


def bytes_that_are_wrong(desk: Desk) -> None:
    damaged = desk.folder / "damaged.tar"
    content = bytearray(desk.bundle.read_bytes())
    content[-20_000] ^= 1
    damaged.write_bytes(content)
    desk.quiet(NOBODY, "load", damaged, "--store", desk.folder / "store", exit_code=REFUSED["integrity"])


def over_plain_http_twice(desk: Desk) -> None:
    registry = desk.site.registry
    for _ in range(2):
        desk.quiet(only(registry), "push", desk.bundle, str(registry), "--prefix", "quiet")


def over_tls_from_a_store(desk: Desk) -> None:
    desk.plain("load", desk.bundle, "--store", desk.folder / "store")
    registry = desk.site.tls_registry
    trusted = ("--ca-file", desk.site.authority.certificate)
    desk.quiet(only(registry), "push", desk.folder / "store", str(registry), *trusted)


def to_nobody(desk: Desk) -> None:
    desk.quiet(only(ABSENT), "push", desk.bundle, str(ABSENT), exit_code=REFUSED["network"])


def to_a_certificate_that_nobody_trusts(desk: Desk) -> None:
    registry = desk.site.tls_registry
    # On loopback it is spoken to without TLS then, and says that it wants TLS.
    desk.quiet(only(registry), "push", desk.bundle, str(registry), exit_code=REFUSED["registry"])


def through_the_proxy_that_the_environment_names(desk: Desk) -> None:
    words = ("push", desk.bundle, f"{_ELSEWHERE}:5000", "--plain-http", "*")
    desk.given(http_proxy=f"http://{ABSENT}").quiet(only(ABSENT), *words, exit_code=REFUSED["network"])


def while_it_is_pulled_from(desk: Desk) -> None:
    address = Inet(LOOPBACK, _PORT)
    with desk.recorder.running("serve", PACKHORSE, "serve", desk.bundle, "--listen", str(address)) as server:
        wait_until(lambda: str(address) in server.daemon.log_tail(), "packhorse serve", timeout_seconds=20)
        found = {image: desk.site.namespace.call(functools.partial(status_of, image)) for image in ("tool", "missing")}
    assert found == {"tool": http.client.OK, "missing": http.client.NOT_FOUND}
    judge(server.recording, Named(listen=address))


def on_all_addresses(desk: Desk) -> None:
    address = Inet("0.0.0.0", _PORT)
    with desk.recorder.running("serve", PACKHORSE, "serve", desk.bundle, "--listen", str(address)) as server:
        wait_until(lambda: "Serving" in server.daemon.log_tail(), "packhorse serve", timeout_seconds=20)
    judge(server.recording, Named(listen=address))


def status_of(image: str) -> int:
    """Ask the server for an image, as containerd does."""
    connection = http.client.HTTPConnection(LOOPBACK, _PORT, timeout=10)
    try:
        connection.request("GET", f"/v2/library/{image}/manifests/1?ns=docker.io")
        return connection.getresponse().status
    finally:
        connection.close()


def into_the_files_of_a_node(desk: Desk) -> None:
    where = ("--root", desk.folder / "node", "--runtime", "containerd")
    (desk.folder / "node" / "etc" / "containerd").mkdir(parents=True)
    desk.quiet(NOBODY, "node", "mirror", "--registry", f"http://{ABSENT}", *where)
    desk.quiet(NOBODY, "node", "mirror", "--remove", *where)


def without_a_cluster(desk: Desk) -> None:
    desk.quiet(NOBODY, "plan", "--offline", desk.bundle)


def a_cluster_that_does_not_answer(desk: Desk) -> None:
    kubeconfig = desk.kubeconfig(port=ABSENT.port)
    desk.quiet(only(ABSENT), "plan", desk.bundle, "--kubeconfig", kubeconfig, exit_code=REFUSED["network"])


def a_cluster_that_has_a_name(desk: Desk) -> None:
    api = desk.site.api_endpoint
    by_name = Named(frozenset({api, Inet("::1", api.port)}), by_name=True)
    recording = desk.recorder.run(PACKHORSE, "plan", desk.bundle, "--kubeconfig", desk.kubeconfig("localhost"))
    assert violations(recording, by_name) == []
    assert recording.of(Kind.RESOLVE)


def through_the_proxy_for_a_cluster_elsewhere(desk: Desk) -> None:
    words = ("plan", desk.bundle, "--kubeconfig", desk.kubeconfig(_ELSEWHERE))
    desk.given(https_proxy=f"http://{ABSENT}").quiet(only(ABSENT), *words, exit_code=REFUSED["network"])


def twice(desk: Desk) -> None:
    for _ in range(2):
        desk.quiet(only(desk.site.api_endpoint), "deploy", desk.bundle, "--kubeconfig", desk.kubeconfig())


def what_is_deployed(desk: Desk) -> None:
    desk.deployed()
    for words in ((), (RELEASE,)):
        desk.quiet(only(desk.site.api_endpoint), "status", *words, "--kubeconfig", desk.kubeconfig())


def what_was_deployed(desk: Desk) -> None:
    desk.deployed()
    desk.quiet(only(desk.site.api_endpoint), "remove", RELEASE, "--yes", "--kubeconfig", desk.kubeconfig())


def a_site_and_its_users(desk: Desk) -> None:
    site = desk.folder / "registry"
    assert "not shown again" in desk.quiet(NOBODY, "registry", "init", site, "--host", "registry.site.example").stdout
    assert desk.quiet(NOBODY, "registry", "user", site, "ci").stdout
    assert "admin, ci" in desk.quiet(NOBODY, "registry", "status", site).stdout


def a_store_and_what_stays_in_it(desk: Desk) -> None:
    store = desk.folder / "store"
    desk.plain("load", desk.bundle, "--store", store)
    found = json.loads(desk.quiet(NOBODY, "store", "inventory", store, "-o", "json").stdout)
    repository = found["repositories"][0]
    image = f"{repository['name']}:{repository['tags'][0]}"
    desk.quiet(NOBODY, "store", "pin", store, image, "--as", "drill")
    desk.quiet(NOBODY, "store", "gc", store, "--grace", "0s")
    desk.quiet(NOBODY, "store", "unpin", store, "drill")


def what_a_cluster_uses(desk: Desk) -> None:
    store = desk.folder / "store"
    desk.plain("load", desk.bundle, "--store", store)
    desk.deployed()
    desk.quiet(only(desk.site.api_endpoint), "store", "pin", store, "--from-cluster", "--kubeconfig", desk.kubeconfig())


def an_authority_and_what_it_issues(desk: Desk) -> None:
    keys = desk.folder / "keys"
    desk.quiet(NOBODY, "key", "ca", "--out", keys)
    desk.quiet(NOBODY, "key", "server-cert", "--ca", keys, "--host", "a.example", "--out", keys / "server")
    desk.quiet(NOBODY, "key", "client-cert", "--ca", keys, "--user", "node1", "--out", keys / "node1")


# What is typed for each verb; a verb that is not here fails the first test.
Case = Callable[[Desk], None]
CASES: dict[str, list[Case]] = {
    "packhorse": [its_version_and_its_help, a_verb_that_does_not_exist],
    "completion": [a_script_for_a_shell, what_the_shell_asks_while_one_types],
    "schema": [the_schema],
    "init": [a_new_package],
    "lock": [a_package_that_has_all_of_it, with_nothing_but_a_mirror, an_image_that_the_mirror_lacks],
    "build": [from_the_bundle_before, a_mirror_that_does_not_answer],
    "inspect": [a_bundle],
    "verify": [a_whole_bundle, another_root_than_the_one_given],
    "extract": [each_kind_of_thing, an_image_that_is_not_there],
    "load": [into_a_store, bytes_that_are_wrong],
    "push": [
        over_plain_http_twice,
        over_tls_from_a_store,
        to_nobody,
        to_a_certificate_that_nobody_trusts,
        through_the_proxy_that_the_environment_names,
    ],
    "serve": [while_it_is_pulled_from, on_all_addresses],
    "registry init": [a_site_and_its_users],
    "registry user": [a_site_and_its_users],
    "registry status": [a_site_and_its_users],
    "store inventory": [a_store_and_what_stays_in_it],
    "store pin": [a_store_and_what_stays_in_it, what_a_cluster_uses],
    "store gc": [a_store_and_what_stays_in_it],
    "store unpin": [a_store_and_what_stays_in_it],
    "key ca": [an_authority_and_what_it_issues],
    "key server-cert": [an_authority_and_what_it_issues],
    "key client-cert": [an_authority_and_what_it_issues],
    "node mirror": [into_the_files_of_a_node],
    "plan": [
        without_a_cluster,
        a_cluster_that_does_not_answer,
        a_cluster_that_has_a_name,
        through_the_proxy_for_a_cluster_elsewhere,
    ],
    "deploy": [twice],
    "status": [what_is_deployed],
    "remove": [what_was_deployed],
}


def verbs(command: click.Command, name: str = "") -> Iterator[str]:
    """Give the names of all verbs that do something, from the command line itself."""
    if not isinstance(command, click.Group):
        yield name
        return
    context = click.Context(command)
    for each in command.list_commands(context):
        below = command.get_command(context, each)
        assert below is not None
        yield from verbs(below, f"{name} {each}".strip())


def test_every_verb_has_a_case() -> None:
    assert {"packhorse", *verbs(cli)} == CASES.keys()


@pytest.mark.parametrize(
    "case", [pytest.param(case, id=f"{verb}-{case.__name__}") for verb, cases in CASES.items() for case in cases]
)
def test_a_verb_speaks_to_whom_is_named_and_to_nobody_else(case: Case, desk: Desk) -> None:
    before = desk.site.attempts()
    case(desk)
    assert desk.site.attempts() == before
