"""Pointing a node's container runtime at the site's registry, for every upstream at once and with no way around it.

Pure functions render each runtime's files and plan what changes; :mod:`~packhorse.registry.nodes.apply` alone writes.
:mod:`~packhorse.registry.nodes.findings` looks for settings that lead past the mirror, and
:mod:`~packhorse.registry.nodes.probe` asks the runtime itself for an image that can't exist.
"""
