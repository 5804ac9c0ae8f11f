"""Where the files of layers come from: one module per kind of package."""

from corpus.sources.debian import Debian
from corpus.sources.files import Folders, Links, Texts, Together, Tree
from corpus.sources.golang import GoProgram
from corpus.sources.maven import MavenJars
from corpus.sources.npm import NodeModules
from corpus.sources.wheels import Wheel, Wheels

__all__ = [
    "Debian",
    "Folders",
    "GoProgram",
    "Links",
    "MavenJars",
    "NodeModules",
    "Texts",
    "Together",
    "Tree",
    "Wheel",
    "Wheels",
]
