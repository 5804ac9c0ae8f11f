"""How etcd and the control plane's programs are called: their arguments, as upstream's installer would set them.

Pure functions from settings to command lines; who runs them, and where, is the caller's matter.
"""

from dataclasses import dataclass
from pathlib import Path

from e2e.cluster.pki import Authority, Issued, ServiceAccountKey, write_kubeconfig

__all__ = ["ControlPlane", "Credentials", "Endpoints", "make_credentials"]

_FEATURE_GATES = "ImageVolume=true"


@dataclass(frozen=True)
class Endpoints:
    """Where the programs listen. Etcd is on loopback always."""

    api_address: str
    api_port: int
    etcd_port: int
    etcd_peer_port: int
    service_range: str
    # The first address of the service range: what pods know the API server by.
    service_address: str

    @property
    def url(self) -> str:
        """The API server's URL."""
        return f"https://{self.api_address}:{self.api_port}"


@dataclass(frozen=True)
class Credentials:
    """Everything secret or signed that the control plane is made of."""

    authority: Authority
    front_proxy_authority: Authority
    api_server: Issued
    kubelet_client: Issued
    front_proxy_client: Issued
    admin: Issued
    service_accounts: ServiceAccountKey
    admin_kubeconfig: Path
    controller_manager_kubeconfig: Path
    scheduler_kubeconfig: Path


def make_credentials(directory: Path, endpoints: Endpoints) -> Credentials:
    """Issue all certificates and kubeconfigs of a new cluster into ``directory``."""
    authority = Authority(directory, "ca")
    front_proxy = Authority(directory, "front-proxy-ca")
    services = ("kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local")
    admin = authority.client("admin", "admin", "system:masters")

    def component(name: str) -> Path:
        user = authority.client(name, f"system:{name}")
        return write_kubeconfig(directory / f"{name}.kubeconfig", endpoints.url, authority, user)

    return Credentials(
        authority=authority,
        front_proxy_authority=front_proxy,
        api_server=authority.server(
            "kube-apiserver",
            [*services, "localhost", "127.0.0.1", endpoints.api_address, endpoints.service_address],
        ),
        kubelet_client=authority.client("kubelet-client", "kube-apiserver-kubelet-client", "system:masters"),
        front_proxy_client=front_proxy.client("front-proxy-client", "front-proxy-client"),
        admin=admin,
        service_accounts=ServiceAccountKey(directory),
        admin_kubeconfig=write_kubeconfig(directory / "admin.kubeconfig", endpoints.url, authority, admin),
        controller_manager_kubeconfig=component("kube-controller-manager"),
        scheduler_kubeconfig=component("kube-scheduler"),
    )


@dataclass(frozen=True)
class ControlPlane:
    """The command lines of one cluster's control plane."""

    programs: Path
    endpoints: Endpoints
    credentials: Credentials

    def etcd(self, data: Path) -> list[str]:
        """Etcd with one member. It never waits for the disk: its data dies with the bed."""
        client = f"http://127.0.0.1:{self.endpoints.etcd_port}"
        peer = f"http://127.0.0.1:{self.endpoints.etcd_peer_port}"
        return [
            f"{self.programs}/etcd",
            f"--data-dir={data}",
            "--unsafe-no-fsync",
            f"--listen-client-urls={client}",
            f"--advertise-client-urls={client}",
            f"--listen-peer-urls={peer}",
            f"--initial-advertise-peer-urls={peer}",
            f"--initial-cluster=default={peer}",
            "--log-level=warn",
        ]

    def api_server(self, *extra: str) -> list[str]:
        """The API server with the admission and authorization that a real cluster has."""
        made = self.credentials
        return [
            f"{self.programs}/kube-apiserver",
            f"--etcd-servers=http://127.0.0.1:{self.endpoints.etcd_port}",
            f"--secure-port={self.endpoints.api_port}",
            f"--advertise-address={self.endpoints.api_address}",
            f"--service-cluster-ip-range={self.endpoints.service_range}",
            f"--tls-cert-file={made.api_server.certificate}",
            f"--tls-private-key-file={made.api_server.key}",
            f"--client-ca-file={made.authority.certificate}",
            f"--kubelet-client-certificate={made.kubelet_client.certificate}",
            f"--kubelet-client-key={made.kubelet_client.key}",
            f"--kubelet-certificate-authority={made.authority.certificate}",
            "--kubelet-preferred-address-types=InternalIP",
            f"--requestheader-client-ca-file={made.front_proxy_authority.certificate}",
            "--requestheader-allowed-names=front-proxy-client",
            "--requestheader-username-headers=X-Remote-User",
            "--requestheader-group-headers=X-Remote-Group",
            "--requestheader-extra-headers-prefix=X-Remote-Extra-",
            f"--proxy-client-cert-file={made.front_proxy_client.certificate}",
            f"--proxy-client-key-file={made.front_proxy_client.key}",
            "--enable-aggregator-routing=true",
            "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
            f"--service-account-signing-key-file={made.service_accounts.private}",
            f"--service-account-key-file={made.service_accounts.public}",
            "--authorization-mode=Node,RBAC",
            "--enable-admission-plugins=NodeRestriction",
            "--allow-privileged=true",
            f"--feature-gates={_FEATURE_GATES}",
            *extra,
        ]

    def controller_manager(self, *extra: str) -> list[str]:
        """All controllers, each with its own service account."""
        made = self.credentials
        kubeconfig = made.controller_manager_kubeconfig
        return [
            f"{self.programs}/kube-controller-manager",
            f"--kubeconfig={kubeconfig}",
            f"--authentication-kubeconfig={kubeconfig}",
            f"--authorization-kubeconfig={kubeconfig}",
            f"--service-account-private-key-file={made.service_accounts.private}",
            f"--root-ca-file={made.authority.certificate}",
            f"--cluster-signing-cert-file={made.authority.certificate}",
            f"--cluster-signing-key-file={made.authority.key}",
            "--use-service-account-credentials=true",
            "--leader-elect=false",
            "--bind-address=127.0.0.1",
            # The default rate makes the start of its thirty controllers take six seconds.
            "--kube-api-qps=500",
            "--kube-api-burst=1000",
            *extra,
        ]

    def scheduler(self) -> list[str]:
        """The scheduler."""
        kubeconfig = self.credentials.scheduler_kubeconfig
        return [
            f"{self.programs}/kube-scheduler",
            f"--kubeconfig={kubeconfig}",
            f"--authentication-kubeconfig={kubeconfig}",
            f"--authorization-kubeconfig={kubeconfig}",
            "--leader-elect=false",
            "--bind-address=127.0.0.1",
            # A pod whose claim is bound just while the pod is looked at can miss that: the scheduler looks again after
            # five minutes, which is longer than a deployment waits.
            "--pod-max-in-unschedulable-pods-duration=10s",
        ]
