"""The JSON Schema agrees with the reader."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from packhorse.app.starter_package import STARTER_FILES
from packhorse.base.errors import ConfigError
from packhorse.package import definition
from packhorse.package.schema import schema_text
from packhorse.package.yaml_document import load_mapping

SCHEMA: dict[str, Any] = json.loads(schema_text())
STARTER = STARTER_FILES["packhorse.yaml"].replace("PACKAGE_NAME", "shop")
KINDS: dict[str, type | tuple[type, ...]] = {
    "object": dict,
    "array": list,
    "string": str,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
    "null": type(None),
}


def problems(value: Any, schema: dict[str, Any], place: str = "") -> Iterator[str]:
    """Validate by the few words of JSON Schema that the schema uses; another word is an error."""
    known = {"$ref", "$defs", "$schema", "$id", "title", "description", "default", "type", "enum", "anyOf", "pattern"}
    known |= {"minLength", "minItems", "minimum", "items", "properties", "required", "additionalProperties"}
    assert set(schema) <= known, set(schema) - known
    if "$ref" in schema:
        yield from problems(value, SCHEMA["$defs"][schema["$ref"].removeprefix("#/$defs/")], place)
    if "anyOf" in schema and all(any(problems(value, option, place)) for option in schema["anyOf"]):
        yield f"{place}: fits none"
    if "enum" in schema and value not in schema["enum"]:
        yield f"{place}: not in {schema['enum']}"
    if not has_kind(value, schema.get("type", [])):
        yield f"{place}: no {schema['type']}"
    elif isinstance(value, dict):
        yield from object_problems(value, schema, place)
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from problems(item, schema.get("items", {}), f"{place}[{number}]")
    yield from (f"{place}: {found}" for found in limit_problems(value, schema))


def has_kind(value: Any, kinds: str | list[str]) -> bool:
    wanted = [kinds] if isinstance(kinds, str) else kinds
    if isinstance(value, bool):
        return not wanted or "boolean" in wanted
    return not wanted or any(isinstance(value, KINDS[kind]) for kind in wanted)


def limit_problems(value: Any, schema: dict[str, Any]) -> Iterator[str]:
    if isinstance(value, str) and not re.search(schema.get("pattern", ""), value):
        yield "does not match"
    if isinstance(value, str) and len(value) < schema.get("minLength", 0):
        yield "too short"
    if isinstance(value, list) and len(value) < schema.get("minItems", 0):
        yield "too few"
    if isinstance(value, int) and value < schema.get("minimum", value):
        yield "too small"


def object_problems(value: dict[str, Any], schema: dict[str, Any], place: str) -> Iterator[str]:
    known = schema.get("properties", {})
    yield from (f"{place}: no {key}" for key in schema.get("required", []) if key not in value)
    for key, item in value.items():
        others = schema.get("additionalProperties", True)
        if key in known:
            yield from problems(item, known[key], f"{place}.{key}")
        elif others is False:
            yield f"{place}: unknown {key}"
        elif isinstance(others, dict):
            yield from problems(item, others, f"{place}.{key}")


def test_dialect_and_name() -> None:
    assert SCHEMA["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert SCHEMA["$id"] == "https://packhorse.dev/v1alpha1/packhorse.schema.json"
    assert SCHEMA["title"] == "packhorse.yaml (packhorse.dev/v1alpha1)"
    assert schema_text() == schema_text()


def test_every_key_is_described_in_plain_words() -> None:
    for name, part in SCHEMA["$defs"].items():
        assert part["additionalProperties"] is False
        for key, field in part["properties"].items():
            assert field.get("description"), f"{name}.{key}"
            assert "``" not in field["description"]


def test_what_init_writes_is_valid() -> None:
    assert list(problems(load_mapping(STARTER, "f"), SCHEMA)) == []


MISTAKES = [
    ("apiVersion: packhorse.dev/v1alpha1", "apiVersion: packhorse.dev/v2"),
    ("kind: Package", "kind: Packages"),
    ("name: shop", "nmae: shop"),
    ("name: shop", "name: Shop"),
    ("version: 0.1.0", "version: latest"),
    ("platforms: [linux/amd64]", "platforms: []"),
    ("platforms: [linux/amd64]", "platforms: amd64"),
    ("type: integer", "type: int"),
    ("        source: charts/shop\n", ""),
    ("namespace: shop", "namespace: 3"),
    ("values: [values/site.yaml]", "values: ['']"),
    ("values: [values/site.yaml]", "timeoutSeconds: 0"),
    ("values: [values/site.yaml]", "vaules: [values/site.yaml]"),
]


@pytest.mark.parametrize(("good", "bad"), MISTAKES)
def test_schema_and_reader_refuse_the_same(good: str, bad: str) -> None:
    assert good in STARTER
    text = STARTER.replace(good, bad, 1)
    assert list(problems(load_mapping(text, "f"), SCHEMA))
    with pytest.raises(ConfigError):
        definition.loads(text.encode())
