"""Six images in three successive versions each: an update stream, on which deltas are measured.

What changes between two versions is what changed between real releases; what stays is the same to the byte, as far as
the programs that made it allow. Each series stands in the order of its releases.
"""

from pathlib import Path

from corpus.model import ContainerConfig, Image
from corpus.sets.bases import DEBIAN, PATH, labels, user
from corpus.sources import Debian, GoProgram, MavenJars, NodeModules, Texts, Wheels

__all__ = ["DEBIAN_TOOLS", "DJANGO", "IMAGES", "KAFKA", "NATS", "NODE_RED", "PANDAS"]

_LOCKS = Path(__file__).parents[1] / "locks"
_PYTHON = Debian(("python3",), on=DEBIAN)
_CPLUSPLUS = Debian(("libstdc++6",), on=_PYTHON)
_NODE = Debian(("nodejs",), on=DEBIAN)
_JAVA = Debian(("openjdk-17-jre-headless",), on=DEBIAN)
_TOOLS = (*DEBIAN.packages, "ca-certificates", "curl", "git", "gnupg", "openssh-client", "openssl", "perl", "python3")
_APP = user("app", 65532, "/app", "/app", "/data")


def _debian(tag: str, updates: tuple[str, ...] | None) -> Image:
    return Image(
        reference=f"docker.io/library/buildpack-deps:{tag}",
        layers=(Debian(_TOOLS, without=DEBIAN.without, updates=updates),),
        config=ContainerConfig(command=("bash",), environment=(PATH,), labels=labels("Debian tools", tag, "various")),
    )


def _django(version: str) -> Image:
    return Image(
        reference=f"registry.example.com/apps/django:{version}",
        layers=(
            DEBIAN,
            _PYTHON,
            Wheels(_LOCKS / f"django-{version}.txt"),
            _APP,
            Texts({"/app/wsgi.py": _DJANGO_SITE}),
        ),
        config=ContainerConfig(
            command=("python3", "-m", "gunicorn", "--bind", "0.0.0.0:8000", "wsgi:application"),
            environment=(PATH, "PYTHONDONTWRITEBYTECODE=1", "PYTHONUNBUFFERED=1"),
            user="65532:65532",
            working_directory="/app",
            ports=("8000/tcp",),
            labels=labels("Django", version, "BSD-3-Clause"),
        ),
    )


def _pandas(version: str) -> Image:
    return Image(
        reference=f"registry.example.com/data/pandas:{version}",
        layers=(DEBIAN, _PYTHON, _CPLUSPLUS, Wheels(_LOCKS / f"pandas-{version}.txt"), _APP),
        config=ContainerConfig(
            command=("python3", "-c", "import pandas; pandas.show_versions()"),
            environment=(PATH, "PYTHONDONTWRITEBYTECODE=1"),
            user="65532:65532",
            working_directory="/app",
            labels=labels("pandas", version, "BSD-3-Clause"),
        ),
    )


def _node_red(version: str) -> Image:
    return Image(
        reference=f"docker.io/nodered/node-red:{version}",
        layers=(DEBIAN, _NODE, NodeModules(_LOCKS / f"node-red-{version}", "/usr/src/node-red"), _APP),
        config=ContainerConfig(
            command=("node", "node_modules/node-red/red.js", "--userDir", "/data"),
            environment=(PATH, "NODE_ENV=production"),
            user="65532:65532",
            working_directory="/usr/src/node-red",
            ports=("1880/tcp",),
            volumes=("/data",),
            labels=labels("Node-RED", version, "Apache-2.0"),
        ),
    )


def _kafka(version: str) -> Image:
    return Image(
        reference=f"docker.io/apache/kafka:{version}",
        format="docker",
        layers=(DEBIAN, _JAVA, MavenJars(_LOCKS / f"kafka-{version}.txt", "/opt/kafka/libs"), _APP),
        config=ContainerConfig(
            command=("java", "-cp", "/opt/kafka/libs/*", "kafka.Kafka", "/etc/kafka/server.properties"),
            environment=(f"{PATH}:/usr/lib/jvm/java-17-openjdk-amd64/bin",),
            user="65532:65532",
            ports=("9092/tcp",),
            volumes=("/data",),
            labels=labels("Apache Kafka", version, "Apache-2.0"),
        ),
    )


def _nats(version: str) -> Image:
    module = "github.com/nats-io/nats-server/v2"
    return Image(
        reference=f"docker.io/library/nats:{version}",
        platforms=("linux/amd64", "linux/arm64"),
        layers=(GoProgram(module, "/nats-server", module=module, version=f"v{version}"),),
        config=ContainerConfig(
            entrypoint=("/nats-server",),
            user="65532:65532",
            ports=("4222/tcp", "8222/tcp"),
            labels=labels("NATS", version, "Apache-2.0"),
        ),
    )


_DJANGO_SITE = """\
from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import HttpResponse
from django.urls import path

settings.configure(ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"], SECRET_KEY="of an image for tests")
urlpatterns = [path("", lambda request: HttpResponse("It works.\\n"))]
application = get_wsgi_application()
"""

DEBIAN_TOOLS = (
    _debian("bookworm-released", ()),
    _debian("bookworm-openssl", ("libssl3", "openssl", "tzdata")),
    _debian("bookworm-updated", None),
)
"""As of Debian's last point release; with the security updates of two packages; with all that was updated since."""
DJANGO = tuple(_django(version) for version in ("5.2.17", "5.2.18", "5.2.19"))
PANDAS = tuple(_pandas(version) for version in ("3.0.3", "3.0.5", "3.0.6"))
NODE_RED = tuple(_node_red(version) for version in ("4.1.13", "4.1.14", "4.1.15"))
KAFKA = tuple(_kafka(version) for version in ("4.2.0", "4.2.1", "4.2.2"))
NATS = tuple(_nats(version) for version in ("2.14.6", "2.14.7", "2.14.8"))

IMAGES = (*DEBIAN_TOOLS, *DJANGO, *PANDAS, *NODE_RED, *KAFKA, *NATS)
