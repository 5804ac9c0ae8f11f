"""OCI image layouts on disk, written and read by the letter of the image specification."""

import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from corpus.errors import CorpusError

__all__ = ["NAME_ANNOTATION", "Descriptor", "Layout", "as_json", "listed"]

NAME_ANNOTATION = "org.opencontainers.image.ref.name"

Descriptor = dict[str, object]
"""A descriptor of the image specification, as JSON values."""


def listed(manifest: Mapping[str, object], name: str) -> list[Descriptor]:
    """Give the descriptors that a manifest or index has under ``name``; none where it has no such field."""
    value = manifest.get(name)
    if isinstance(value, dict):
        return [value]
    return value if isinstance(value, list) else []


def as_json(value: object) -> bytes:
    """Give ``value`` as JSON, in the order in which it stands and without blanks."""
    return json.dumps(value, separators=(",", ":")).encode()


@dataclass(frozen=True, slots=True)
class Layout:
    """One layout: blobs by digest, and an index of what they are called."""

    folder: Path

    @classmethod
    def create(cls, folder: Path) -> "Layout":
        """Make an empty layout in ``folder``, which may be there."""
        (folder / "blobs" / "sha256").mkdir(parents=True, exist_ok=True)
        (folder / "oci-layout").write_bytes(as_json({"imageLayoutVersion": "1.0.0"}))
        layout = cls(folder)
        layout.write_index([])
        return layout

    @classmethod
    def there(cls, folder: Path) -> "Layout":
        """Give the layout that is in ``folder``.

        Raises:
            CorpusError: There is none.
        """
        if not (folder / "index.json").is_file():
            raise CorpusError(f"Expected an OCI layout in {folder}, found no index.json there.")
        return cls(folder)

    def blob(self, digest: str) -> Path:
        """Give the path of the blob with ``digest`` (``sha256:…``)."""
        algorithm, _, encoded = digest.partition(":")
        return self.folder / "blobs" / algorithm / encoded

    def add_blob(self, data: bytes, media_type: str = "application/octet-stream") -> Descriptor:
        """Store ``data`` as a blob and give its descriptor."""
        digest = f"sha256:{sha256(data).hexdigest()}"
        if not self.blob(digest).exists():
            self.blob(digest).write_bytes(data)
        return {"mediaType": media_type, "digest": digest, "size": len(data)}

    def add_json(self, media_type: str, value: Mapping[str, object]) -> Descriptor:
        """Store ``value`` as a blob and give its descriptor."""
        return self.add_blob(as_json(value), media_type)

    def link_blob(self, digest: str, source: Path) -> None:
        """Put the file ``source`` here as the blob ``digest``: as a hard link, or a copy where that cannot be."""
        target = self.blob(digest)
        if target.exists():
            return
        draft = target.with_name(f".{target.name}.{os.getpid()}")
        try:
            draft.hardlink_to(source)
        except OSError:
            shutil.copyfile(source, draft)
        draft.replace(target)

    def link_all(self, other: "Layout") -> None:
        """Have every blob of ``other`` here too."""
        for path in other.blobs():
            self.link_blob(f"sha256:{path.name}", path)

    def write_index(self, manifests: Sequence[Descriptor]) -> None:
        """Write ``index.json`` with ``manifests`` in the order given."""
        media_type = "application/vnd.oci.image.index.v1+json"
        index = {"schemaVersion": 2, "mediaType": media_type, "manifests": list(manifests)}
        draft = self.folder / ".index.json"
        draft.write_bytes(as_json(index))
        draft.replace(self.folder / "index.json")

    def named(self) -> Iterator[tuple[str, Descriptor]]:
        """Yield the names of ``index.json`` with their descriptors.

        Raises:
            CorpusError: An entry has no name.
        """
        for descriptor in json.loads((self.folder / "index.json").read_bytes())["manifests"]:
            name = descriptor.get("annotations", {}).get(NAME_ANNOTATION)
            if name is None:
                raise CorpusError(
                    f"Expected a name for {descriptor['digest']} in {self.folder}/index.json, found none."
                )
            yield name, descriptor

    def only(self) -> Descriptor:
        """Give the descriptor of a layout with one name, as what refers to it says it: without the name."""
        ((_, descriptor),) = self.named()
        return {name: value for name, value in descriptor.items() if name != "annotations"}

    def read_json(self, digest: str) -> dict[str, object]:
        """Read a blob that is JSON."""
        value: dict[str, object] = json.loads(self.blob(digest).read_bytes())
        return value

    def become(self, others: Sequence["Layout"]) -> None:
        """Have what ``others`` have together, as copies, and nothing else."""
        wanted = {path.name: path for other in others for path in other.blobs()}
        for path in self.blobs():
            if path.name not in wanted:
                path.unlink()
        for name, path in wanted.items():
            target = self.blob(f"sha256:{name}")
            if not target.exists() or target.stat().st_size != path.stat().st_size:
                shutil.copyfile(path, target)
        self.write_index([descriptor for other in others for _, descriptor in other.named()])

    def blobs(self) -> list[Path]:
        """Give the paths of all blobs, sorted."""
        return sorted((self.folder / "blobs" / "sha256").iterdir())
