"""The whole of Packhorse against a real Kubernetes, on one machine and with no road out.

``e2e.cluster`` builds and runs the Kubernetes; ``e2e.needs`` installs what it takes from the machine's packages;
``conftest.py`` has the fixtures and ``test_*.py`` the stories. Nothing here is part of the product.
"""
