"""The pages for a browser: what stands on them, that nothing breaks out of them, and that they load nothing."""

import base64
import hashlib
import json
import re
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import urlsplit

import msgspec
import pytest

from packhorse.app.build import build
from packhorse.app.serve import Sources, known_images, open_sources
from packhorse.base.events import NullReporter
from packhorse.oci import media_types
from packhorse.oci.digest import Digest
from packhorse.oci.model import Descriptor, Manifest
from packhorse.registry.pages.markup import element
from packhorse.registry.pages.model import listed
from packhorse.registry.pages.summaries import kind_of_referrer
from packhorse.registry.watching import Watched
from packhorse.store.directory_site import DirectorySite
from tests.support.client_pushing import push
from tests.support.packages import Upstream, materials, sample
from tests.support.serving import Reply, Server, running

_VOID = {"meta", "input", "br"}
_NASTY = "<script>alert(1)</script>\"'&\u202e\x07"


class Page(HTMLParser):
    """A page, read; it must be well formed."""

    def __init__(self, reply: Reply) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(reply.body.decode())
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert all(value is not None for _, value in attrs)
        self.elements.append((tag, {key: value or "" for key, value in attrs}))
        if tag not in _VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] != "style":
            self.text += f"{data} "

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.elements if name == tag]

    @property
    def links(self) -> list[str]:
        return [attributes["href"] for attributes in self.all("a")]


def page(server: Server, path: str, status: int = 200) -> Page:
    reply = server.ask(path)
    assert (reply.status, reply.headers["Content-Type"]) == (status, "text/html; charset=utf-8")
    return Page(reply)


@pytest.fixture(scope="module")
def bundled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A bundle and a store, as serve puts them together."""
    folder = tmp_path_factory.mktemp("site")
    what, upstream = sample(folder)
    build(what, materials(upstream), NullReporter())
    with ExitStack() as opened:
        catalog, catalogs = open_sources(Sources((str(what.output),), str(folder / "store")), opened)
        watched = Watched(users=known_images(catalogs).users)
        yield opened.enter_context(running(catalog, watched=watched))


@pytest.fixture
def site(tmp_path: Path) -> Iterator[DirectorySite]:
    store = DirectorySite.create(tmp_path / "store")
    yield store
    store.close()


def test_the_root_is_a_page_for_browsers_and_an_error_for_programs(bundled: Server) -> None:
    browser = bundled.ask("/", Accept="text/html,application/xhtml+xml,*/*;q=0.8")
    assert browser.body == bundled.ask("/ui").body == bundled.ask("/ui/").body
    program = bundled.ask("/", Accept="*/*")
    assert (program.status, json.loads(program.body)["errors"][0]["code"]) == (404, "NAME_UNKNOWN")


def test_all_repositories_are_listed_with_their_tags(bundled: Server) -> None:
    found = page(bundled, "/ui/")
    assert "/ui/docker.io/library/multi" in found.links
    assert "1 to 4 of 4 repositories" in found.text


def test_repositories_are_found_by_any_part_of_their_names(bundled: Server) -> None:
    links = page(bundled, "/ui/?q=APP1+team").links
    assert [link for link in links if "registry.example" in link] == ["/ui/registry.example/team/app1"]
    assert "No repository has 'nothing' in its name." in page(bundled, "/ui/?q=nothing").text


def test_an_image_shows_platforms_sizes_users_and_signatures(bundled: Server) -> None:
    tags = page(bundled, "/ui/docker.io/library/multi")
    assert "image for several platforms" in tags.text
    assert "linux/amd64, linux/arm64" in tags.text
    image = page(bundled, "/ui/docker.io/library/multi:1")
    assert "sample 1.0.0 (sample.bundle.tar)" in image.text
    assert "linux/s390x" in image.text
    assert " is not here" in image.text
    below = [link for link in image.links if "@sha256:" in link]
    assert len(below) == 2
    amd64 = page(bundled, below[0])
    assert "sample 1.0.0" in amd64.text
    assert "application/vnd.example.signature" in amd64.text
    assert "application/vnd.oci.image.layer.v1.tar+gzip" in amd64.text
    signature = next(link for link in amd64.links if "@sha256:" in link and link not in below)
    assert below[0] in page(bundled, signature).links


def test_the_size_counts_what_is_there_once(site: DirectorySite) -> None:
    upstream = Upstream()
    image = upstream.index(upstream.manifest("amd64", size=700_000), upstream.manifest("arm64", size=700_000))
    with running(site) as server:
        push(server, "team/app", upstream, image, "1")
        total = sum(map(len, upstream.blobs.content.values()))
        assert f"({total:,} bytes)" in page(server, "/ui/packhorse.internal/team/app:1").text


def test_what_is_pushed_and_deleted_shows_at_once(site: DirectorySite) -> None:
    upstream = Upstream()
    image = upstream.manifest()
    with running(site) as server:
        assert "There is no repository here yet." in page(server, "/ui/").text
        push(server, "team/app", upstream, image, "1")
        assert "/ui/packhorse.internal/team/app:1" in page(server, "/ui/packhorse.internal/team/app").links
        push(server, "team/app", upstream, upstream.signature(image))
        assert "signature" in page(server, "/ui/packhorse.internal/team/app:1").text
        server.ask("/v2/team/app/manifests/1", "DELETE")
        assert "It has no tag" in page(server, "/ui/packhorse.internal/team/app").text
        page(server, "/ui/packhorse.internal/team/app:1", 404)


def test_an_index_is_read_again_when_more_of_it_is_there(site: DirectorySite) -> None:
    upstream = Upstream()
    amd64, arm64 = upstream.manifest("amd64"), upstream.manifest("arm64")
    image = upstream.index(amd64, arm64)
    name = "packhorse.internal/team/app"
    with running(site) as server:
        push(server, "team/app", upstream, amd64, "amd64")
        assert server.put("/v2/team/app/manifests/1", upstream.blobs.content[image.digest], image.media_type) == 201
        assert " is not here" in page(server, f"/ui/{name}:1").text
        push(server, "team/app", upstream, arm64, "arm64")
        assert " is not here" not in page(server, f"/ui/{name}:1").text


def test_signatures_with_cosigns_tags_are_shown(site: DirectorySite) -> None:
    upstream = Upstream()
    image, about = upstream.manifest(), upstream.manifest()
    with running(site) as server:
        push(server, "team/app", upstream, image, "1")
        for ending in ("sig", "att", "sbom"):
            push(server, "team/app", upstream, about, f"sha256-{image.digest.hex}.{ending}")
        text = page(server, "/ui/packhorse.internal/team/app:1").text
        assert "1 manifest " in text
        assert f"{about.digest.short}" in text


def hostile(upstream: Upstream) -> Descriptor:
    """An image whose every word is an attack."""
    config = upstream.blobs.add(
        "application/vnd.oci.image.config.v1+json", json.dumps({"os": _NASTY, "architecture": _NASTY}).encode()
    )
    layer = msgspec.structs.replace(
        upstream.layer(10), media_type=_NASTY, annotations={"org.opencontainers.image.title": _NASTY}
    )
    return upstream.blobs.add_manifest(
        Manifest(
            schema_version=2,
            media_type=media_types.OCI_MANIFEST,
            artifact_type=None,
            config=config,
            layers=(layer,),
            annotations={_NASTY: _NASTY},
        )
    )


def test_nothing_from_outside_becomes_markup(site: DirectorySite) -> None:
    upstream = Upstream()
    image = hostile(upstream)
    with running(site) as server:
        push(server, "team/app", upstream, image, "1")
        paths = (
            "/ui/?q=%3Cscript%3Ealert(1)%3C/script%3E%22%27%26",
            "/ui/packhorse.internal/team/app",
            "/ui/packhorse.internal/team/app:1",
            "/ui/%3Cscript%3Ealert(1)%3C/script%3E",
            "/ui/packhorse.internal/team/app:%22%3E%3Cscript%3E",
            "/ui/packhorse.internal/team/app@%3Cscript%3E",
            "/ui/packhorse.internal/team/app?after=%3Cscript%3E",
        )
        for path in paths:
            reply = server.ask(path)
            found = Page(reply)
            assert {tag for tag, _ in found.elements} & {"script", "img", "iframe", "object", "link"} == set(), path
            assert not any(key.startswith("on") for _, attributes in found.elements for key in attributes), path
            assert "\u202e" not in found.text
            assert "\x07" not in found.text
        assert "<script>alert(1)</script>" in page(server, "/ui/packhorse.internal/team/app:1").text


def test_nothing_is_loaded_and_the_policy_lets_only_our_style_through(bundled: Server) -> None:
    for path in ("/ui/", "/ui/docker.io/library/multi", "/ui/docker.io/library/multi:1", "/ui/nothing.example/x"):
        reply = bundled.ask(path)
        found = Page(reply)
        assert all(urlsplit(link).netloc == "" for link in found.links)
        assert not any({"src", "srcset", "style", "action"} & set(each) - {"action"} for _, each in found.elements)
        (style,) = re.findall(r"<style>(.*?)</style>", reply.body.decode(), re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
        policy = reply.headers["Content-Security-Policy"]
        assert policy.startswith(f"default-src 'none'; style-src 'sha256-{digest}';")
        assert "frame-ancestors 'none'" in policy
        assert "url(" not in style
        assert "@import" not in style
        assert reply.headers["X-Content-Type-Options"] == "nosniff"


def test_pages_are_for_everybody(bundled: Server) -> None:
    for path in ("/ui/", "/ui/docker.io/library/multi", "/ui/docker.io/library/multi:1", "/ui/nothing.example/x"):
        found = Page(bundled.ask(path))
        assert found.all("html") == [{"lang": "en"}]
        assert len(found.all("h1")) == len(found.all("main")) == len(found.all("title")) == 1
        assert {"name": "viewport", "content": "width=device-width, initial-scale=1"} in found.all("meta")
        assert found.all("a")[0] == {"class": "skip", "href": "#content"}
        assert len(found.all("caption")) == len(found.all("table"))
        assert all({"scope", "role"} <= set(each) for each in found.all("th"))
        labelled = {each["for"] for each in found.all("label")}
        assert {each["id"] for each in found.all("input")} == labelled
        assert all("aria-label" in each for each in found.all("div") if each.get("tabindex") == "0")


def luminance(colour: str) -> float:
    """WCAG 2.2, "relative luminance"."""
    full = colour if len(colour) == 7 else "#" + "".join(each * 2 for each in colour[1:])
    parts = [int(full[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_every_text_stands_out_from_its_ground_in_light_and_in_dark(bundled: Server) -> None:
    style = re.findall(r"<style>(.*?)</style>", bundled.ask("/ui/").body.decode(), re.DOTALL)[0]
    schemes = [dict(re.findall(r"--(\w+):(#[0-9a-f]+)", part)) for part in re.findall(r":root\{([^}]*)\}", style)]
    assert len(schemes) == 2
    for colours in schemes:
        for text in ("text", "soft", "link"):
            for ground in ("back", "band"):
                low, high = sorted((luminance(colours[text]), luminance(colours[ground])))
                assert (high + 0.05) / (low + 0.05) >= 4.5, (text, ground, colours)


def test_a_page_answers_head(bundled: Server) -> None:
    get, head = bundled.ask("/ui/"), bundled.ask("/ui/", "HEAD")
    assert (head.status, head.body, head.headers["Content-Length"]) == (200, b"", str(len(get.body)))
    assert bundled.ask("/ui/", "POST").status in {404, 405}


def test_what_cannot_be_read_says_so(site: DirectorySite) -> None:
    upstream = Upstream()
    image = upstream.manifest()
    with running(site) as server:
        push(server, "team/app", upstream, image, "1")
        (site.path / "blobs" / "sha256" / image.digest.hex).write_bytes(b"x" * image.size)
        assert "cannot be read" in page(server, "/ui/packhorse.internal/team/app").text
        assert "the bytes hash to" in page(server, "/ui/packhorse.internal/team/app:1", 500).text


class Many(DirectorySite):
    """A store with more repositories than fit on a page, and of which one waits for its disk."""

    waiting = threading.Event()
    free = threading.Event()

    def repositories(self) -> list[str]:
        return [f"packhorse.internal/r{number:05}" for number in range(10_000)]

    def tags(self, name: str) -> list[str] | None:
        if name.endswith("r00042"):
            self.waiting.set()
            assert self.free.wait(20)
        return [f"t{number}" for number in range(10)]


def test_ten_thousand_repositories_are_paged_and_hold_up_nobody(tmp_path: Path) -> None:
    site = Many.create(tmp_path / "store")
    with running(site) as server:
        answers: list[Page] = []
        reader = threading.Thread(target=lambda: answers.append(page(server, "/ui/")))
        reader.start()
        assert site.waiting.wait(20)
        # While the page waits for the disk, everything else is answered.
        assert server.ask("/healthz").status == 200
        assert server.ask("/v2/").status == 200
        site.free.set()
        reader.join(20)
        (first,) = answers
        assert "1 to 100 of 10,000 repositories" in first.text
        seen = 0
        following: str | None = "/ui/?after=packhorse.internal/r09499&q=r"
        while following is not None:
            found = page(server, following)
            seen += sum("/r0" in link and "?" not in link for link in found.links)
            following = next((link for link in found.links if "after=" in link), None)
        assert seen == 500
    site.close()


@pytest.mark.parametrize(
    ("items", "after", "part", "first", "following"),
    [
        ((), "", [], 1, None),
        ("abc", "", ["a", "b"], 1, "b"),
        ("abc", "b", ["c"], 3, None),
        ("abc", "aa", ["b", "c"], 2, None),
        ("abc", "z", [], 4, None),
    ],
)
def test_parts_of_lists(items: Sequence[str], after: str, part: list[str], first: int, following: str | None) -> None:
    found, where = listed(list(items), after, 2)
    assert (list(found), where.first, where.total, where.following) == (part, first, len(items), following)


@pytest.mark.parametrize(
    ("artifact_type", "kind"),
    [
        ("application/vnd.dev.sigstore.bundle.v0.3+json", "signature"),
        ("application/vnd.cncf.notary.signature", "signature"),
        ("application/vnd.cyclonedx+json", "SBOM"),
        ("application/spdx+json", "SBOM"),
        ("application/vnd.in-toto+json", "attestation"),
        ("application/vnd.example", "artifact"),
        ("", "artifact"),
    ],
)
def test_kinds_of_what_refers(artifact_type: str, kind: str) -> None:
    assert kind_of_referrer(artifact_type) == kind


def test_elements_escape_what_they_are_given() -> None:
    made = element("a", "<b>", element("i", "&"), None, href='"><x', title=None)
    assert made == '<a href="&quot;&gt;&lt;x">&lt;b&gt;<i>&amp;</i></a>'


def test_digests_are_not_taken_for_tags(bundled: Server) -> None:
    page(bundled, f"/ui/docker.io/library/multi@{Digest.of(b'nothing')}", 404)
    page(bundled, "/ui/localhost:5000/x", 404)
    page(bundled, "/ui/localhost:5000/x:1", 404)
