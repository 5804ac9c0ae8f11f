"""``packhorse serve``: answer image pulls straight from a bundle, and take pushes into a store."""

import importlib
import sys
from dataclasses import replace

import click

from packhorse.app.serve import Protection, Serving, Sources, serve
from packhorse.app.site_folder import SiteFolder
from packhorse.base.errors import UsageError
from packhorse.cli.console import Console, examples, pass_console
from packhorse.cli.host_address import reachable_url
from packhorse.cli.serve_log_options import log_format_option
from packhorse.cli.serve_login_options import LoginOptions, login_options
from packhorse.cli.serve_room_options import RoomOptions, room_options
from packhorse.registry.listener import Address

__all__ = ["command"]


@click.command(
    "serve",
    epilog=examples(
        "packhorse serve shop-1.4.0.bundle.tar",
        "packhorse serve /srv/packhorse/store --listen 0.0.0.0:443 --tls-cert tls.crt --tls-key tls.key",
        "packhorse serve shop-1.4.0.bundle.tar --push-to /srv/packhorse/store --anonymous-push",
        "packhorse serve --site /srv/registry shop-1.4.0.bundle.tar",
    ),
)
@click.argument("sources", metavar="BUNDLE_OR_STORE...", nargs=-1)
@click.option("--push-to", metavar="STORE", help="Take pushes into this store; it is made where there is none.")
@click.option("--anonymous-push", is_flag=True, help="Let everybody push who can reach this address.")
@click.option("--listen", default="0.0.0.0:5000", show_default=True, metavar="HOST:PORT", help="Port 0 takes any.")
@login_options
@room_options
@log_format_option
@pass_console
def command(  # noqa: PLR0913 - each is an option
    console: Console,
    *,
    sources: tuple[str, ...],
    push_to: str | None,
    anonymous_push: bool,
    listen: str,
    login: LoginOptions,
    room: RoomOptions,
) -> None:
    """Answer image pulls straight from bundles, in place, until it is told to stop.

    A store directory, an OCI layout, oci-archive:FILE and docker-archive:FILE are served in the same way. Nothing is
    written and nothing is copied, so read-only media will do. Every image answers under its own name to nodes that
    packhorse node mirror has set up, and as HOST:PORT/docker.io/library/redis to everybody else.

    With --push-to it is a registry that takes pushes, too: HOST:PORT/team/app is the site's own, and
    HOST:PORT/docker.io/library/redis is what nodes get as docker.io/library/redis. The store comes first where a tag
    is in several sources, unless it stands among them in another place.

    With --access, whoever pulls or pushes needs a login and a role that allows it. --site takes certificate, access
    file, audit log and store from a folder that packhorse registry init has made; its certificate is renewed in time.

    Whoever pulls checks each digest, as containerd, CRI-O and Docker do; packhorse verify checks all of a bundle.
    """
    folder = login.folder()
    guard = login.guard()
    if folder is not None and push_to is None:
        push_to = str(folder.store)
    if not sources and push_to is None:
        raise UsageError("there is nothing to serve: name a bundle or a store, --push-to STORE or --site DIR")
    if push_to is not None and guard is None and not anonymous_push:
        raise UsageError(
            "--push-to needs to know who may push",
            hint="say so with --access FILE, or let everybody push with --anonymous-push",
        )
    if anonymous_push and (push_to is None or guard is not None):
        raise UsageError("--anonymous-push goes with --push-to, and not with --access or --site")
    tls = login.tls()
    if guard is not None and tls is None:
        console.warn("Without TLS, passwords can be read on their way: add --tls-cert and --tls-key.")
    serve(
        Sources(sources, push_to, room.settings(takes_pushes=push_to is not None)),
        Address.parse(listen),
        Protection(tls, guard),
        lambda serving: _announce(console, serving, folder if login.tls_cert is None else None),
    )
    console.warn("Stopped.")


def _announce(console: Console, serving: Serving, folder: SiteFolder | None) -> None:
    for conflict in serving.conflicts:
        console.warn(f"{conflict.name}: serving {conflict.served.short}, another source has {conflict.hidden.short}")
    url = reachable_url(serving.listener) if folder is None else _site_url(serving, folder)
    what = "1 source" if serving.sources == 1 else f"{serving.sources} sources"
    how = "read-only, in place"
    if serving.takes_pushes:
        how = "pushes need a login" if serving.is_guarded else "everybody may push"
    trust = "" if folder is None else f" --ca-file {folder.ca}"
    console.say(f"Serving {what} at {url} ({how}). Nodes: packhorse node mirror --registry {url}{trust}")
    # Whoever starts it in the background waits for this line.
    sys.stdout.flush()


def _site_url(serving: Serving, folder: SiteFolder) -> str:
    """Return the server's URL with the name that its certificate is for."""
    # What reads certificates takes a while to load, and by now the server answers.
    hosts = importlib.import_module("packhorse.app.site_registry").served_hosts(folder)
    if not hosts:
        return reachable_url(serving.listener)
    return replace(serving.listener, address=replace(serving.listener.address, host=hosts[0])).url
