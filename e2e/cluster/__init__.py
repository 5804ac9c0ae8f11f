"""A Kubernetes of our own: built from pinned Go modules, run without a container engine, gone without a trace.

Two beds, both context managers:

* :class:`e2e.cluster.api_server.ApiServer`: etcd and kube-apiserver on loopback, ready in seconds, no root needed; for
  everything that only talks to the API.
* :class:`e2e.cluster.cluster.Cluster`: a whole node (containerd, kubelet, kube-proxy, CoreDNS) in network, mount and
  process namespaces of its own, on a network that leads nowhere and counts what tries to leave.

``python -m e2e.cluster.build`` makes the programs and prints the folder they are in. This package knows nothing of
Packhorse: what it says about the product would otherwise be the product's own word.
"""
