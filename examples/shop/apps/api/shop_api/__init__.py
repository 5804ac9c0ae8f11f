"""The backend of the shop: items from PostgreSQL, a counter in Redis, over a small HTTP API."""
