"""The clients of others push into ``packhorse serve`` and pull from it, over HTTP and TLS, with and without a login.

What comes back is what went in, byte for byte: of images, charts, SBOMs, signatures and files.
"""

import hashlib
import json
import os
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.peers.install import ensure_go_program
from corpus.maker import Maker
from corpus.sets import SETS
from corpus.workshop import Workshop
from e2e.cluster.cluster import Cluster
from e2e.cluster.images import ProgramImage, write_archive
from e2e.cluster.pki import Authority
from e2e.cluster.process import Daemon, wait_until
from e2e.loopback_registry import Site, run, serving
from e2e.workplace import Workplace

_PROJECT = Path(__file__).resolve().parents[1]
_HELM = _PROJECT / ".cache" / "tools" / "bin" / "helm"
_IMAGE = "quay.io/coreos/etcd:v3.5.1"
_SBOM_TYPE = "application/vnd.cyclonedx+json"
_SBOM = '{"bomFormat": "CycloneDX", "specVersion": "1.6", "version": 1}\n'


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An OCI layout of images for two platforms each."""
    folder = tmp_path_factory.mktemp("images") / "layout"
    Maker(Workshop(_PROJECT / ".cache" / "corpus")).all_in_one(SETS["demo"], folder)
    return folder


@pytest.fixture(scope="module")
def digest(images: Path) -> str:
    """Of the image that is pushed: an index."""
    entries = json.loads((images / "index.json").read_text())["manifests"]
    found: str = next(e["digest"] for e in entries if e["annotations"]["org.opencontainers.image.ref.name"] == _IMAGE)
    return found


@pytest.fixture(scope="module", params=["http", "https", "login"])
def site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The registry."""
    with serving(tmp_path_factory.mktemp("site"), tls=request.param != "http", login=request.param == "login") as site:
        yield site


@pytest.fixture
def image(site: Site, images: Path, digest: str) -> str:
    """A repository with the image, by another client than the one that a test is about."""
    oras(site, "cp", "--from-oci-layout", f"{images}@{digest}", f"{site.address}/team/etcd:1", prefix="--to-")
    return f"{site.address}/team/etcd"


def oras(site: Site, *words: str | list[str], prefix: str = "--", folder: Path | None = None) -> str:
    """Run oras, and tell it how the site speaks."""
    flat = [part for word in words for part in ([word] if isinstance(word, str) else word)]
    plain = [f"{prefix}plain-http"] if site.authority is None else []
    return run(site, ensure_go_program("oras"), *flat, *plain, folder=folder)


def for_containers(site: Site) -> list[str]:
    """How skopeo, podman and buildah are told of the site."""
    return ["--tls-verify=false"] if site.authority is None else ["--cert-dir", str(site.authority.parent)]


def blobs_of(layout: Path) -> set[str]:
    """The blobs of a layout; each must hash to its name."""
    files = list((layout / "blobs" / "sha256").iterdir())
    assert all(hashlib.sha256(path.read_bytes()).hexdigest() == path.name for path in files)
    return {path.name for path in files}


def below(images: Path, digest: str) -> set[str]:
    """The blobs that an image has."""
    name = digest.partition(":")[2]
    document = json.loads((images / "blobs" / "sha256" / name).read_bytes())
    found = {part["digest"].partition(":")[2] for part in (*document.get("layers", ()), document.get("config", {}))
             if part}  # fmt: skip
    return {name, *found}.union(*(below(images, child["digest"]) for child in document.get("manifests", ())))


def test_skopeo(site: Site, images: Path, digest: str, tmp_path: Path) -> None:
    name, options = f"docker://{site.address}/skopeo/etcd:1", for_containers(site)
    to, source = ([options[0].replace("--", f"--{end}-"), *options[1:]] for end in ("dest", "src"))
    copy = ["skopeo", "copy", "--quiet", "--all", "--preserve-digests"]
    run(site, *copy, *to, f"oci:{images}:{_IMAGE}", name)
    assert site.check_same("skopeo/etcd", "1", images / "blobs") == 7
    run(site, *copy, *source, name, f"oci:{tmp_path}/out:1")
    assert blobs_of(tmp_path / "out") == below(images, digest)
    tags = json.loads(run(site, "skopeo", "list-tags", *options, f"docker://{site.address}/skopeo/etcd"))
    assert tags["Tags"] == ["1"]
    run(site, "skopeo", "delete", *options, name)
    tags = json.loads(run(site, "skopeo", "list-tags", *options, f"docker://{site.address}/skopeo/etcd"))
    assert not tags["Tags"]


def test_crane(site: Site, images: Path, digest: str, image: str, tmp_path: Path) -> None:
    crane = ensure_go_program("crane")
    how = ["--insecure"] if site.authority is None else []
    run(site, crane, "pull", *how, "--format=oci", f"{image}:1", tmp_path / "out")
    assert blobs_of(tmp_path / "out") == below(images, digest)
    run(site, crane, "push", *how, "--index", tmp_path / "out", f"{site.address}/crane/all:1")
    assert run(site, crane, "digest", *how, f"{site.address}/crane/all@{digest}").strip() == digest
    run(site, crane, "copy", *how, f"{image}:1", f"{site.address}/crane/etcd:1")
    run(site, crane, "validate", *how, "--remote", f"{site.address}/crane/etcd:1")
    assert site.check_same("crane/etcd", "1", images / "blobs") == 7
    assert "crane/etcd" in run(site, crane, "catalog", *how, site.address).split()


def test_regctl(site: Site, images: Path, digest: str, tmp_path: Path) -> None:
    how = "disabled" if site.authority is None else "enabled"
    regctl: list[str | Path] = [ensure_go_program("regctl"), "--host", f"reg={site.address},tls={how}"]
    with tarfile.open(tmp_path / "images.tar", "w") as archive:
        archive.add(images, ".")
    pushed = f"{site.address}/regctl/etcd:1"
    run(site, *regctl, "image", "import", pushed, tmp_path / "images.tar", "--name", _IMAGE)
    assert site.check_same("regctl/etcd", "1", images / "blobs") == 7
    run(site, *regctl, "image", "copy", f"{site.address}/regctl/etcd:1", f"ocidir://{tmp_path}/out:1")
    assert blobs_of(tmp_path / "out") == below(images, digest)
    assert run(site, *regctl, "tag", "ls", f"{site.address}/regctl/etcd").split() == ["1"]
    run(site, *regctl, "tag", "delete", f"{site.address}/regctl/etcd:1")
    assert run(site, *regctl, "tag", "ls", f"{site.address}/regctl/etcd").split() == []


@pytest.fixture
def storage(tmp_path: Path) -> Iterator[list[str]]:
    """Options of podman and buildah: a storage of this test's own."""
    # Podman refuses a longer path than fifty characters for what runs.
    with tempfile.TemporaryDirectory(prefix="run-", dir="/tmp") as running:
        yield ["--root", str(tmp_path / "root"), "--runroot", running, "--storage-driver", "vfs"]


def test_podman(site: Site, images: Path, image: str, storage: list[str]) -> None:
    podman = ["podman", *storage]
    options = for_containers(site)
    run(site, *podman, "pull", "--quiet", *options, f"{image}:1")
    identity = run(site, *podman, "image", "inspect", "--format", "{{.Id}}", f"{image}:1").strip()
    pushed = f"{site.address}/podman/etcd:1"
    run(site, *podman, "push", "--quiet", *options, f"{image}:1", pushed)
    # Podman packs layers anew; the config, which is the image's id and names what is in the layers, stays.
    manifest = json.loads(site.manifest("podman/etcd", "1"))
    assert manifest["config"]["digest"] == f"sha256:{identity}"
    run(site, *podman, "rmi", "--force", f"{image}:1")
    assert run(site, *podman, "pull", "--quiet", *options, pushed).strip() == identity
    assert (images / "blobs" / "sha256" / identity).is_file()


def test_buildah(site: Site, storage: list[str], tmp_path: Path) -> None:
    buildah = ["buildah", *storage]
    options = for_containers(site)
    (tmp_path / "note.txt").write_text("made here\n")
    container = run(site, *buildah, "from", "scratch").strip()
    run(site, *buildah, "copy", container, str(tmp_path / "note.txt"), "/note.txt")
    identity = run(site, *buildah, "commit", "--quiet", "--format", "oci", container, "built:1").strip()
    pushed = f"{site.address}/buildah/built:1"
    run(site, *buildah, "push", "--quiet", *options, "built:1", f"docker://{pushed}")
    run(site, *buildah, "rmi", "--all", "--force")
    assert run(site, *buildah, "pull", "--quiet", *options, pushed).strip() == identity


def test_helm(site: Site, tmp_path: Path) -> None:
    how = ["--plain-http"] if site.authority is None else ["--ca-file", str(site.authority)]
    run(site, _HELM, "create", "chart", folder=tmp_path)
    run(site, _HELM, "package", "chart", folder=tmp_path)
    run(site, _HELM, "push", *how, "chart-0.1.0.tgz", f"oci://{site.address}/charts", folder=tmp_path)
    (tmp_path / "out").mkdir()
    run(site, _HELM, "pull", *how, f"oci://{site.address}/charts/chart", "--version", "0.1.0", folder=tmp_path / "out")
    assert (tmp_path / "out" / "chart-0.1.0.tgz").read_bytes() == (tmp_path / "chart-0.1.0.tgz").read_bytes()
    assert "version: 0.1.0" in run(site, _HELM, "show", "chart", *how, f"oci://{site.address}/charts/chart")


def test_oras_files_and_sboms(site: Site, digest: str, image: str, tmp_path: Path) -> None:
    (tmp_path / "config.bin").write_bytes(os.urandom(3_000_000))
    (tmp_path / "sbom.json").write_text(_SBOM)
    files = f"{site.address}/files/config:1"
    kind = ["--artifact-type", "application/vnd.example.files"]
    oras(site, "push", files, kind, "config.bin:application/octet-stream", folder=tmp_path)
    (tmp_path / "out").mkdir()
    oras(site, "pull", files, ["--output", str(tmp_path / "out")])
    assert (tmp_path / "out" / "config.bin").read_bytes() == (tmp_path / "config.bin").read_bytes()

    oras(site, "attach", f"{image}:1", ["--artifact-type", _SBOM_TYPE], f"sbom.json:{_SBOM_TYPE}", folder=tmp_path)
    tree = json.loads(oras(site, "discover", f"{image}:1", ["--format", "json", "--artifact-type", _SBOM_TYPE]))
    (found,) = tree.get("referrers") or tree["manifests"]
    assert found["artifactType"] == _SBOM_TYPE
    (tmp_path / "sbom").mkdir()
    oras(site, "pull", f"{image}@{found['digest']}", ["--output", str(tmp_path / "sbom")])
    assert (tmp_path / "sbom" / "sbom.json").read_text() == _SBOM
    index = json.loads(site.fetch(f"/v2/team/etcd/referrers/{digest}"))
    assert found["digest"] in {entry["digest"] for entry in index["manifests"]}
    assert "SBOM" in site.fetch(f"/ui/packhorse.internal/team/etcd@{digest}").decode()


@pytest.mark.parametrize("form", ["bundle", "tag"])
def test_cosign_signs_and_verifies_offline(site: Site, digest: str, image: str, tmp_path: Path, form: str) -> None:
    cosign, password = ensure_go_program("cosign"), {"COSIGN_PASSWORD": "only here"}
    how = ["--allow-http-registry", "--allow-insecure-registry"] if site.authority is None else []
    for name in ("site", "other"):
        (tmp_path / name).mkdir()
        run(site, cosign, "generate-key-pair", folder=tmp_path / name, variables=password)
    bundle = [f"--new-bundle-format={'true' if form == 'bundle' else 'false'}"]
    sign = ["sign", "--yes", "--key", "site/cosign.key", "--tlog-upload=false", "--use-signing-config=false", *bundle]
    run(site, cosign, *sign, *how, f"{image}@{digest}", folder=tmp_path, variables=password)
    verify = ["verify", "--insecure-ignore-tlog", *bundle, *how, f"{image}@{digest}", "--key"]
    (claim,) = json.loads(run(site, cosign, *verify, "site/cosign.pub", folder=tmp_path))[:1]
    assert claim["critical"]["image"]["docker-manifest-digest"] == digest
    with pytest.raises(AssertionError, match="ended with"):
        run(site, cosign, *verify, "other/cosign.pub", folder=tmp_path)
    assert "signature" in site.fetch(f"/ui/packhorse.internal/team/etcd@{digest}").decode()


@pytest.fixture
def containerd(bin_dir: Path, tmp_path: Path) -> Iterator[tuple[list[str | Path], Path]]:
    """A containerd without CRI that fetches layers in parallel ranges of a mebibyte, and how ``ctr`` reaches it."""
    folder = tmp_path / "containerd"
    folder.mkdir()
    (folder / "config.toml").write_text(
        f"""
version = 3
root = "{folder}/root"
state = "{folder}/state"
disabled_plugins = ["io.containerd.grpc.v1.cri", "io.containerd.cri.v1.runtime", "io.containerd.cri.v1.images"]
[grpc]
  address = "{folder}/sock"
[ttrpc]
  address = "{folder}/ttrpc"
[plugins."io.containerd.internal.v1.opt"]
  path = "{folder}/opt"
[plugins."io.containerd.transfer.v1.local"]
  max_concurrent_downloads = 4
  concurrent_layer_fetch_buffer = 1048576
  [[plugins."io.containerd.transfer.v1.local".unpack_config]]
    platform = "linux/amd64"
    snapshotter = "native"
    differ = "walking"
"""
    )
    daemon = Daemon("containerd", [bin_dir / "containerd", "-c", folder / "config.toml"], folder / "log")
    try:
        wait_until(lambda: "successfully booted" in daemon.log.read_text(), "containerd", timeout_seconds=30,
                   watching=[daemon])  # fmt: skip
        yield [bin_dir / "ctr", "--address", folder / "sock"], folder
    finally:
        daemon.kill()


def test_containerd_in_parallel_ranges(
    site: Site, images: Path, digest: str, image: str, containerd: tuple[list[str | Path], Path]
) -> None:
    ctr, folder = containerd
    how: list[str | Path] = ["--plain-http"]
    if site.authority is not None:
        hosts = folder / "certs.d" / site.address
        hosts.mkdir(parents=True)
        (hosts / "hosts.toml").write_text(f'[host."https://{site.address}"]\nca = "{site.authority}"\n')
        how = ["--hosts-dir", hosts.parent]
    if site.user:
        how += ["--user", site.user]
    ranges = 'packhorse_registry_requests_total{operation="blob",method="GET",status="206"}'
    before = site.count(ranges)
    run(site, *ctr, "image", "pull", *how, "--snapshotter", "native", f"{image}:1")
    assert site.count(ranges) - before >= 8
    content = folder / "root" / "io.containerd.content.v1.content" / "blobs" / "sha256"
    layers = [path for path in content.iterdir() if path.stat().st_size > 8_000_000]
    assert layers
    assert all(path.read_bytes() == (images / "blobs" / "sha256" / path.name).read_bytes() for path in layers)
    run(site, *ctr, "image", "pull", *how, "--local", "--all-platforms", "--snapshotter", "native", f"{image}:1")
    pushed = f"{site.address}/ctr/etcd:1"
    run(site, *ctr, "image", "tag", f"{image}:1", pushed)
    run(site, *ctr, "image", "push", *how, pushed)
    assert site.check_same("ctr/etcd", "1", images / "blobs") == 7
    assert f"sha256:{hashlib.sha256(site.manifest('ctr/etcd', '1')).hexdigest()}" == digest


@pytest.fixture(params=["http", "https"])
def node_registry(
    request: pytest.FixtureRequest, cluster: Cluster, bin_dir: Path, tmp_path: Path
) -> Iterator[tuple[Workplace, str, list[str]]]:
    """The registry in the cluster's network, which the node pulls from: a place, its address, options of skopeo."""
    site = Workplace("the site", tmp_path, cluster.site_command)
    node = Workplace("the node", tmp_path, cluster.node_command)
    address = f"{cluster.node_address}:5081"
    options = ["--dest-tls-verify=false"]
    serve: list[str | Path] = []
    mirror: list[str | Path] = ["--registry", f"{request.param}://{address}"]
    if request.param == "https":
        authority = Authority(tmp_path / "ca", "site-ca")
        issued = authority.server("registry", [cluster.node_address])
        certificate = tmp_path / "certs" / "ca.crt"
        certificate.parent.mkdir()
        certificate.write_bytes(authority.certificate.read_bytes())
        serve += ["--tls-cert", issued.certificate, "--tls-key", issued.key]
        cluster.run_in_node("tee", "/tmp/site-ca.crt", stdin=certificate.read_text())
        mirror += ["--ca-file", "/tmp/site-ca.crt"]
        options = ["--dest-cert-dir", str(certificate.parent)]
    image = ProgramImage("docker.io/team/pushed:1", bin_dir / "agnhost", arguments=("pause",))
    write_archive(tmp_path / "images.tar", [image])
    store: list[str | Path] = ["--push-to", tmp_path / "store", "--anonymous-push"]
    server = site.start("serve", "serve", *store, "--listen", address, *serve)
    try:
        wait_until(lambda: address in server.log.read_text(), "packhorse serve", timeout_seconds=20, watching=[server])
        node.packhorse("node", "mirror", *mirror)
        yield site, address, options
        node.packhorse("node", "mirror", "--remove")
    finally:
        server.kill()
    cluster.forget_images()


def test_the_kubelet_runs_what_was_pushed(
    cluster: Cluster, node_registry: tuple[Workplace, str, list[str]], tmp_path: Path
) -> None:
    site, address, options = node_registry
    # Pushed as the registry that nodes ask for, which nobody here could reach.
    target = f"docker://{address}/quay.io/team/pushed:1"
    source = f"oci-archive:{tmp_path}/images.tar:docker.io/team/pushed:1"
    site.run("skopeo", "copy", "--quiet", "--all", "--preserve-digests", *options, source, target)
    before = cluster.escaped_packets()
    pods = "/api/v1/namespaces/default/pods"
    container = {"name": "c", "image": "quay.io/team/pushed:1", "imagePullPolicy": "Always"}
    spec = {"terminationGracePeriodSeconds": 0, "containers": [container]}
    cluster.apply(pods, {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "pushed"}, "spec": spec})

    def runs() -> bool:
        found = cluster.get(f"{pods}/pushed") or {}
        return bool(found.get("status", {}).get("phase") == "Running")

    wait_until(runs, "the pod to run", timeout_seconds=60)
    pulled = cluster.pulled_images()["quay.io/team/pushed:1"]
    index = json.loads(site.run("tar", "-xOf", tmp_path / "images.tar", "index.json").stdout)
    assert pulled in {entry["digest"] for entry in index["manifests"]}
    assert cluster.escaped_packets() == before
    cluster.delete(f"{pods}/pushed")
    wait_until(lambda: cluster.get(f"{pods}/pushed") is None, "the pod to go", timeout_seconds=60)


def test_without_the_password_nothing_is_pulled(site: Site, image: str, tmp_path: Path) -> None:
    nobody = {"DOCKER_CONFIG": str(tmp_path), "REGISTRY_AUTH_FILE": str(tmp_path / "none.json")}
    inspect = ["skopeo", "inspect", "--raw", *for_containers(site), f"docker://{image}:1"]
    if site.user:
        with pytest.raises(AssertionError, match=r"authentication required|unauthorized"):
            run(site, *inspect, variables=nobody)
    else:
        run(site, *inspect, variables=nobody)
