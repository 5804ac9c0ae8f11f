import threading
from collections.abc import Iterator
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from corpus.errors import CorpusError
from corpus.layout import Layout
from corpus.maker import Maker
from corpus.model import Image
from corpus.registry import hosts, push
from corpus.sources import Texts
from corpus.workshop import Workshop


class Registry(ThreadingHTTPServer):
    """The push half of the distribution API, over two dictionaries."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.blobs: dict[str, bytes] = {}
        self.manifests: dict[str, tuple[str, bytes]] = {}
        self.read_only = False

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Registry

    def answer(self, status: int, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": "0", **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()

    def do_HEAD(self) -> None:
        self.answer(200 if self.path in self.server.blobs else 404)

    def do_POST(self) -> None:
        self.answer(405 if self.server.read_only else 202, {"Location": f"{self.server.url}{self.path}1?state=s"})

    def do_PUT(self) -> None:
        data = self.rfile.read(int(self.headers["Content-Length"]))
        address = urlsplit(self.path)
        if "/blobs/uploads/" not in address.path:
            self.server.manifests[address.path] = (self.headers["Content-Type"], data)
            self.answer(201)
            return
        asked = parse_qs(address.query)
        digest = asked["digest"][0]
        right = digest == f"sha256:{sha256(data).hexdigest()}" and asked["state"] == ["s"]
        self.server.blobs[f"{address.path.partition('uploads/')[0]}{digest}"] = data
        self.answer(201 if right else 400)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def registry() -> Iterator[Registry]:
    server = Registry()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def layout(workshop: Workshop, tmp_path: Path) -> Layout:
    layers = (Texts({"/a": "a"}), Texts({"/b": "b"}))
    both = Image(reference="docker.io/library/both:1", layers=layers, platforms=("linux/amd64", "linux/arm64"))
    one = Image(reference="registry.example.com:5000/a/one:2.0", layers=layers[:1])
    return Maker(workshop).all_in_one([both, one], tmp_path / "layout")


def test_each_image_stands_under_its_own_host(registry: Registry, layout: Layout) -> None:
    names = push(layout, registry.url)
    assert names == ["docker.io/library/both:1", "registry.example.com:5000/a/one:2.0"]
    for name, descriptor in layout.named():
        repository, _, tag = name.rpartition(":")
        media_type, data = registry.manifests[f"/v2/{repository}/manifests/{tag}"]
        assert media_type == descriptor["mediaType"]
        assert f"sha256:{sha256(data).hexdigest()}" == descriptor["digest"]
    assert hosts(layout) == ["docker.io", "registry.example.com:5000"]


def test_the_manifests_of_an_index_can_be_asked_for_by_digest(registry: Registry, layout: Layout) -> None:
    push(layout, registry.url)
    ((_, descriptor), _) = layout.named()
    index = layout.read_json(str(descriptor["digest"]))
    for child in index["manifests"]:  # type: ignore[attr-defined]
        assert f"/v2/docker.io/library/both/manifests/{child['digest']}" in registry.manifests


def test_what_is_there_is_not_sent_again(registry: Registry, layout: Layout) -> None:
    push(layout, registry.url)
    # Two platforms have two configurations; the layers are the same for both.
    assert len([path for path in registry.blobs if "library/both" in path]) == 4
    registry.read_only = True
    assert push(layout, registry.url) == [name for name, _ in layout.named()]


def test_a_refusal_names_the_request_and_the_status(registry: Registry, layout: Layout) -> None:
    registry.read_only = True
    with pytest.raises(CorpusError, match=r"for POST /v2/docker.io/library/both/blobs/uploads/, found 405"):
        push(layout, registry.url)


def test_no_registry_is_told_with_its_address(layout: Layout) -> None:
    with pytest.raises(CorpusError, match=r"Expected a registry at http://127.0.0.1:1\b"):
        push(layout, "http://127.0.0.1:1")


@pytest.mark.parametrize("address", ["127.0.0.1:5000", "https://127.0.0.1", "http://"])
def test_only_plain_http_is_taken(layout: Layout, address: str) -> None:
    with pytest.raises(CorpusError, match="http://host:port"):
        push(layout, address)
