"""The options of ``serve`` about TLS and logins, and what they come to."""

import functools
import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click
import msgspec

from packhorse.app.site_folder import SiteFolder
from packhorse.base.errors import UsageError
from packhorse.registry.access.guard import GuardSettings
from packhorse.registry.listener import TlsFiles

__all__ = ["LoginOptions", "login_options"]

_Decorated = TypeVar("_Decorated", bound=Callable[..., Any])
_FILE = click.Path(path_type=Path)


class LoginOptions(msgspec.Struct, frozen=True):
    """What was written on the command line."""

    site: Path | None = None
    tls_cert: Path | None = None
    tls_key: Path | None = None
    client_ca: Path | None = None
    access: Path | None = None
    audit_log: Path | None = None

    def folder(self) -> SiteFolder | None:
        """Return the site's folder.

        Raises:
            UsageError: There is no site in it.
        """
        if self.site is None:
            return None
        folder = SiteFolder(self.site)
        folder.check()
        return folder

    def tls(self) -> TlsFiles | None:
        """Return the certificate that is served with.

        Raises:
            UsageError: Options do not go together.
        """
        if (self.tls_cert is None) != (self.tls_key is None):
            raise UsageError("--tls-cert and --tls-key go together")
        if self.tls_cert is not None and self.tls_key is not None:
            return TlsFiles(
                self.tls_cert, self.tls_key, self.client_ca, functools.partial(_ask, "check_end", self.tls_cert)
            )
        if (folder := self.folder()) is not None:
            return TlsFiles(folder.certificate, folder.key, self.client_ca, functools.partial(_ask, "renew", folder))
        if self.client_ca is not None:
            raise UsageError("--client-ca needs TLS", hint="add --tls-cert and --tls-key")
        return None

    def guard(self) -> GuardSettings | None:
        """Return what guards the registry; None where everybody may do everything.

        Raises:
            UsageError: Options do not go together.
        """
        folder = self.folder()
        access = self.access or (None if folder is None else folder.access)
        if access is None:
            for option, value in (("--audit-log", self.audit_log), ("--client-ca", self.client_ca)):
                if value is not None:
                    raise UsageError(f"{option} goes with --access or --site")
            return None
        audit_log = self.audit_log or (None if folder is None else folder.audit_log)
        return GuardSettings(access, audit_log, with_certificates=self.client_ca is not None)


def _ask(what: str, about: SiteFolder | Path) -> bool:
    """Ask whether there is another certificate now."""
    # What makes and reads certificates takes a while to load, and a server answers before that.
    renewed: bool = getattr(importlib.import_module("packhorse.app.site_registry"), what)(about)
    return renewed


def login_options(function: _Decorated) -> Callable[..., Any]:
    """Give ``serve`` the options; it gets them as ``login``."""

    @functools.wraps(function)
    def gather(*args: Any, **values: Any) -> Any:
        given = {name: values.pop(name) for name in LoginOptions.__struct_fields__}
        return function(*args, **values, login=LoginOptions(**given))

    for option in reversed(_OPTIONS):
        gather = option(gather)
    return gather


_OPTIONS = (
    click.option("--site", type=_FILE, metavar="DIR", help="A folder that packhorse registry init has made."),
    click.option("--tls-cert", type=_FILE, help="The server's certificate chain, in PEM."),
    click.option("--tls-key", type=_FILE, help="Its private key, in PEM."),
    click.option("--client-ca", type=_FILE, help="Certificates of authorities whose clients are let in, in PEM."),
    click.option("--access", type=_FILE, metavar="FILE", help="Who may do what: an access.yaml."),
    click.option("--audit-log", type=_FILE, metavar="FILE", help="Write changes and refusals there, as JSON lines."),
)
