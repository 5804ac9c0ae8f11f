"""Brings the database to what this release expects: each file of ``migrations`` once, in the order of their names."""

import time
from pathlib import Path

import psycopg2
import psycopg2.extensions

from shop_api.settings import Settings
from shop_api.storage import connect

FOLDER = Path(__file__).with_name("migrations")
WAIT_SECONDS = 60


def migrate(settings: Settings) -> None:
    """Apply what is missing, each file in a transaction of its own."""
    connection = _connect_patiently(settings)
    with connection, connection.cursor() as cursor:
        cursor.execute(
            "CREATE TABLE IF NOT EXISTS migrations (name text PRIMARY KEY, applied timestamptz DEFAULT now())"
        )
    for path in sorted(FOLDER.glob("*.sql")):
        with connection, connection.cursor() as cursor:
            # Two jobs at once must not apply one file twice.
            cursor.execute("LOCK TABLE migrations IN EXCLUSIVE MODE")
            cursor.execute("SELECT 1 FROM migrations WHERE name = %s", (path.stem,))
            if cursor.fetchone():
                print(f"{path.stem}: applied before", flush=True)
                continue
            cursor.execute(path.read_text(encoding="utf-8"))
            cursor.execute("INSERT INTO migrations (name) VALUES (%s)", (path.stem,))
            print(f"{path.stem}: applied", flush=True)
    connection.close()


def _connect_patiently(settings: Settings) -> psycopg2.extensions.connection:
    deadline = time.monotonic() + WAIT_SECONDS
    while True:
        try:
            return connect(settings)
        except psycopg2.OperationalError as error:
            if time.monotonic() > deadline:
                raise
            print(f"waiting for the database: {str(error).strip()}", flush=True)
            time.sleep(1)
