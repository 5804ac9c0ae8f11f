"""``packhorse registry``: make a registry for a site, and look after its users."""

import datetime as dt
from pathlib import Path

import click

from packhorse.app import site_registry
from packhorse.app.site_folder import SiteFolder
from packhorse.base.units import plural
from packhorse.cli.console import Console, examples, pass_console
from packhorse.cli.output import OutputFormat, output_option, print_json
from packhorse.cli.password_option import password_option, read_password
from packhorse.registry.certificates import Facts

__all__ = ["command"]

_DAY_SECONDS = 86400

_site_argument = click.argument("site", metavar="SITE", type=click.Path(path_type=Path))


@click.group("registry")
def command() -> None:
    """Make a registry for a site, and look after its users."""


@command.command(
    "init",
    epilog=examples(
        "packhorse registry init /srv/registry --host registry.site.example",
        "packhorse registry init /srv/registry --host registry.site.example --host 10.0.0.5 --anonymous-pull",
    ),
)
@_site_argument
@click.option("--host", "hosts", multiple=True, required=True, help="A name or address that clients reach it by.")
@click.option("--anonymous-pull", is_flag=True, help="Let everybody pull who can reach it.")
@password_option
@pass_console
def init(console: Console, site: Path, hosts: tuple[str, ...], *, anonymous_pull: bool, password_stdin: bool) -> None:
    """Make a folder that packhorse serve --site runs a registry from, over TLS and with logins.

    It gets a certificate authority of its own, a certificate for the hosts, a file that says who may do what, one
    user named admin, and a store for what is pushed.
    """
    password = read_password() if password_stdin else site_registry.new_password()
    made = site_registry.make_site(site, hosts, password, anonymous_pull=anonymous_pull)
    console.say(f"Made a registry for {', '.join(hosts)} in {site}.")
    console.say(f"Clients trust it by {made.ca}.")
    if not password_stdin:
        console.show(f"The password of admin, which is not shown again: {password}")
    console.say(f"Next: packhorse serve --site {site}")


@command.command(
    "user",
    epilog=examples(
        "packhorse registry user /srv/registry ci",
        "packhorse registry user /srv/registry ci --remove",
    ),
)
@_site_argument
@click.argument("name")
@click.option("--remove", is_flag=True, help="Take the user's password away.")
@password_option
@pass_console
def user(console: Console, site: Path, name: str, *, remove: bool, password_stdin: bool) -> None:
    """Give a user a password, or another one.

    What the user may do stands in access.yaml. A server that runs reads both again at SIGHUP.
    """
    folder = SiteFolder(site)
    folder.check()
    if remove:
        site_registry.remove_user(folder, name)
        console.say(f"Removed {name}.")
        return
    password = read_password() if password_stdin else site_registry.new_password()
    is_new = site_registry.set_password(folder, name, password)
    console.say(f"{'Added' if is_new else 'Changed the password of'} {name}.")
    if not password_stdin:
        console.show(f"The password of {name}, which is not shown again: {password}")
    if is_new:
        console.say(f"Next: give {name} a role in {folder.access}, then send the server SIGHUP.")


@command.command("status", epilog=examples("packhorse registry status /srv/registry"))
@_site_argument
@output_option
@pass_console
def status(console: Console, site: Path, output: OutputFormat) -> None:
    """Check a registry's files, and tell how long its certificates are good."""
    folder = SiteFolder(site)
    folder.check()
    found = site_registry.site_status(folder)
    now = dt.datetime.now(dt.UTC)
    if output == "json":
        print_json({
            "certificate": _facts(found.server, now),
            "authority": _facts(found.authority, now),
            "renewsItself": found.renews_itself,
            "users": list(found.users),
            "rules": found.rules,
        })  # fmt: skip
        return
    console.show(f"Users: {', '.join(found.users) or 'none'}; {plural(found.rules, 'rule')}")
    renewal = "renewed by serve" if found.renews_itself else "nothing here can renew it"
    console.show(f"Certificate for {', '.join(found.server.hosts)}: {_left(found.server, now)}, {renewal}")
    console.show(f"Authority {found.authority.name}: {_left(found.authority, now)}")


def _facts(facts: Facts, now: dt.datetime) -> dict[str, object]:
    return {
        "name": facts.name,
        "hosts": list(facts.hosts),
        "notAfter": facts.not_after.isoformat(),
        "daysLeft": round(facts.seconds_left(now) / _DAY_SECONDS, 1),
    }


def _left(facts: Facts, now: dt.datetime) -> str:
    days = int(facts.seconds_left(now) // _DAY_SECONDS)
    return f"{plural(days, 'day')} left" if days >= 0 else f"ran out on {facts.not_after:%Y-%m-%d}"
