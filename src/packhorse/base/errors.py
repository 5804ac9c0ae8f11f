"""The errors of Packhorse, in families by what the user can do about them.

::

    PackhorseError             exit 1   a defect in Packhorse itself, or an unforeseen state
     ├─ UsageError             exit 2   the command line asks for something that cannot be
     ├─ ConfigError            exit 3   packhorse.yaml, the lock, a values file or a settings file is wrong
     ├─ IntegrityError         exit 4   bytes are not what their digest, size or format says
     ├─ NetworkError           exit 5   a connection could not be made or broke, or time ran out
     ├─ RegistryError          exit 6   a registry answered, and refused
     ├─ TrustError             exit 7   a signature, key or decision does not hold
     ├─ ClusterError           exit 8   Kubernetes, Helm or a node refused or did not become ready
     └─ PolicyError            exit 9   a rule of the site or of the package forbids it

A run that goes on after single failures ends by raising one error of the family of its first failure, with all of
them in ``failures``. Libraries raise; only ``cli`` prints and exits.
"""

from collections.abc import Sequence
from typing import ClassVar, Self

__all__ = [
    "ClusterError",
    "ConfigError",
    "IntegrityError",
    "NetworkError",
    "PackhorseError",
    "PolicyError",
    "RegistryError",
    "TrustError",
    "UsageError",
]


class PackhorseError(Exception):
    """Root of all errors that Packhorse raises on purpose.

    Args:
        message: What was expected, what was found, and where; one sentence or a few lines, no trailing hint.
        hint: What the user can do, as a sentence or a command that can be pasted.
        failures: The single failures of a run that went on after each of them, in the order they happened.
    """

    exit_code: ClassVar[int] = 1
    next_step: ClassVar[str] = "look at what it names, then run the same command again"
    """What to do where an error has no hint of its own."""

    def __init__(self, message: str, *, hint: str | None = None, failures: Sequence["PackhorseError"] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.failures = tuple(failures)

    @classmethod
    def summarise(cls, message: str, failures: Sequence["PackhorseError"], *, hint: str | None = None) -> Self:
        """Build the one error that ends a run with ``failures``: of the family of the first of them.

        Args:
            message: What could not be done, with the counts.
            failures: At least one error.
            hint: What to do; the first failure's own hint where it is left out.
        """
        first = failures[0]
        family = type(first) if isinstance(first, cls) else cls
        error: Self = family(message, hint=hint or first.hint, failures=failures)
        return error


class UsageError(PackhorseError):
    """The command line asks for something that cannot be."""

    exit_code = 2
    next_step = "see packhorse VERB --help for what can be asked"


class ConfigError(PackhorseError):
    """A file that the user wrote, or the lock made from it, is wrong or stale."""

    exit_code = 3
    next_step = "put the file right, then run the same command again"


class IntegrityError(PackhorseError):
    """Bytes are not what their digest, their size or their format says."""

    exit_code = 4
    next_step = "nothing of it was used: run it again, and if it stays so get the content from another source"


class NetworkError(PackhorseError):
    """A connection could not be made, broke, or did not answer in time."""

    exit_code = 5
    next_step = "check the address and the way there, then run the same command again: what is done is not done twice"


class RegistryError(PackhorseError):
    """A registry answered, and the answer is a refusal or makes no sense."""

    exit_code = 6
    next_step = "ask who runs the registry if it stays so; the same command goes on from here"


class TrustError(PackhorseError):
    """A signature, a key or a decision does not hold."""

    exit_code = 7
    next_step = "ask the sender which key it was signed with"


class ClusterError(PackhorseError):
    """Kubernetes, Helm or a node refused, or did not become ready."""

    exit_code = 8
    next_step = "put right what the cluster says, then run the same command again: it goes on from here"


class PolicyError(PackhorseError):
    """A rule of the site or of the package forbids it."""

    exit_code = 9
    next_step = "change what is against the rule, or have the rule changed"
