"""Fixtures of the registry's tests."""

from tests.support.serving import served, tls_files

__all__ = ["served", "tls_files"]
