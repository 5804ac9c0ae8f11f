"""Runs the distribution-spec's own conformance program against Packhorse: ``python -m conformance``.

The program comes from the folder ``conformance`` of ``github.com/opencontainers/distribution-spec`` and is in no
package registry, so it is built elsewhere and found through ``OCI_CONFORMANCE``. Packhorse's server is started over one
content store after the other, and the program asks it in each of its settings. The suite that needs no program is in
``tests/conformance``; both are in the table of ``docs/reference/conformance.md``, which :mod:`conformance.page` writes.
"""
