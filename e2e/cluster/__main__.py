"""``python -m e2e.cluster``: the internet and a cluster to try things on by hand, until Ctrl-C."""

import contextlib
import os
import shlex
import signal

from e2e.cluster.build import ensure_programs
from e2e.cluster.cluster import Cluster
from e2e.cluster.internet import Internet


def main() -> None:
    """Bring both up, say how to get in, and take them down when told to stop."""
    shell = os.environ.get("SHELL", "/bin/sh")
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with Internet() as internet, Cluster(ensure_programs()) as cluster:
        print(f"internet  a registry at {internet.registry}:  {shlex.join(internet.command(shell))}")
        print(f"site      a workstation without a road out:  {shlex.join(cluster.site_command(shell))}")
        print(f"node      containerd and its files:  {shlex.join(cluster.node_command(shell))}")
        print(f"In the site:  export KUBECONFIG={cluster.kubeconfig}")
        print(f"Logs are in {cluster.logs}. Ctrl-C takes everything down.", flush=True)
        with contextlib.suppress(KeyboardInterrupt):
            signal.pause()
        for attempt in cluster.escape_attempts():
            print(f"tried to leave: {attempt.packets} packets to {attempt.address} {attempt.protocol} {attempt.port}")


if __name__ == "__main__":
    main()
