"""``python -m corpus``: make sets of images, and push them.

::

    python -m corpus list
    python -m corpus demo --out DIR
    python -m corpus push DIR http://127.0.0.1:5000
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from corpus.errors import CorpusError
from corpus.layout import Layout
from corpus.maker import Maker
from corpus.registry import push
from corpus.sets import SETS
from corpus.workshop import Workshop

_CACHE = Path(__file__).parents[1] / ".cache" / "corpus"


def main(arguments: Sequence[str]) -> int:
    """Do what ``arguments`` ask for, and give the exit code."""
    asked = _parser().parse_args(arguments)
    try:
        if asked.what == "list":
            _list()
        elif asked.what == "push":
            for name in push(Layout(asked.layout), asked.registry):
                print(name)
        else:
            _make(asked.what, asked.out, Workshop(asked.cache))
    except CorpusError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m corpus", description="Make real images from packages.")
    parser.add_argument("--cache", type=Path, default=_CACHE, help="where packages, layers and images are kept")
    verbs = parser.add_subparsers(dest="what", required=True, metavar="WHAT")
    verbs.add_parser("list", help="list the sets and their images")
    pushing = verbs.add_parser("push", help="push a layout to a registry, under HOST/PATH")
    pushing.add_argument("layout", type=Path)
    pushing.add_argument("registry", help="http://host:port")
    for name in SETS:
        making = verbs.add_parser(name, help=f"make the images of {name} into one OCI layout")
        making.add_argument("--out", type=Path, required=True, help="the layout's folder")
    return parser


def _list() -> None:
    for name, images in SETS.items():
        for image in images:
            print(f"{name}\t{image.reference}\t{','.join(image.platforms)}")


def _make(name: str, out: Path, workshop: Workshop) -> None:
    layout = Maker(workshop).all_in_one(SETS[name], out)
    for reference, descriptor in layout.named():
        print(f"{reference}\t{descriptor['digest']}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
