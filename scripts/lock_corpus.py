"""Writes the locks of the corpus: which wheels, npm packages and jars its images have, each with its hash.

Run it by hand when an image is to have other versions: ``python scripts/lock_corpus.py`` writes what is not there,
``--all`` writes everything anew. It needs pip, npm and Maven, and the registries that they are set up for.
"""

import argparse
import hashlib
import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

_LOCKS = Path(__file__).parents[1] / "corpus" / "locks"
_PYTHON = {
    **{
        f"django-{version}": (f"Django=={version}", "gunicorn==23.0.0", "psycopg[binary]==3.2.9", "redis==6.2.0")
        for version in ("5.2.17", "5.2.18", "5.2.19")
    },
    "pandas-3.0.3": ("pandas==3.0.3", "numpy==2.4.4", "pyarrow==23.0.1"),
    "pandas-3.0.5": ("pandas==3.0.5", "numpy==2.4.5", "pyarrow==23.0.1"),
    "pandas-3.0.6": ("pandas==3.0.6", "numpy==2.4.6", "pyarrow==23.0.1"),
}
_NODE = {f"node-red-{version}": {"node-red": version} for version in ("4.1.13", "4.1.14", "4.1.15")}
_JAVA = {f"kafka-{version}": f"org.apache.kafka:kafka_2.13:{version}" for version in ("4.2.0", "4.2.1", "4.2.2")}
_PLUGIN = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1"
_PROJECT = """<project>
<modelVersion>4.0.0</modelVersion><groupId>lock</groupId><artifactId>lock</artifactId><version>1</version>
<dependencies><dependency><groupId>{0}</groupId><artifactId>{1}</artifactId><version>{2}</version></dependency>
</dependencies></project>
"""
_LISTED = re.compile(
    r"^ +(?P<group>[\w.-]+):(?P<artifact>[\w.-]+):jar:(?P<version>[\w.-]+):(?:compile|runtime)", re.MULTILINE
)


def main() -> int:
    """Write the locks, and return the exit code."""
    parser = argparse.ArgumentParser(description="Write the locks of the corpus.")
    parser.add_argument("--all", action="store_true", help="also those that are there")
    everything = parser.parse_args().all
    _LOCKS.mkdir(exist_ok=True)
    for name, requirements in _PYTHON.items():
        path = _LOCKS / f"{name}.txt"
        if everything or not path.exists():
            path.write_text(_python(requirements), encoding="utf-8")
    for name, dependencies in _NODE.items():
        if everything or not (_LOCKS / name / "package-lock.json").exists():
            _node(_LOCKS / name, dependencies)
    for name, coordinates in _JAVA.items():
        path = _LOCKS / f"{name}.txt"
        if everything or not path.exists():
            path.write_text(_java(coordinates), encoding="utf-8")
    return 0


def _run(command: Sequence[str], folder: Path | None = None) -> str:
    return subprocess.run(command, cwd=folder, check=True, stdout=subprocess.PIPE, text=True).stdout


def _python(requirements: Sequence[str]) -> str:
    platform = ["--platform=manylinux2014_x86_64", "--platform=manylinux_2_28_x86_64", "--python-version=3.11"]
    options = ["--quiet", "--dry-run", "--ignore-installed", "--only-binary=:all:", "--target=nowhere", "--report=-"]
    report = json.loads(_run([sys.executable, "-m", "pip", "install", *options, *platform, *requirements]))
    lines = sorted(
        f"{item['metadata']['name']}=={item['metadata']['version']}"
        f" --hash=sha256:{item['download_info']['archive_info']['hashes']['sha256']}"
        for item in report["install"]
    )
    return "\n".join(lines) + "\n"


def _node(folder: Path, dependencies: dict[str, str]) -> None:
    folder.mkdir(exist_ok=True)
    package = {"name": folder.name, "version": "1.0.0", "private": True, "dependencies": dependencies}
    (folder / "package.json").write_text(json.dumps(package, indent=2) + "\n", encoding="utf-8")
    # Addresses stay out of the lock: npm asks the registry that it is set up for, and checks the hashes.
    options = ["--ignore-scripts", "--omit=dev", "--no-audit", "--no-fund", "--omit-lockfile-registry-resolved=true"]
    _run(["npm", "install", "--package-lock-only", *options], folder)


def _java(coordinates: str) -> str:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "pom.xml").write_text(_PROJECT.format(*coordinates.split(":")), encoding="utf-8")
        maven = ["mvn", "-q", "-B", "-DincludeScope=runtime"]
        _run([*maven, f"{_PLUGIN}:list", f"-DoutputFile={folder / 'list'}"], folder)
        _run([*maven, f"{_PLUGIN}:copy-dependencies", f"-DoutputDirectory={folder / 'jars'}"], folder)
        lines = []
        for found in _LISTED.finditer((folder / "list").read_text(encoding="utf-8")):
            jar = folder / "jars" / f"{found['artifact']}-{found['version']}.jar"
            digest = hashlib.sha256(jar.read_bytes()).hexdigest()
            lines.append(f"{found['group']}:{found['artifact']}:{found['version']} sha256:{digest}\n")
    return "".join(sorted(lines))


if __name__ == "__main__":
    sys.exit(main())
