"""Images as sites have them: servers, languages, databases and single programs, over a few shared layers."""

from pathlib import Path

from corpus.model import ContainerConfig, Image, Source
from corpus.sets import demo, shop
from corpus.sets.bases import DEBIAN, PATH, labels, user
from corpus.sets.series import DJANGO, KAFKA, NATS, NODE_RED, PANDAS
from corpus.sources import Debian, GoProgram

__all__ = ["IMAGES"]

_BOTH = ("linux/amd64", "linux/arm64")
_NOBODY = "65532:65532"
_COREDNS = Path(__file__).parents[2] / "e2e" / "cluster" / "go" / "coredns"
_BY_NAME = {image.reference: image for image in (*demo.IMAGES, *shop.IMAGES)}


def _server(reference: str, packages: tuple[str, ...], command: tuple[str, ...], *more: Source) -> Image:
    return Image(
        reference=reference,
        layers=(DEBIAN, Debian(packages, on=DEBIAN), *more),
        config=ContainerConfig(command=command, environment=(PATH,), labels=labels(reference, "bookworm", "various")),
    )


def _single(reference: str, *layers: Source, command: tuple[str, ...]) -> Image:
    name, _, version = reference.rpartition(":")
    return Image(
        reference=reference,
        platforms=_BOTH,
        layers=layers,
        config=ContainerConfig(entrypoint=command, user=_NOBODY, labels=labels(name, version, "Apache-2.0")),
    )


_PODINFO = _single(
    "ghcr.io/stefanprodan/podinfo:1.8.1",
    GoProgram(
        "github.com/stefanprodan/podinfo/cmd/podinfo",
        "/podinfo",
        module="github.com/stefanprodan/podinfo",
        version="v1.8.1-0.20250910200901-e86405a8674e",
    ),
    command=("/podinfo", "--port", "9898"),
)

IMAGES = (
    Image(reference="docker.io/library/debian:bookworm-slim", layers=(DEBIAN,), platforms=_BOTH),
    Image(
        reference="docker.io/library/nginx:1.22",
        platforms=_BOTH,
        layers=(DEBIAN, Debian(("nginx",), on=DEBIAN), user("nginx", 101, "/var/www", "/var/cache/nginx")),
        config=ContainerConfig(
            command=("nginx", "-g", "daemon off;"),
            environment=(PATH,),
            ports=("80/tcp",),
            labels=labels("nginx", "1.22", "BSD-2-Clause"),
            stop_signal="SIGQUIT",
        ),
    ),
    _BY_NAME["docker.io/library/postgres:15"],
    _BY_NAME["docker.io/library/redis:7"],
    _BY_NAME["docker.io/library/busybox:1.35"],
    DJANGO[-1],
    PANDAS[-1],
    NODE_RED[-1],
    KAFKA[-1],
    NATS[-1],
    _PODINFO,
    _single(
        "registry.k8s.io/coredns/coredns:v1.14.7", GoProgram(".", "/coredns", folder=_COREDNS), command=("/coredns",)
    ),
    _BY_NAME["quay.io/coreos/etcd:v3.5.1"],
    _BY_NAME["docker.io/library/caddy:2.11.7"],
    _server("docker.io/library/memcached:1.6", ("memcached",), ("memcached",), user("memcached", 11211, "/")),
    _server("docker.io/library/haproxy:2.6", ("haproxy",), ("haproxy", "-f", "/etc/haproxy/haproxy.cfg")),
    _server(
        "docker.io/library/mariadb:10.11", ("mariadb-server",), ("mariadbd",), user("mysql", 999, "/var/lib/mysql")
    ),
    _server("docker.io/library/gcc:12", ("gcc", "g++", "make", "libc6-dev"), ("bash",)),
)
