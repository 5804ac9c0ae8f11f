"""What is done with a registry's folder: it is made, its users change, its certificate is renewed."""

import datetime as dt
import os
import secrets
from collections.abc import Callable
from pathlib import Path

import msgspec

from packhorse.app.site_folder import SiteFolder
from packhorse.base.errors import ConfigError, PackhorseError, UsageError
from packhorse.base.unfinished import new_file
from packhorse.package.source_text import read_file
from packhorse.registry import certificates
from packhorse.registry.access.access_file import load_access
from packhorse.registry.access.htpasswd import check_name, hash_password, parse_users, write_users
from packhorse.registry.certificates import Facts, Issued, Subject

__all__ = [
    "SiteStatus",
    "check_end",
    "make_site",
    "new_password",
    "read_authority",
    "remove_user",
    "renew",
    "served_hosts",
    "set_password",
    "site_status",
    "write_issued",
]

_PUBLIC = 0o644
_SECRET = 0o600
_FOLDER = 0o755
_DAY_SECONDS = 86400.0
_SOON_DAYS = 30
_MAX_PEM_BYTES = 256 * 1024
_ACCESS = """\
# Who may do what in this registry. After a change: kill -HUP the server. A file with mistakes is not taken.
usersFile: users.htpasswd
groups:
  admins: [admin]
anonymous:
  # true: whoever reaches the server may pull everything; or a list of patterns such as [docker.io/**, team/*]
  pull: {pull}
rules:
  # A role includes those before it: pull, push, delete, admin.
  - role: admin
    groups: [admins]
tokens:
  keyFile: token.key
"""


class SiteStatus(msgspec.Struct, frozen=True):
    """What is to be known of a site."""

    server: Facts
    authority: Facts
    renews_itself: bool
    users: tuple[str, ...]
    rules: int


def make_site(folder: Path, hosts: tuple[str, ...], password: str, *, anonymous_pull: bool) -> SiteFolder:
    """Make a site's folder, with one user, ``admin``.

    Raises:
        UsageError: There is one already, or a host cannot stand in a certificate.
        ConfigError: The password cannot be hashed.
        PackhorseError: A file cannot be written.
    """
    site = SiteFolder(folder)
    if site.access.exists():
        raise UsageError(f"{folder} is a registry's folder already", hint=f"packhorse serve --site {folder}")
    if not hosts:
        raise UsageError("the registry needs a name that clients reach it by", hint="--host registry.site.example")
    now = dt.datetime.now(dt.UTC)
    authority = certificates.new_authority(f"Packhorse CA of {hosts[0]}"[:64], now)
    server = certificates.issue(authority, Subject(hosts[0], hosts), now)
    hashed = hash_password(password)

    def write() -> None:
        folder.mkdir(_FOLDER, parents=True, exist_ok=True)
        site.key.parent.mkdir(0o700, exist_ok=True)
        _write_pair(authority, site.ca, site.ca_key)
        _write_pair(server, site.certificate, site.key)
        _write(folder / "token.key", secrets.token_urlsafe(32).encode() + b"\n", _SECRET)
        _write(site.users, write_users({"admin": hashed}), _SECRET)
        # Last of all: what makes the folder a site.
        _write(site.access, _ACCESS.format(pull="true" if anonymous_pull else "false").encode(), _PUBLIC)

    _writing(folder, write)
    return site


def new_password() -> str:
    """Draw a password that nobody guesses and that can be typed."""
    return "-".join(secrets.token_hex(3) for _ in range(4))


def set_password(site: SiteFolder, name: str, password: str) -> bool:
    """Give a user a password; returns whether the user is new.

    Raises:
        ConfigError: The name or the password cannot be taken, or the file has mistakes.
        PackhorseError: The file cannot be written.
    """
    users = _users(site)
    is_new = check_name(name) not in users
    users[name] = hash_password(password)
    _writing(site.path, lambda: _write(site.users, write_users(users), _SECRET))
    return is_new


def remove_user(site: SiteFolder, name: str) -> None:
    """Take a user's password away.

    Raises:
        UsageError: There is no such user.
        ConfigError: The file has mistakes.
        PackhorseError: The file cannot be written.
    """
    users = _users(site)
    if users.pop(name, None) is None:
        raise UsageError(f"{site.users} has no user {name}")
    _writing(site.path, lambda: _write(site.users, write_users(users), _SECRET))


def site_status(site: SiteFolder) -> SiteStatus:
    """Look at a site's files.

    Raises:
        ConfigError: One of them has mistakes.
    """
    loaded = load_access(site.access)
    return SiteStatus(
        server=certificates.read_facts(_read(site.certificate)),
        authority=certificates.read_facts(_read(site.ca)),
        renews_itself=site.ca_key.exists(),
        users=tuple(loaded.users),
        rules=len(loaded.access.rules),
    )


def check_end(certificate: Path, now: dt.datetime | None = None) -> bool:
    """Complain of a certificate that ends soon; it is somebody else's to renew, so nothing ever changes here.

    Raises:
        ConfigError: It ends within thirty days, or cannot be read.
    """
    facts = certificates.read_facts(_read(certificate))
    days = facts.seconds_left(now or dt.datetime.now(dt.UTC)) / _DAY_SECONDS
    if days < _SOON_DAYS:
        raise ConfigError(
            f"{certificate} is good until {facts.not_after:%Y-%m-%d} only; bring another, and send SIGHUP"
        )
    return False


def served_hosts(site: SiteFolder) -> tuple[str, ...]:
    """Return the names and addresses that the server's certificate is for.

    Raises:
        ConfigError: It cannot be read.
    """
    return certificates.read_facts(_read(site.certificate)).hosts


def write_issued(issued: Issued, certificate: Path, key: Path) -> None:
    """Write a certificate and its key, neither of which may be there.

    Raises:
        UsageError: One of them is.
        PackhorseError: A file cannot be written.
    """
    for path in (certificate, key):
        if path.exists():
            raise UsageError(f"{path} is there already")

    def write() -> None:
        certificate.parent.mkdir(parents=True, exist_ok=True)
        _write_pair(issued, certificate, key)

    _writing(certificate.parent, write)


def read_authority(certificate: Path, key: Path) -> Issued:
    """Read a certificate authority.

    Raises:
        ConfigError: A file cannot be read.
    """
    return Issued(_read(certificate), _read(key))


def renew(site: SiteFolder, now: dt.datetime | None = None) -> bool:
    """Issue a new certificate for the same names where it is time to; False where it is not.

    Raises:
        ConfigError: It is time, and the authority's key is not there, or is not right.
        PackhorseError: A file cannot be written.
    """
    now = now or dt.datetime.now(dt.UTC)
    facts = certificates.read_facts(_read(site.certificate))
    if not facts.is_due(now):
        return False
    if not site.ca_key.exists():
        raise ConfigError(
            f"the certificate {site.certificate} runs out on {facts.not_after:%Y-%m-%d}, and there is no "
            f"{site.ca_key} to issue another one with",
            hint="put the key back, or issue one elsewhere with packhorse key server-cert and send SIGHUP",
        )
    issued = certificates.issue(read_authority(site.ca, site.ca_key), Subject(facts.name, facts.hosts), now)
    _writing(site.path, lambda: _write_pair(issued, site.certificate, site.key))
    return True


def _users(site: SiteFolder) -> dict[str, bytes]:
    return parse_users(_read(site.users), str(site.users)) if site.users.exists() else {}


def _read(path: Path) -> bytes:
    return read_file(path, str(path), max_bytes=_MAX_PEM_BYTES)


def _writing(folder: Path, write: Callable[[], None]) -> None:
    try:
        write()
    except OSError as error:
        raise PackhorseError(f"{folder} cannot be written: {error.strerror or error}") from error


def _write_pair(issued: Issued, certificate: Path, key: Path) -> None:
    """Write a key, then its certificate; whoever reads between the two finds that they do not fit, and tries later."""
    _write(key, issued.key, _SECRET)
    _write(certificate, issued.certificate, _PUBLIC)


def _write(path: Path, content: bytes, mode: int) -> None:
    owner = path.stat() if path.exists() else None
    with new_file(path, mode) as file:
        file.write(content)
        if owner is not None and os.geteuid() == 0:
            # The server may run as somebody who must go on reading it.
            os.fchown(file.fileno(), owner.st_uid, owner.st_gid)
