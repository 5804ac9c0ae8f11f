"""Images of ordinary size for measurements: about a gigabyte of Debian's programs over shared layers."""

from corpus.model import ContainerConfig, Image
from corpus.sets.bases import DEBIAN, PATH, labels
from corpus.sources import Debian

__all__ = ["IMAGES"]

_PYTHON = Debian(("python3",), on=DEBIAN)


def _image(name: str, *layers: Debian) -> Image:
    return Image(
        reference=f"docker.io/library/{name}:bookworm",
        layers=(DEBIAN, *layers),
        config=ContainerConfig(command=("bash",), environment=(PATH,), labels=labels(name, "bookworm", "various")),
    )


IMAGES = (
    _image("debian"),
    _image("python", _PYTHON),
    _image("django", _PYTHON, Debian(("python3-django", "python3-psycopg2"), on=_PYTHON)),
    _image("pandas", _PYTHON, Debian(("python3-pandas", "python3-scipy", "python3-matplotlib"), on=_PYTHON)),
    _image("node", Debian(("nodejs",), on=DEBIAN)),
    _image("java", Debian(("openjdk-17-jre-headless",), on=DEBIAN)),
    _image("jdk", Debian(("openjdk-17-jdk-headless",), on=DEBIAN)),
    _image("gcc", Debian(("gcc", "g++", "make", "libc6-dev"), on=DEBIAN)),
    _image("golang", Debian(("golang-1.19-go",), on=DEBIAN)),
    _image("mariadb", Debian(("mariadb-server",), on=DEBIAN)),
    _image("postgres", Debian(("postgresql-15",), on=DEBIAN)),
    _image("prometheus", Debian(("prometheus",), on=DEBIAN)),
    _image("chromium", Debian(("chromium",), on=DEBIAN)),
)
