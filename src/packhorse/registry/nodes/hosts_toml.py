"""containerd's ``certs.d/_default/hosts.toml``: one file for every registry that has no folder of its own.

The form is one that containerd reads from 1.6 on. ``server`` is the mirror, because containerd asks ``server`` last of
all, and where it is left out the registry that the image names: the file must say it, or there is a way around the
mirror. 1.6 and 1.7 ignore a file that has no ``[host]`` table at all, so there is an empty one; everything that holds
for the mirror stands before it, for ``server``.
"""

from packhorse.registry.nodes.model import MARKER, Mirror

__all__ = ["CA_FILE", "DEFAULT_FOLDER", "HOSTS_FILE", "render_hosts_toml"]

DEFAULT_FOLDER = "_default"
HOSTS_FILE = "hosts.toml"
CA_FILE = "packhorse-ca.crt"


def render_hosts_toml(mirror: Mirror, ca_path: str | None) -> bytes:
    """Render the file.

    Args:
        mirror: The site's registry.
        ca_path: Where the node has the mirror's certificates; None where it needs none.
    """
    lines = [MARKER, "# Every image is pulled from this registry, under its own name, and from nowhere else."]
    lines.append(f'server = "{mirror.url}"')
    lines.append('capabilities = ["pull", "resolve"]')
    if ca_path is not None:
        lines.append(f'ca = "{ca_path}"')
    if mirror.authorization is not None:
        lines += ["", "[header]", f'  Authorization = "{mirror.authorization}"']
    lines += ["", "[host]", ""]
    return "\n".join(lines).encode()
