"""Content stores on local files: OCI layouts and archives of other tools to read, and the site's own store.

Everything here implements the Protocols of :mod:`packhorse.oci.ports`; nothing here knows of bundles, registries or
Kubernetes. Start at :func:`packhorse.store.open_source.open_source` to read what another tool wrote, and at
:class:`packhorse.store.directory_store.DirectoryStore` for the store of a site.
"""
