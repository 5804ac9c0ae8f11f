"""The OCI specifications as Packhorse needs them: names, digests, manifests, content stores, and the copy between two.

A descriptor is a node of a graph, :func:`packhorse.oci.manifest.successors` gives its edges, and
:mod:`packhorse.oci.copy` moves a graph from any :class:`~packhorse.oci.ports.ContentSource` to any
:class:`~packhorse.oci.ports.ContentTarget`. Nothing here knows of bundles, packages or Kubernetes.
"""
