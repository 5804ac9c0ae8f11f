"""``python -m bench.peers``: install the peers that a package client can install, and say which others are not here."""

import sys

from bench.peers.find import find_peers
from bench.peers.install import install_all


def main() -> int:
    """Return the exit code: 1 when something could not be installed that can be had."""
    failed = install_all()
    here, missing = find_peers()
    for name, path in here.items():
        print(f"{name:10} {path}")
    for name, reason in {**missing, **failed}.items():
        print(f"{name:10} not here: {reason}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
