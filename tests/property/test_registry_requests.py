"""Ranges, paths, pages and names of the registry, for any input."""

import re

from hypothesis import given
from hypothesis import strategies as st

from packhorse.oci.digest import Digest
from packhorse.registry.answers import page_of
from packhorse.registry.names import path_name
from packhorse.registry.ranges import Span, Unsatisfiable, parse_range
from packhorse.registry.routes import Operation, Route, parse_route

SIZES = st.integers(0, 10**15)
NUMBERS = st.integers(0, 10**18)


@given(size=SIZES, start=NUMBERS, last=NUMBERS)
def test_a_range_names_the_bytes_that_it_says(size: int, start: int, last: int) -> None:
    part = parse_range(f"bytes={start}-{last}", size)
    if last < start:
        assert part is None
    elif start >= size:
        assert part is Unsatisfiable.UNSATISFIABLE
    else:
        assert part == Span(start, min(last + 1, size) - start)


@given(size=SIZES, start=NUMBERS)
def test_an_open_range_goes_to_the_end(size: int, start: int) -> None:
    part = parse_range(f"bytes={start}-", size)
    assert part == (Span(start, size - start) if start < size else Unsatisfiable.UNSATISFIABLE)


@given(size=SIZES, length=NUMBERS)
def test_a_suffix_is_the_end(size: int, length: int) -> None:
    part = parse_range(f"bytes=-{length}", size)
    wanted = min(length, size)
    assert part == (Span(size - wanted, wanted) if wanted else Unsatisfiable.UNSATISFIABLE)


@given(header=st.text() | st.from_regex(r"bytes=[0-9,\- x]{0,12}"), size=SIZES)
def test_whatever_a_client_sends_the_part_lies_within(header: str, size: int) -> None:
    part = parse_range(header, size)
    if isinstance(part, Span):
        assert 0 <= part.start < part.start + part.length <= size
        assert part.content_range(size) == f"bytes {part.start}-{part.start + part.length - 1}/{size}"
    else:
        assert part is None or header.lower().replace(" ", "").startswith("bytes=")


NAMES = st.from_regex(r"[a-z0-9]{1,6}(/[a-z0-9]{1,6}){0,3}", fullmatch=True) | st.sampled_from(
    ["blobs", "manifests/blobs", "tags/list", "v2/manifests", "a/blobs/uploads", "referrers"]
)


@given(name=NAMES, tag=st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,20}", fullmatch=True))
def test_a_path_is_read_back_to_what_made_it(name: str, tag: str) -> None:
    digest = Digest.of(tag.encode())
    assert parse_route(f"/v2/{name}/manifests/{tag}") == parse_route(f"/v2/{name}/manifests/{tag}/")
    for operation, path, target in (
        (Operation.MANIFEST, f"manifests/{tag}", tag),
        (Operation.MANIFEST, f"manifests/{digest}", digest),
        (Operation.BLOB, f"blobs/{digest}", digest),
        (Operation.REFERRERS, f"referrers/{digest}", digest),
        (Operation.TAGS, "tags/list", "list"),
    ):
        route = parse_route(f"/v2/{name}/{path}")
        assert (route.operation, route.name, route.target) == (operation, name, target)
        assert route.has_valid_name
    assert parse_route(f"/v2/{name}/blobs/uploads") == Route(Operation.UPLOADS, name)
    assert parse_route(f"/v2/{name}/blobs/uploads/") == Route(Operation.UPLOADS, name)
    assert parse_route(f"/v2/{name}/blobs/uploads/some-id") == Route(Operation.UPLOAD, name, "some-id")


@given(path=st.text() | st.from_regex(r"/v2/.*"))
def test_no_path_makes_an_error(path: str) -> None:
    route = parse_route(path)
    assert route.has_valid_name in (True, False)


@given(items=st.lists(st.text(min_size=1), unique=True).map(sorted), count=st.integers(1, 5))
def test_pages_make_up_the_whole(items: list[str], count: int) -> None:
    found: list[str] = []
    last = None
    while True:
        page = page_of(items, count, last)
        assert len(page.items) <= count
        found += page.items
        last = page.next_last
        if last is None:
            break
    assert found == items
    assert page_of(items, 0, None).items == []
    assert page_of(items, 0, None).next_last is None


@given(host=st.from_regex(r"[a-zA-Z0-9]{1,8}(\.[a-z]{1,5}){0,2}(:[0-9]{1,5})?", fullmatch=True))
def test_every_registry_has_a_place_in_a_path(host: str) -> None:
    assert re.fullmatch(r"[a-z0-9._-]+/library/x", path_name(f"{host}/library/x"))
