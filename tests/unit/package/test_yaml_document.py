"""The YAML reader: what is read as what, and how each mistake is shown."""

import subprocess
import sys
import tracemalloc
from pathlib import Path

import pytest

from packhorse.base.errors import ConfigError
from packhorse.package import source_text, yaml_builder, yaml_document
from packhorse.package.source_text import Span
from packhorse.package.yaml_document import load_all, load_mapping, read_located
from tests.support.peak_memory import PEAK_MIB


def refusal(data: bytes | str) -> str:
    with pytest.raises(ConfigError) as caught:
        read_located(data, "f.yaml")
    return caught.value.message


def test_anchors_and_merge_keys() -> None:
    text = """
    base: &base {image: a, port: 80}
    more: &more {port: 81, host: h}
    one: {<<: *base, port: 8080}
    two: {<<: [*base, *more], name: two}
    same: *base
    """
    value = load_mapping(text, "f.yaml")
    assert value["one"] == {"image": "a", "port": 8080}
    assert value["two"] == {"image": "a", "port": 80, "host": "h", "name": "two"}
    assert value["same"] is value["base"]


def test_a_merged_key_does_not_hide_an_explicit_one_after_or_before_it() -> None:
    text = "b: &b {k: 1}\nx: {k: 2, <<: *b}\ny2: {<<: *b, k: 3}"
    assert load_mapping(text, "f")["x"] == {"k": 2}
    assert load_mapping(text, "f")["y2"] == {"k": 3}


def test_an_alias_to_the_word_of_a_merge_key_is_text() -> None:
    assert load_mapping("&m <<: {a: 1}\nb: *m", "f") == {"a": 1, "b": "<<"}


def test_a_quoted_merge_key_is_a_key() -> None:
    assert load_mapping("'<<': {a: 1}", "f") == {"<<": {"a": 1}}


def test_anchors_do_not_reach_into_the_next_document() -> None:
    with pytest.raises(ConfigError, match=r"f:3:4: the alias \*a has no anchor"):
        load_all("a: &a 1\n---\nb: *a", "f")


def test_keys_that_are_no_text_become_text_as_for_kubernetes() -> None:
    assert load_mapping("1: a\ntrue: b\n1.5: c\n2.0: d\n-7: e", "f") == {
        "1": "a",
        "true": "b",
        "1.5": "c",
        "2": "d",
        "-7": "e",
    }


def test_explicit_tags() -> None:
    text = "a: !!str 12\nb: ! 12\nc: !!binary aGk=\nd: !!int '12'\ne: !!float 1\nf: !!bool 'yes'\ng: !!null ''\n"
    text += "h: !!map {}\ni: !!seq []\nj: !!timestamp 2026-01-31"
    value = load_mapping(text, "f")
    assert value == {
        "a": "12",
        "b": "12",
        "c": "hi",
        "d": 12,
        "e": 1.0,
        "f": True,
        "g": None,
        "h": {},
        "i": [],
        "j": "2026-01-31",
    }
    assert isinstance(value["e"], float)


def test_many_documents_and_empty_ones() -> None:
    text = "---\n---\na: 1\n...\n---\n# nothing\n---\nb: 2\n"
    assert load_all(text, "f") == [{"a": 1}, {"b": 2}]
    assert load_all("", "f") == []


def test_json_is_yaml_even_with_tabs() -> None:
    assert load_all('{\n\t"kind": "List",\n\t"items": [1, 2.5, null, "\\u00fc"]\n}', "f") == [
        {"kind": "List", "items": [1, 2.5, None, "ü"]}
    ]


def test_a_byte_order_mark_is_no_part_of_the_text() -> None:
    document = read_located(b"\xef\xbb\xbfname: x", "f")
    assert document.value == {"name": "x"}
    assert document.key_span(("name",)) == Span(1, 1, 4)


def test_an_empty_values_file_is_an_empty_mapping() -> None:
    assert load_mapping("# nothing yet\n", "f") == {}


def test_places() -> None:
    text = "a:\n  - name: x\n    on: [1, 'two']\n  - &i {k: v}\nb: *i\n"
    document = read_located(text, "f")
    assert document.span(("a", 0, "name")) == Span(2, 11, 1)
    assert document.key_span(("a", 0, "true")) == Span(3, 5, 2)
    assert document.span(("a", 0, "true", 1)) == Span(3, 13, 5)
    assert document.span(("a", 1)) == Span(4, 5, 4)
    assert document.span(("b",)) == Span(5, 4, 2)
    assert document.span(("b", "k")) == Span(4, 12, 1)
    assert document.written(("a", 0, "true", 0)) == "1"
    assert document.written(("a", 0, "true", 1)) == "'two'"


def test_the_place_of_what_is_missing_or_merged_in_is_its_parents() -> None:
    document = read_located("x: &x {k: 1}\nz:\n  <<: *x\n", "f")
    assert document.span(("z", "k")) == document.span(("z",))
    assert document.span(("z", "nothing", 3)) == document.span(("z",))
    assert document.span(("x", 7)) == document.span(("x",))


def test_duplicate_keys_can_be_told_instead_of_refused() -> None:
    told: list[str] = []
    assert load_all("a: 1\nb: 2\na: 3\n", "out", on_duplicate=told.append) == [{"a": 3, "b": 2}]
    assert told == ['out:3:1: the key "a" stands twice in one mapping; the last counts']


MISTAKES = {
    "duplicate key": ("a: 1\nb: 2\na: 3\n", 'f.yaml:3:1: the key "a" stands twice in one mapping'),
    "duplicate after conversion": ('1: a\n"1": b', 'f.yaml:2:1: the key "1" stands twice'),
    "tab": ("a:\n\t- b\n", "f.yaml:2:1: a tab; YAML is indented with spaces"),
    "reserved character": ("- @x", "f.yaml:1:3: a value cannot begin with @; put it in quotes"),
    "colon in a value": ("a: b: c", 'f.yaml:1:5: a ": " that cannot stand here'),
    "indentation": ("a:\n  - b\n c: d", "f.yaml:3:2: expected a key; is the indentation the same as above?"),
    "open list": ("a: [1,\n2", 'f.yaml:3:1: expected "," or "]" in the list that began before'),
    "open mapping": ("a: {b: c", 'f.yaml:2:1: expected "," or "}" in the mapping'),
    "open quotes": ('a: "x', "f.yaml:1:6: the text ends inside quotes"),
    "second document": ("a: 1\n---\nb: 2", "f.yaml:3:1: a second document begins; expected one in this file"),
    "key is a list": ("? [1]\n: 2", "f.yaml:1:3: a key cannot be a mapping or a list"),
    "key is an aliased list": ("a: &a [1]\n*a : 2", "f.yaml:2:1: a key cannot be empty, a mapping or a list"),
    "key is empty": ("? \n: 2", "f.yaml:1:2: a key cannot be empty"),
    "unknown alias": ("a: *b", "f.yaml:1:4: the alias *b has no anchor &b before it"),
    "alias in itself": ("a: &a [*a]", "f.yaml:1:8: the alias *a stands inside its own anchor"),
    "merge of text": ("<<: x", "f.yaml:1:5: << expects a mapping, or a list of mappings"),
    "infinity": ("a: .inf", "f.yaml:1:4: .inf is no number that JSON can express"),
    "absurd number": ("a: " + "9" * 500, "f.yaml:1:4: a number of 500 digits"),
    "program in a tag": ("a: !!python/object:os.system x", "f.yaml:1:4: the tag 'tag:yaml.org,2002:python/object"),
    "local tag": ("a: !Ref x", "f.yaml:1:4: the tag '!Ref' does not fit: it is not understood"),
    "tag on a mapping": ("a: !!omap {}", "f.yaml:1:4: the tag 'tag:yaml.org,2002:omap' is not understood"),
    "tag that does not fit": ("a: !!int x", "f.yaml:1:4: the tag 'tag:yaml.org,2002:int' does not fit: expected int"),
    "tag of a short name": ("a: !int 3", "f.yaml:1:4: the tag '!int' does not fit: it is not understood"),
    "bad base64": ("a: !!binary 'a*'", "f.yaml:1:4: the tag 'tag:yaml.org,2002:binary' does not fit: expected text"),
    "NUL": (b"a: \x00b", "f.yaml:1:4: a control character (0x00) in YAML"),
    "escape": (b"x: y\na: \x1b[31m", "f.yaml:2:4: a control character (0x1b) in YAML"),
    "not UTF-8": (b"a: \xff", "f.yaml:1:4: not UTF-8: invalid leading UTF-8 octet (0xff)"),
    "UTF-16": ("a: b".encode("utf-16"), "f.yaml: expected UTF-8, found UTF-16"),
    "UTF-32": ("a: b".encode("utf-32"), "f.yaml: expected UTF-8, found UTF-32"),
    "half a character": ("a: \ud800", "f.yaml: character 4 is half of a surrogate pair"),
    "too deep": ("[" * 400, "f.yaml:1:257: expected at most 256 levels of nesting, found more"),
}


@pytest.mark.parametrize(("data", "message"), MISTAKES.values(), ids=MISTAKES.keys())
def test_mistake(data: bytes | str, message: str) -> None:
    assert refusal(data).startswith(message)


def test_a_mistake_shows_the_line_and_carets() -> None:
    assert refusal("a:\n  image: x\n  image: y\n") == (
        'f.yaml:3:3: the key "image" stands twice in one mapping\n    3 |   image: y\n      |   ^^^^^ first on line 2'
    )


def test_what_was_begun_earlier_is_named() -> None:
    assert refusal("a: 1\nb: [x,\n  y").endswith("      | ^ begun on line 2")


def test_wide_characters_do_not_shift_the_carets() -> None:
    assert refusal("日本: *x").splitlines()[1:] == ["    1 | 日本: *x", "      |       ^^ "[:-1]]


def test_a_long_line_is_cut_around_the_mistake() -> None:
    shown = refusal("a: [" + "x, " * 500 + "*no, " + "y, " * 500 + "]").splitlines()
    assert len(shown[1]) < 130
    start = shown[2].index("^")
    assert shown[1][start : start + 3] == "*no"


def test_what_is_shown_cannot_steer_the_terminal() -> None:
    assert "\x1b" not in refusal(b"a: \x1b]0;title\x07")
    assert "\x9b" not in refusal('a: "\x9b31m\n'.encode())


def test_a_key_cannot_steer_the_terminal_either() -> None:
    message = refusal('"k\\e[31m\\u202e": 1\n"k\\e[31m\\u202e": 2\n')
    assert 'the key "k�[31m�" stands twice' in message
    assert all(character.isprintable() or character == "\n" for character in message)


def test_a_message_is_not_as_long_as_the_key() -> None:
    key = "k" * 100_000
    assert len(refusal(f"{key}: 1\n{key}: 2\n")) < 1500


def test_strict_keys() -> None:
    with pytest.raises(ConfigError, match="f:1:1: YAML reads this key as the boolean true; put it in quotes"):
        read_located("on: 1", "f", strict_keys=True)
    with pytest.raises(ConfigError, match="f:1:1: YAML reads this key as the number 8; put it in quotes"):
        read_located("010: 1", "f", strict_keys=True)


def test_documents_that_are_no_objects() -> None:
    with pytest.raises(ConfigError, match="f:3:1: expected a Kubernetes object, found a list"):
        load_all("a: 1\n---\n- b\n", "f")
    for text, kind in (("x", "text"), ("12", "a number"), ("true", "a boolean"), ("[]", "a list")):
        with pytest.raises(ConfigError, match=f"f:1:1: expected a mapping of names to values, found {kind}"):
            load_mapping(text, "f")


def test_the_largest_size() -> None:
    assert load_mapping(b"a: 1", "f", max_bytes=4) == {"a": 1}
    with pytest.raises(ConfigError, match="f: expected at most 4 B of YAML, found 5 B"):
        load_mapping(b"a: 12", "f", max_bytes=4)


def test_an_alias_bomb_is_refused_at_once() -> None:
    lines = ["a0: &a0 [" + ", ".join(["x"] * 9) + "]"]
    lines += [f"a{n}: &a{n} [" + ", ".join([f"*a{n - 1}"] * 9) + "]" for n in range(1, 30)]
    message = refusal("\n".join(lines))
    assert "expected aliases that stand for at most 32 MiB of values, found more" in message


def test_a_merge_bomb_is_refused_at_once() -> None:
    lines = ["m0: &m0 {" + ", ".join(f"k{n}: v" for n in range(1000)) + "}"]
    lines += [f"m{n}: &m{n} {{<<: [*m{n - 1}, *m{n - 1}]}}" for n in range(1, 40)]
    assert "expected aliases that stand for at most" in refusal("\n".join(lines))


def test_ordinary_use_of_aliases_is_no_bomb() -> None:
    text = "base: &b {image: x, env: [a, b, c]}\n" + "\n".join(f"s{n}: {{<<: *b, n: {n}}}" for n in range(5000))
    assert len(load_mapping(text, "f")) == 5001


def test_many_small_collections_are_refused_before_they_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(yaml_builder, "_MAX_MEMORY", 1_000_000)
    tracemalloc.start()
    try:
        message = refusal("[" + "{}," * 100_000 + "]")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert "expected YAML that takes at most 977 KiB when read, found more" in message
    assert peak < 4_000_000


def test_the_number_of_values_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(yaml_builder, "_MAX_EVENTS", 100)
    assert "expected at most 100 values and keys in one text, found more" in refusal("- x\n" * 200)


DEPLOYMENT = """\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web-{}
  labels: {{app.kubernetes.io/name: web, app.kubernetes.io/instance: "release"}}
spec:
  replicas: 3
  template:
    spec:
      containers:
        - name: web
          image: docker.io/library/nginx:1.27
          ports: [{{containerPort: 8080, protocol: TCP}}]
          resources:
            limits: {{cpu: 100m, memory: 128Mi}}
---
"""


MEASURE = f"""{PEAK_MIB}
import sys
from packhorse.package.yaml_document import load_all, read_located
data = sys.stdin.buffer.read()
before = peak_mib()
count = len(load_all(data, "big")) if sys.argv[1] == "objects" else len(read_located(data, "big").value)
print(count, peak_mib() - before)
"""


def measured(kind: str, data: bytes) -> tuple[int, int]:
    done = subprocess.run([sys.executable, "-c", MEASURE, kind], input=data, capture_output=True, check=True)
    count, mebibytes = done.stdout.split()
    return int(count), int(mebibytes)


def test_ten_megabytes_of_manifests_take_bounded_memory() -> None:
    data = "".join(DEPLOYMENT.format(n) for n in range(10_000_000 // len(DEPLOYMENT))).encode()
    count, mebibytes = measured("objects", data)
    assert count > 20_000
    assert mebibytes < 150


def test_ten_megabytes_with_places_take_bounded_memory() -> None:
    entry = "- name: web-{}\n  image: docker.io/library/nginx:1.27\n  ports: [80, 443]\n  env: {{A: '1', B: two}}\n"
    data = "".join(entry.format(n) for n in range(10_000_000 // len(entry))).encode()
    count, mebibytes = measured("places", data)
    assert count > 100_000
    assert mebibytes < 200


def test_read_file(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_bytes(b"12345")
    assert source_text.read_file(path, "x.yaml", max_bytes=5) == b"12345"
    with pytest.raises(ConfigError, match=r"x\.yaml: expected at most 4 B, found more"):
        source_text.read_file(path, "x.yaml", max_bytes=4)
    with pytest.raises(ConfigError, match=r"x\.yaml: no such file"):
        source_text.read_file(tmp_path / "no", "x.yaml")
    with pytest.raises(ConfigError, match=r"x\.yaml: expected a file, found a folder"):
        source_text.read_file(tmp_path, "x.yaml")


VALUES: tuple[object, ...] = (None, True, 1, 1.5, "x", [], {})


def test_kind_of() -> None:
    assert [yaml_document.kind_of(value) for value in VALUES] == [
        "nothing",
        "a boolean",
        "a number",
        "a number",
        "text",
        "a list",
        "a mapping",
    ]
