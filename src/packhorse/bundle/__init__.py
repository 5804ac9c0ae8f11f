"""The bundle: a whole package in one uncompressed tar that is an OCI image layout with one root digest.

:mod:`packhorse.bundle.content` decides what a bundle lists, :mod:`packhorse.bundle.tar_layout` where every byte
stands, :mod:`packhorse.bundle.writer` writes it in one pass and :mod:`packhorse.bundle.reader` reads it in place.
The room knows no registries and no clusters: sources of content reach it as :mod:`packhorse.oci.ports`. The format is
described in ``docs/design/bundle-format.md``.
"""
