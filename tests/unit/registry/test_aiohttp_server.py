"""Loading aiohttp reads no certificates, and leaves Python's own TLS as it was."""

import subprocess
import sys

SCRIPT = """
import ssl
method = ssl.SSLContext.set_default_verify_paths
import packhorse.registry.aiohttp_server
assert ssl.SSLContext.set_default_verify_paths is method
assert "set_default_verify_paths" not in vars(ssl.SSLContext)
from aiohttp import connector
for context in (connector._SSL_CONTEXT_VERIFIED, connector._SSL_CONTEXT_UNVERIFIED):
    assert context.cert_store_stats()["x509"] == 0
assert connector._SSL_CONTEXT_VERIFIED.verify_mode is ssl.CERT_REQUIRED
paths = ssl.get_default_verify_paths()
if paths.cafile is not None:
    assert ssl.create_default_context().cert_store_stats()["x509"] > 0
"""


def test_no_certificates_are_read_for_a_client_that_nobody_uses() -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT], check=False, capture_output=True)
    assert done.returncode == 0, done.stderr.decode()
