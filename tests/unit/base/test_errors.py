"""The families of errors fix the exit code, and a run with many failures ends as its first one would."""

from packhorse.base import errors
from packhorse.base.errors import IntegrityError, NetworkError, PackhorseError, RegistryError


def test_each_family_has_an_exit_code_of_its_own() -> None:
    families = {name: getattr(errors, name) for name in errors.__all__}
    assert {name: family.exit_code for name, family in families.items()} == {
        "PackhorseError": 1,
        "UsageError": 2,
        "ConfigError": 3,
        "IntegrityError": 4,
        "NetworkError": 5,
        "RegistryError": 6,
        "TrustError": 7,
        "ClusterError": 8,
        "PolicyError": 9,
    }
    assert all(issubclass(family, PackhorseError) for family in families.values())


def test_an_error_carries_what_to_do() -> None:
    error = NetworkError("connection reset at 118 MiB", hint="run it again")
    assert (str(error), error.message, error.hint, error.failures) == (
        "connection reset at 118 MiB",
        "connection reset at 118 MiB",
        "run it again",
        (),
    )


def test_a_run_ends_with_the_family_and_the_hint_of_its_first_failure() -> None:
    failures = [RegistryError("denied", hint="log in"), NetworkError("reset", hint="try again")]
    error = PackhorseError.summarise("Could not fetch 2 of 61 blobs.", failures)
    assert type(error) is RegistryError
    assert (error.message, error.hint, error.failures) == (
        "Could not fetch 2 of 61 blobs.",
        "log in",
        tuple(failures),
    )


def test_a_hint_for_the_whole_run_goes_before_that_of_the_first_failure() -> None:
    error = PackhorseError.summarise(
        "2 failed.", [NetworkError("reset", hint="wait")], hint="run packhorse build again"
    )
    assert error.hint == "run packhorse build again"


def test_a_family_that_is_asked_for_is_kept_where_the_first_failure_is_of_another() -> None:
    error = IntegrityError.summarise("1 failed.", [NetworkError("reset")])
    assert type(error) is IntegrityError
