"""The JSON Schema of ``packhorse.yaml``, made of the types that read it."""

import json
from typing import Any

import msgspec

from packhorse.package.model import API_VERSION, Package

__all__ = ["SCHEMA_FILE_NAME", "schema_text"]

SCHEMA_FILE_NAME = "packhorse.schema.json"
"""What the schema is called beside a package, so that editors find it without a network."""

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_ID = f"https://{API_VERSION}/{SCHEMA_FILE_NAME}"


def schema_text() -> str:
    """Return the schema (draft 2020-12) as JSON text; the same for the same version of Packhorse."""
    made = _in_plain_words(msgspec.json.schema(Package))
    schema = {"$schema": _DIALECT, "$id": _ID, "title": f"packhorse.yaml ({API_VERSION})", **made}
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def _in_plain_words(value: Any) -> Any:
    """Take the marks of docstrings out of descriptions."""
    if isinstance(value, dict):
        return {
            key: item.replace("``", "") if key == "description" and isinstance(item, str) else _in_plain_words(item)
            for key, item in value.items()
        }
    return [_in_plain_words(item) for item in value] if isinstance(value, list) else value
