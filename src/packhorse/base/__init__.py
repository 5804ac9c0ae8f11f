"""What every room stands on: the error families, progress events, and units of bytes and time.

It knows nothing of OCI, Kubernetes or the command line, and imports nothing of Packhorse.
Start at :mod:`packhorse.base.errors`.
"""
