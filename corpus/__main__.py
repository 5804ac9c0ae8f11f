"""``python -m corpus``: make sets of images, and push them.

::

    python -m corpus                                       # everything, into the cache, with a table
    python -m corpus make library shapes                   # some sets
    python -m corpus list
    python -m corpus content
    python -m corpus demo --out DIR
    python -m corpus push DIR http://127.0.0.1:5000
    python -m corpus again shapes                          # make it a second time, and compare
"""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from corpus.again import differences
from corpus.content import listing
from corpus.errors import CorpusError
from corpus.everything import make_all, platforms_of, table
from corpus.layout import Layout
from corpus.maker import Maker, title
from corpus.registry import push
from corpus.sets import SETS
from corpus.workshop import Workshop

_CACHE = Path(__file__).parents[1] / ".cache" / "corpus"


def main(arguments: Sequence[str]) -> int:
    """Do what ``arguments`` ask for, and give the exit code."""
    asked = _parser().parse_args(arguments)
    # apt and npm run elsewhere: a path from here would be another one there.
    workshop = Workshop(asked.cache.resolve())
    try:
        match asked.what:
            case None:
                _make(list(SETS), workshop)
            case "make":
                _make(_known(asked.sets), workshop)
            case "list":
                _list()
            case "content":
                print(*listing(), sep="\n")
            case "push":
                for name in push(Layout.there(asked.layout), asked.registry):
                    print(name)
            case "again":
                return _again(_known(asked.sets), workshop)
            case name:
                _lay_out(name, asked.out, workshop)
    except CorpusError as error:
        print(error, file=sys.stderr)
        return 1
    except BrokenPipeError:
        # Whoever reads has seen enough; Python must not find that out again when it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m corpus", description="Make real images from packages: all of them, where nothing else is asked."
    )
    parser.add_argument("--cache", type=Path, default=_CACHE, help="where packages, layers and images are kept")
    verbs = parser.add_subparsers(dest="what", metavar="WHAT")
    verbs.add_parser("list", help="list the sets and their images")
    verbs.add_parser("content", help="list the charts, kustomizations and manifests, and what must be found in them")
    pushing = verbs.add_parser("push", help="push a layout to a registry, under HOST/PATH")
    pushing.add_argument("layout", type=Path)
    pushing.add_argument("registry", help="http://host:port")
    for verb, purpose in (("make", "make sets into the cache"), ("again", "make sets again, and compare every byte")):
        making = verbs.add_parser(verb, help=purpose)
        making.add_argument("sets", nargs="*", metavar="SET", help="all of them, where none is named")
    for name in SETS:
        laying = verbs.add_parser(name, help=f"make the images of {name} into one OCI layout")
        laying.add_argument("--out", type=Path, required=True, help="the layout's folder")
    return parser


def _known(names: Sequence[str]) -> list[str]:
    """Give the sets that are asked for; all of them where none is."""
    for name in names:
        if name not in SETS:
            raise CorpusError(f'Expected a set of {", ".join(SETS)}, found "{name}".')
    return list(names or SETS)


def _list() -> None:
    for name, recipes in SETS.items():
        for recipe in recipes:
            print(f"{name}\t{title(recipe)}\t{','.join(platforms_of(recipe))}")


def _make(names: Sequence[str], workshop: Workshop) -> None:
    for line in table(make_all(Maker(workshop), {name: SETS[name] for name in names})):
        print(line)


def _lay_out(name: str, out: Path, workshop: Workshop) -> None:
    layout = Maker(workshop).all_in_one(SETS[name], out)
    for reference, descriptor in layout.named():
        print(f"{reference}\t{descriptor['digest']}")


def _again(names: Sequence[str], workshop: Workshop) -> int:
    recipes = [recipe for name in names for recipe in SETS[name]]
    found = differences(recipes, workshop)
    for line in found:
        print(line, file=sys.stderr)
    if not found:
        print(f"{len(recipes)} recipes of {', '.join(names)} were made again: every byte is the same.")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
