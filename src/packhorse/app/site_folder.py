"""A folder with all that a registry for a site needs: made once, served from, and kept fit.

::

    SITE/
      access.yaml        who may do what
      users.htpasswd     who has a password
      token.key          the secret that tokens are signed with
      audit.log          what was changed and refused
      ca.crt             what clients must trust
      tls/ca.key         with it a new certificate is issued before the old one runs out
      tls/server.crt, tls/server.key
      store/             what is pushed
"""

from pathlib import Path

import msgspec

from packhorse.base.errors import UsageError

__all__ = ["SiteFolder"]


class SiteFolder(msgspec.Struct, frozen=True):
    """Where everything is."""

    path: Path

    @property
    def access(self) -> Path:
        """Who may do what."""
        return self.path / "access.yaml"

    @property
    def users(self) -> Path:
        """Who has a password."""
        return self.path / "users.htpasswd"

    @property
    def audit_log(self) -> Path:
        """What was changed and refused."""
        return self.path / "audit.log"

    @property
    def store(self) -> Path:
        """What was pushed."""
        return self.path / "store"

    @property
    def ca(self) -> Path:
        """What clients must trust."""
        return self.path / "ca.crt"

    @property
    def ca_key(self) -> Path:
        """What certificates are issued with; it may be kept elsewhere."""
        return self.path / "tls" / "ca.key"

    @property
    def certificate(self) -> Path:
        """The server's certificate."""
        return self.path / "tls" / "server.crt"

    @property
    def key(self) -> Path:
        """The server's private key."""
        return self.path / "tls" / "server.key"

    def check(self) -> None:
        """Make sure that there is a site.

        Raises:
            UsageError: There is none.
        """
        if not self.access.is_file():
            raise UsageError(
                f"{self.path} is no registry's folder: it has no access.yaml",
                hint=f"make one with: packhorse registry init {self.path} --host NAME",
            )
