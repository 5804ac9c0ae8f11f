"""Makes every Cache of a cluster true: a Deployment and a Service of the same name, and a status."""
