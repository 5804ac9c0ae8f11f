"""The database and the cache."""

import threading

import psycopg2
import psycopg2.extensions
import psycopg2.extras
import redis

from shop_api.settings import Settings

CONNECT_TIMEOUT_SECONDS = 3


def connect(settings: Settings) -> psycopg2.extensions.connection:
    """Open a connection to the database."""
    return psycopg2.connect(
        host=settings.database_host,
        dbname=settings.database_name,
        user=settings.database_user,
        password=settings.database_password,
        connect_timeout=CONNECT_TIMEOUT_SECONDS,
        application_name="shop-api",
    )


class Storage:
    """Items and hits. One database connection per thread, opened again after an error."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._local = threading.local()
        self._cache = redis.Redis(
            host=settings.cache_host,
            socket_timeout=CONNECT_TIMEOUT_SECONDS,
            socket_connect_timeout=CONNECT_TIMEOUT_SECONDS,
        )

    def items(self) -> list[dict]:
        """All items, by number."""
        return self._query("SELECT * FROM items ORDER BY id")

    def count_hit(self) -> int:
        """Count one more hit, and give how many there were."""
        return int(self._cache.incr("hits"))

    def check(self) -> None:
        """Raise unless both the database and the cache answer."""
        self._query("SELECT 1 AS one")
        self._cache.ping()

    def _query(self, statement: str) -> list[dict]:
        connection = getattr(self._local, "connection", None)
        if connection is None or connection.closed:
            connection = connect(self._settings)
            connection.autocommit = True
            self._local.connection = connection
        try:
            with connection.cursor(cursor_factory=psycopg2.extras.RealDictCursor) as cursor:
                cursor.execute(statement)
                return [dict(row) for row in cursor.fetchall()]
        except psycopg2.OperationalError:
            connection.close()
            raise
