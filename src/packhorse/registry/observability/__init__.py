"""Files for whoever watches the registry: ``alerts.yaml`` for Prometheus and ``dashboard.json`` for Grafana."""
