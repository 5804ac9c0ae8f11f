"""``packhorse serve``: answer image pulls straight from a bundle, and take pushes into a store."""

import sys
from pathlib import Path

import click

from packhorse.app.serve import Serving, Sources, serve
from packhorse.base.errors import UsageError
from packhorse.cli.console import Console, examples, pass_console
from packhorse.cli.host_address import reachable_url
from packhorse.cli.serve_log_options import log_format_option
from packhorse.registry.listener import Address, TlsFiles

__all__ = ["command"]


@click.command(
    "serve",
    epilog=examples(
        "packhorse serve shop-1.4.0.bundle.tar",
        "packhorse serve /srv/packhorse/store --listen 0.0.0.0:443 --tls-cert tls.crt --tls-key tls.key",
        "packhorse serve shop-1.4.0.bundle.tar --push-to /srv/packhorse/store --anonymous-push",
    ),
)
@click.argument("sources", metavar="BUNDLE_OR_STORE...", nargs=-1)
@click.option("--push-to", metavar="STORE", help="Take pushes into this store; it is made where there is none.")
@click.option("--anonymous-push", is_flag=True, help="Let everybody push who can reach this address.")
@click.option("--listen", default="0.0.0.0:5000", show_default=True, metavar="HOST:PORT", help="Port 0 takes any.")
@click.option("--tls-cert", type=click.Path(path_type=Path), help="The server's certificate chain, in PEM.")
@click.option("--tls-key", type=click.Path(path_type=Path), help="Its private key, in PEM.")
@log_format_option
@pass_console
def command(  # noqa: PLR0913 - each is an option
    console: Console,
    *,
    sources: tuple[str, ...],
    push_to: str | None,
    anonymous_push: bool,
    listen: str,
    tls_cert: Path | None,
    tls_key: Path | None,
) -> None:
    """Answer image pulls straight from bundles, in place, until it is told to stop.

    A store directory, an OCI layout, oci-archive:FILE and docker-archive:FILE are served in the same way. Nothing is
    written and nothing is copied, so read-only media will do. Every image answers under its own name to nodes that
    packhorse node mirror has set up, and as HOST:PORT/docker.io/library/redis to everybody else.

    With --push-to it is a registry that takes pushes, too: HOST:PORT/team/app is the site's own, and
    HOST:PORT/docker.io/library/redis is what nodes get as docker.io/library/redis. The store comes first where a tag
    is in several sources, unless it stands among them in another place.

    Whoever pulls checks each digest, as containerd, CRI-O and Docker do; packhorse verify checks all of a bundle.
    """
    if (tls_cert is None) != (tls_key is None):
        message = "--tls-cert and --tls-key go together"
        raise UsageError(message)
    if not sources and push_to is None:
        raise UsageError("there is nothing to serve: name a bundle or a store, or --push-to STORE")
    if push_to is not None and not anonymous_push:
        raise UsageError("--push-to needs to know who may push", hint="let everybody push with --anonymous-push")
    if anonymous_push and push_to is None:
        raise UsageError("--anonymous-push goes with --push-to")
    tls = TlsFiles(tls_cert, tls_key) if tls_cert is not None and tls_key is not None else None
    serve(Sources(sources, push_to), Address.parse(listen), tls, lambda serving: _announce(console, serving))
    console.warn("Stopped.")


def _announce(console: Console, serving: Serving) -> None:
    for conflict in serving.conflicts:
        console.warn(f"{conflict.name}: serving {conflict.served.short}, another source has {conflict.hidden.short}")
    url = reachable_url(serving.listener)
    what = "1 source" if serving.sources == 1 else f"{serving.sources} sources"
    how = "everybody may push" if serving.takes_pushes else "read-only, in place"
    console.say(f"Serving {what} at {url} ({how}). Nodes: packhorse node mirror --registry {url}")
    # Whoever starts it in the background waits for this line.
    sys.stdout.flush()
