"""Access to a Kubernetes API: objects by identity, what kinds mean, whether they are ready, and why not.

It knows objects as plain JSON values of any kind, and neither packages nor releases. The Protocols are in
:mod:`packhorse.kube.ports`; :class:`packhorse.kube.lightkube_cluster.LightkubeCluster` talks to a real API server,
:class:`packhorse.kube.memory_cluster.MemoryCluster` is one in memory. What an object's fields mean is pure code:
:mod:`~packhorse.kube.workloads`, :mod:`~packhorse.kube.readiness` and :mod:`~packhorse.kube.pod_trouble`.
"""
