"""Prometheus' text format, read as strictly as its own documentation has it."""

import re

_HELP = re.compile(r"# HELP (?P<name>[a-zA-Z_:][a-zA-Z0-9_:]*) (?P<text>(?:[^\\\n]|\\\\|\\n)+)")
_TYPE = re.compile(r"# TYPE (?P<name>[a-zA-Z_:][a-zA-Z0-9_:]*) (?P<kind>counter|gauge|histogram)")
_LABEL = r'[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\\\|\\"|\\n)*"'
_SAMPLE = re.compile(
    rf"(?P<name>[a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{{(?P<labels>{_LABEL}(?:,{_LABEL})*)\}})? (?P<value>[0-9.e+-]+)"
)
_ENDINGS = {"histogram": ("_bucket", "_sum", "_count"), "counter": ("",), "gauge": ("",)}


def samples(text: str) -> dict[str, float]:
    """Read all samples by name and labels as they are written; every family has its help and type before them."""
    assert text.endswith("\n")
    kinds: dict[str, str] = {}
    helped: set[str] = set()
    found: dict[str, float] = {}
    for line in text.splitlines():
        if match := _HELP.fullmatch(line):
            assert match["name"] not in helped, f"two helps: {line}"
            helped.add(match["name"])
        elif match := _TYPE.fullmatch(line):
            assert match["name"] in helped, f"no help before {line}"
            assert match["name"] not in kinds, f"two types: {line}"
            assert (match["kind"] == "counter") == match["name"].endswith("_total"), line
            kinds[match["name"]] = match["kind"]
        else:
            match = _SAMPLE.fullmatch(line)
            assert match is not None, f"no line of the format: {line!r}"
            allowed = {f"{name}{ending}" for name, kind in kinds.items() for ending in _ENDINGS[kind]}
            assert match["name"] in allowed, f"no type before {line}"
            key = line.rpartition(" ")[0]
            assert key not in found, f"twice: {line}"
            found[key] = float(match["value"])
    return found


def families(text: str) -> dict[str, str]:
    """Read the names of all families with their kinds."""
    return {match["name"]: match["kind"] for match in map(_TYPE.fullmatch, text.splitlines()) if match}
