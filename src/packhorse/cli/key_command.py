"""``packhorse key``: a certificate authority for a site, and what it issues."""

import datetime as dt
from pathlib import Path

import click

from packhorse.app.site_registry import read_authority, write_issued
from packhorse.cli.console import Console, examples, pass_console
from packhorse.registry import certificates
from packhorse.registry.certificates import Subject

__all__ = ["command"]


@click.group("key")
def command() -> None:
    """Make keys and certificates for a site."""


@command.command("ca", epilog=examples("packhorse key ca --out /srv/keys --name 'CA of the harbour'"))
@click.option("--out", required=True, type=click.Path(path_type=Path), help="The folder for ca.crt and ca.key.")
@click.option("--name", default="Packhorse site CA", show_default=True, help="What it is called.")
@click.option("--days", type=click.IntRange(1, 9125), default=certificates.AUTHORITY_DAYS, show_default=True)
@pass_console
def ca(console: Console, out: Path, name: str, days: int) -> None:
    """Make a certificate authority: ca.crt for everybody, and ca.key to keep."""
    authority = certificates.new_authority(name, _now(), days)
    write_issued(authority, out / "ca.crt", out / "ca.key")
    console.say(f"Wrote {out / 'ca.crt'} and {out / 'ca.key'}.")


@command.command(
    "server-cert",
    epilog=examples("packhorse key server-cert --ca /srv/keys --host registry.site.example --host 10.0.0.5 --out tls"),
)
@click.option("--ca", "ca_folder", required=True, type=click.Path(path_type=Path), help="Where ca.crt and ca.key are.")
@click.option("--host", "hosts", multiple=True, required=True, help="A name or address of the server.")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="The folder for server.crt and server.key.")
@click.option("--days", type=click.IntRange(1, 825), default=certificates.CERTIFICATE_DAYS, show_default=True)
@pass_console
def server_cert(console: Console, ca_folder: Path, hosts: tuple[str, ...], out: Path, days: int) -> None:
    """Issue a certificate for a server."""
    authority = read_authority(ca_folder / "ca.crt", ca_folder / "ca.key")
    issued = certificates.issue(authority, Subject(hosts[0][:64], hosts), _now(), days)
    write_issued(issued, out / "server.crt", out / "server.key")
    console.say(f"Wrote {out / 'server.crt'} and {out / 'server.key'}.")


@command.command(
    "client-cert", epilog=examples("packhorse key client-cert --ca /srv/keys --user node1 --group nodes --out node1")
)
@click.option("--ca", "ca_folder", required=True, type=click.Path(path_type=Path), help="Where ca.crt and ca.key are.")
@click.option("--user", required=True, help="Who it lets in.")
@click.option("--group", "groups", multiple=True, help="A group of the user.")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="The folder for client.crt and client.key.")
@click.option("--days", type=click.IntRange(1, 825), default=certificates.CERTIFICATE_DAYS, show_default=True)
@pass_console
def client_cert(console: Console, *, ca_folder: Path, user: str, groups: tuple[str, ...], out: Path, days: int) -> None:
    """Issue a certificate that a client logs in with, where serve has --client-ca."""
    authority = read_authority(ca_folder / "ca.crt", ca_folder / "ca.key")
    issued = certificates.issue(authority, Subject(user, groups=groups), _now(), days)
    write_issued(issued, out / "client.crt", out / "client.key")
    console.say(f"Wrote {out / 'client.crt'} and {out / 'client.key'}.")


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)
