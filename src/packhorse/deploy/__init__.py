"""Running a package in a cluster: plan, apply, release records, health, removal.

A :class:`~packhorse.deploy.model.Plan` is made by pure code (:mod:`packhorse.deploy.plan`) from what the package
wants, what is live and what the last release made; :mod:`packhorse.deploy.apply` is the only code that carries one
out. It knows objects and charts, and nothing of bundles: content reaches it through
:class:`~packhorse.deploy.ports.PackageContent`.
"""
