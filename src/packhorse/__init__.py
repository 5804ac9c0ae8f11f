"""Packhorse carries software to Kubernetes clusters that have no road to the internet."""

__all__ = ["__version__"]

__version__ = "0.1.0"
