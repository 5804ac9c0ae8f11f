"""What the container's environment says."""

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Settings:
    """Where the database and the cache are, and where to listen."""

    database_host: str
    database_name: str
    database_user: str
    database_password: str
    cache_host: str
    port: int

    @classmethod
    def from_environment(cls) -> "Settings":
        """Read the environment; the password may be in a file instead."""
        password_file = os.environ.get("DATABASE_PASSWORD_FILE")
        if password_file:
            password = Path(password_file).read_text(encoding="utf-8").strip()
        else:
            password = os.environ.get("DATABASE_PASSWORD", "")
        return cls(
            database_host=os.environ.get("DATABASE_HOST", "localhost"),
            database_name=os.environ.get("DATABASE_NAME", "shop"),
            database_user=os.environ.get("DATABASE_USER", "shop"),
            database_password=password,
            cache_host=os.environ.get("CACHE_HOST", "localhost"),
            port=int(os.environ.get("PORT", "8080")),
        )
