"""The table of verbs: what ``packhorse --help`` shows without importing any of them."""

from dataclasses import dataclass

__all__ = ["SECTIONS", "VERBS", "Verb"]


@dataclass(frozen=True, slots=True)
class Verb:
    """One verb of the command line.

    ``packhorse.cli.<name>_command`` has it as ``command``, and is imported when the verb is used.
    """

    name: str
    summary: str
    section: str

    @property
    def module(self) -> str:
        """Name of the module that has the command."""
        return f"packhorse.cli.{self.name}_command"


_CONNECTED = "Connected side"
_CROSSING = "Crossing"
_SITE = "Site"
_CLUSTER = "Cluster"
_PEOPLE = "People"

SECTIONS = (_CONNECTED, _CROSSING, _SITE, _CLUSTER, _PEOPLE)
"""In the order of the cargo's way."""

VERBS = (
    Verb("init", "Write a package that works, to start from.", _CONNECTED),
    Verb("schema", "Print the JSON Schema of packhorse.yaml.", _CONNECTED),
    Verb("lock", "Find every image and pin every reference to a digest.", _CONNECTED),
    Verb("build", "Seal everything the lock lists into one bundle.", _CONNECTED),
    Verb("inspect", "Show what a bundle carries.", _CONNECTED),
    Verb("verify", "Hash everything in a bundle, and name what is wrong.", _CROSSING),
    Verb("extract", "Take one image, chart or file out of a bundle.", _CROSSING),
    Verb("load", "Put a bundle into a site's store.", _SITE),
    Verb("push", "Copy a bundle into a registry.", _SITE),
    Verb("serve", "Answer image pulls straight from a bundle.", _SITE),
    Verb("registry", "Make a registry for a site, and look after its users.", _SITE),
    Verb("key", "Make keys and certificates for a site.", _SITE),
    Verb("store", "Look after a site's store: what it has, what stays, what goes.", _SITE),
    Verb("node", "Point a node's container runtime at the site's registry.", _SITE),
    Verb("plan", "Show what a deployment would change.", _CLUSTER),
    Verb("deploy", "Run a package in a cluster, and wait until it is ready.", _CLUSTER),
    Verb("status", "Tell what is deployed, and whether it is healthy.", _CLUSTER),
    Verb("remove", "Take a deployed package away.", _CLUSTER),
    Verb("completion", "Print the completion script for a shell.", _PEOPLE),
)
