"""Pushing to a server with our own client."""

from packhorse.base.events import NullReporter
from packhorse.bundle.sources import BytesSource
from packhorse.oci.copy import Root, copy_graph
from packhorse.oci.distribution_client import RegistryClient
from packhorse.oci.model import Descriptor
from packhorse.oci.registry_settings import RegistrySettings
from tests.support.packages import Upstream
from tests.support.serving import Server


def push(server: Server, path: str, upstream: Upstream, image: Descriptor, *tags: str) -> None:
    """Push an image to a repository of a server that speaks plain HTTP."""
    with RegistryClient(RegistrySettings()) as client:
        target = client.repository(f"{server.host}:{server.port}/{path}", direct=True)
        source = BytesSource(upstream.blobs.content)
        copy_graph(source, target, [Root(image, tags)], workers=2, reporter=NullReporter())
