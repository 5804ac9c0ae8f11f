"""The distribution project's registry, as Debian packages it, in a network namespace."""

import http.client
import ssl
from dataclasses import dataclass
from pathlib import Path

from e2e.cluster.network import NetworkNamespace
from e2e.cluster.pki import Authority
from e2e.cluster.process import Daemon, wait_until

__all__ = ["start_registry"]

_HOST = "127.0.0.1"
_START_SECONDS = 15.0
_TIMEOUT_SECONDS = 5.0
_CONFIGURATION = """\
version: 0.1
log: {{level: info, accesslog: {{disabled: false}}}}
storage: {{filesystem: {{rootdirectory: "{storage}"}}, delete: {{enabled: true}}}}
http: {{addr: "{host}:{port}"{tls}}}
"""
_TLS = ', tls: {{certificate: "{certificate}", key: "{key}"}}'


def start_registry(namespace: NetworkNamespace, state: Path, port: int, authority: Authority | None = None) -> Daemon:
    """Start an empty registry on the loopback address of ``namespace``, and return when it answers.

    Args:
        namespace: Where it listens.
        state: Its content, its configuration, and ``registry.log`` with a line for each request.
        port: A free one.
        authority: Signs its certificate; without one it speaks plain HTTP.

    Raises:
        BedError: It did not start.
    """
    state.mkdir(parents=True, exist_ok=True)
    tls = ""
    if authority is not None:
        issued = authority.server(f"registry-{port}", [_HOST])
        tls = _TLS.format(certificate=issued.certificate, key=issued.key)
    configuration = state / "registry.yml"
    configuration.write_text(_CONFIGURATION.format(storage=state / "registry", host=_HOST, port=port, tls=tls))
    daemon = Daemon("registry", namespace.command("docker-registry", "serve", configuration), state / "registry.log")
    probe = _Probe(port, ssl.create_default_context(cafile=authority.certificate) if authority is not None else None)
    try:
        wait_until(
            lambda: namespace.call(probe.answers), "the registry", timeout_seconds=_START_SECONDS, watching=[daemon]
        )
    except BaseException:
        daemon.kill()
        raise
    return daemon


@dataclass(frozen=True)
class _Probe:
    port: int
    tls: ssl.SSLContext | None

    def answers(self) -> bool:
        connection = (
            http.client.HTTPConnection(_HOST, self.port, timeout=_TIMEOUT_SECONDS)
            if self.tls is None
            else http.client.HTTPSConnection(_HOST, self.port, timeout=_TIMEOUT_SECONDS, context=self.tls)
        )
        try:
            connection.request("GET", "/v2/")
            return connection.getresponse().status == http.client.OK
        except OSError:
            return False
        finally:
            connection.close()
