"""How much a store holds."""

import msgspec

__all__ = ["Usage"]


class Usage(msgspec.Struct, frozen=True):
    """What is in a store at one moment; None where that store cannot tell.

    Attributes:
        blobs: Blobs and manifests that a repository has, each once.
        content_bytes: Their bytes.
        repositories: How many there are.
        free_bytes: What may still be written where the store lies.
        uploads: Uploads that are not finished.
        upload_bytes: Their bytes.
    """

    blobs: int
    content_bytes: int
    repositories: int
    free_bytes: int | None = None
    uploads: int | None = None
    upload_bytes: int | None = None
