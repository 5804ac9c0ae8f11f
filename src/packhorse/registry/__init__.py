"""The registry server: the pull half of the OCI distribution API over anything that has images, in place.

:mod:`~packhorse.registry.api` decides what to answer, without a socket; :mod:`~packhorse.registry.listener` brings it
to the network. It knows nothing of bundles: what it serves reaches it as a :class:`~packhorse.registry.ports.Catalog`.
Start at :func:`packhorse.registry.listener.run`.
"""
