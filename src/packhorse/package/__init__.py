"""The package: what an author defines in ``packhorse.yaml``, what is discovered from it, and the lock.

It knows files of text and trees of Kubernetes objects, and neither registries nor clusters. Start at
:mod:`packhorse.package.model` for the definition and :mod:`packhorse.package.lock` for what it was resolved to.
"""
