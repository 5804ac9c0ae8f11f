"""The three tiers of ``examples/shop``: Debian's nginx, Python, PostgreSQL and Redis over one base layer.

Version 1.1 has the same images but for the web front and the backend, whose changed files lie over those of 1.0.
"""

from pathlib import Path

from corpus.model import ContainerConfig, Image, Source
from corpus.sets.bases import DEBIAN, PATH, labels, user
from corpus.sources import Debian, Links, Together, Tree

__all__ = ["BUSYBOX", "IMAGES", "IMAGES_1_1", "NGINX", "REDIS"]

_EXAMPLES = Path(__file__).parents[2] / "examples"
_APPS = _EXAMPLES / "shop" / "apps"
_CHANGED = _EXAMPLES / "shop-1.1" / "apps"

_TOOLS_OF_SCRIPTS = ("adduser", "init-system-helpers", "libsemanage-common", "libsemanage2", "libsepol2", "passwd")
_KERBEROS = ("libcom-err2", "libgssapi-krb5-2", "libk5crypto3", "libkeyutils1", "libkrb5-3", "libkrb5support0")
_PERL = ("libgdbm-compat4", "libgdbm6", "libjson-perl", "libperl5.36", "perl", "perl-base", "perl-modules-5.36")
_WRAPPERS = ("netbase", "postgresql-client-common", "postgresql-common", "sensible-utils", "ssl-cert", "ucf")
_NETWORK_TOOLS = ("iproute2", "libbpf1", "libbsd0", "libcap2-bin", "libelf1", "libmnl0", "libtirpc-common", "libtirpc3")

NGINX = Debian(("nginx",), on=DEBIAN, without=(*_NETWORK_TOOLS, *_KERBEROS, "libxtables12"))
_PYTHON = Debian(("python3", "python3-psycopg2", "python3-redis"), on=DEBIAN)
_REDIS_LAYER = Debian(("redis-server",), on=DEBIAN, without=_TOOLS_OF_SCRIPTS)
_CLIENT = Debian(("postgresql-client-15",), on=DEBIAN, without=(*_PERL, *_WRAPPERS))
_SERVER = Debian(
    ("postgresql-15",), on=_CLIENT, without=(*_PERL, *_WRAPPERS, *_TOOLS_OF_SCRIPTS, "locales", "libc-l10n", "openssl")
)
_POSTGRES_PATH = PATH.replace("PATH=", "PATH=/usr/lib/postgresql/15/bin:")

BUSYBOX = Image(
    reference="docker.io/library/busybox:1.35",
    layers=(
        Debian(("busybox-static",), on=DEBIAN),
        Together(
            (
                user("nonroot", 65532, "/"),
                Links({f"/usr/bin/{tool}": "busybox" for tool in ("cat", "nc", "sh", "sleep", "timeout", "wget")}),
                Links({"/bin": "usr/bin"}),
            )
        ),
    ),
    config=ContainerConfig(
        command=("sh",), user="65532:65532", environment=(PATH,), labels=labels("BusyBox", "1.35.0", "GPL-2.0-only")
    ),
)
_POSTGRES = Image(
    reference="docker.io/library/postgres:15",
    format="docker",
    layers=(
        DEBIAN,
        _CLIENT,
        _SERVER,
        user(
            "postgres", 999, "/var/lib/postgresql", "/var/lib/postgresql", "/var/lib/postgresql/data", "/run/postgresql"
        ),
        Tree(_APPS / "postgres", "/usr/local/bin"),
    ),
    config=ContainerConfig(
        entrypoint=("docker-entrypoint.sh",),
        command=("postgres",),
        environment=(_POSTGRES_PATH, "LANG=C.UTF-8", "PGDATA=/var/lib/postgresql/data/pgdata"),
        user="999:999",
        ports=("5432/tcp",),
        volumes=("/var/lib/postgresql/data",),
        labels=labels("PostgreSQL", "15", "PostgreSQL"),
        stop_signal="SIGINT",
    ),
)
REDIS = Image(
    reference="docker.io/library/redis:7",
    format="docker",
    layers=(DEBIAN, _REDIS_LAYER, user("redis", 999, "/data", "/data")),
    config=ContainerConfig(
        command=("redis-server", "--bind", "*", "--protected-mode", "no", "--dir", "/data"),
        environment=(PATH,),
        user="999:999",
        working_directory="/data",
        ports=("6379/tcp",),
        volumes=("/data",),
        labels=labels("Redis", "7.0", "BSD-3-Clause"),
    ),
)
_BACKUP = Image(
    reference="registry.example.com/shop/backup:1.0.0",
    layers=(DEBIAN, _CLIENT, user("backup", 65532, "/backups", "/backups"), Tree(_APPS / "backup", "/usr/local/bin")),
    config=ContainerConfig(
        command=("backup.sh",),
        environment=(_POSTGRES_PATH,),
        user="65532:65532",
        labels=labels("Shop backup", "1.0.0", "Apache-2.0"),
    ),
)


def _web(version: str, *changed: Source) -> Image:
    return Image(
        reference=f"registry.example.com/shop/web:{version}",
        layers=(
            DEBIAN,
            NGINX,
            user("nginx", 101, "/srv/shop"),
            Together((Tree(_APPS / "web" / "nginx", "/etc/nginx"), Tree(_APPS / "web" / "page", "/srv/shop"))),
            *changed,
        ),
        config=ContainerConfig(
            command=("nginx", "-g", "daemon off;"),
            environment=(PATH,),
            user="101:101",
            ports=("8080/tcp",),
            labels=labels("Shop web front", version, "Apache-2.0"),
            stop_signal="SIGQUIT",
        ),
    )


def _api(version: str, *changed: Source) -> Image:
    return Image(
        reference=f"registry.example.com/shop/api:{version}",
        layers=(DEBIAN, _PYTHON, user("api", 65532, "/app"), Tree(_APPS / "api", "/app"), *changed),
        config=ContainerConfig(
            entrypoint=("python3", "-m", "shop_api"),
            command=("serve",),
            environment=(PATH, "PYTHONDONTWRITEBYTECODE=1", "PYTHONUNBUFFERED=1"),
            user="65532:65532",
            working_directory="/app",
            ports=("8080/tcp",),
            labels=labels("Shop backend", version, "Apache-2.0"),
        ),
    )


_SHARED = (_POSTGRES, REDIS, BUSYBOX, _BACKUP)
IMAGES = (*_SHARED, _web("1.0.0"), _api("1.0.0"))
IMAGES_1_1 = (
    *_SHARED,
    _web("1.1.0", Tree(_CHANGED / "web" / "page", "/srv/shop")),
    _api("1.1.0", Tree(_CHANGED / "api", "/app")),
)
