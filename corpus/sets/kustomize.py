"""The weather page of ``examples/kustomize`` in two releases, of which each site runs one."""

from pathlib import Path

from corpus.model import ContainerConfig, Image, Source
from corpus.sets.bases import DEBIAN, PATH, labels, user
from corpus.sets.shop import BUSYBOX, NGINX
from corpus.sources import Together, Tree

__all__ = ["IMAGES"]

_APPS = Path(__file__).parents[2] / "examples" / "kustomize" / "apps"
_PAGE = "/srv/weather"


def _web(version: str, *changed: Source) -> Image:
    files = (Tree(_APPS / "web" / "nginx", "/etc/nginx"), Tree(_APPS / "web" / "page", _PAGE))
    return Image(
        reference=f"registry.example.com/weather/web:{version}",
        layers=(DEBIAN, NGINX, user("nginx", 101, _PAGE), Together(files), *changed),
        config=ContainerConfig(
            command=("nginx", "-g", "daemon off;"),
            environment=(PATH,),
            user="101:101",
            ports=("8080/tcp",),
            labels=labels("Weather page", version, "Apache-2.0"),
            stop_signal="SIGQUIT",
        ),
    )


IMAGES = (_web("1.0.0"), _web("1.1.0", Tree(_APPS / "web-1.1", _PAGE)), BUSYBOX)
