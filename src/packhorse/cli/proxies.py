"""Proxies, as the environment names them: ``HTTP_PROXY``, ``HTTPS_PROXY``, ``ALL_PROXY`` and ``NO_PROXY``."""

from collections.abc import Mapping

from packhorse.oci.registry_settings import ProxySettings

__all__ = ["cluster_proxies", "registry_proxies"]


def registry_proxies(environment: Mapping[str, str]) -> ProxySettings:
    """Return what registries are asked through."""
    other = _value(environment, "ALL_PROXY")
    return _settings(environment, other)


def cluster_proxies(environment: Mapping[str, str]) -> ProxySettings:
    """Return what an API server is asked through; as kubectl and Helm have it, that is not ``ALL_PROXY``."""
    return _settings(environment, "")


def _settings(environment: Mapping[str, str], other: str) -> ProxySettings:
    entries = (entry.strip() for entry in _value(environment, "NO_PROXY").split(","))
    return ProxySettings(
        http=_value(environment, "HTTP_PROXY") or other or None,
        https=_value(environment, "HTTPS_PROXY") or other or None,
        no_proxy=tuple(entry for entry in entries if entry),
    )


def _value(environment: Mapping[str, str], name: str) -> str:
    return environment.get(name.lower()) or environment.get(name) or ""
