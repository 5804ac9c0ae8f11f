"""Why a store does not take what it is sent: what a registry tells its client, and no defect of the store."""

from packhorse.base.errors import PackhorseError
from packhorse.oci.digest import Digest

__all__ = [
    "BusyError",
    "ConditionError",
    "MissingPartError",
    "OffsetError",
    "RoomError",
    "SealedError",
    "WrongDigestError",
]


class StoreRefusal(PackhorseError):  # noqa: N818 - nothing is wrong with the store
    """Root of what a store answers instead of taking something."""


class OffsetError(StoreRefusal):
    """Bytes came that do not follow those that are there."""

    def __init__(self, received: int) -> None:
        super().__init__(f"the upload has {received} bytes, and the next must begin there")
        self.received = received


class BusyError(StoreRefusal):
    """Somebody else is sending to the same upload."""


class WrongDigestError(StoreRefusal):
    """The bytes that came do not hash to the digest that they are to be kept under."""


class MissingPartError(StoreRefusal):
    """A manifest names a blob that its repository does not have."""

    def __init__(self, digest: Digest) -> None:
        super().__init__(f"the repository has no blob {digest}")
        self.digest = digest


class ConditionError(StoreRefusal):
    """A tag does not stand for what the client takes for granted (``If-Match``, ``If-None-Match``)."""


class RoomError(StoreRefusal):
    """There is no room: the disk, or what the store may take of it, is full."""


class SealedError(StoreRefusal):
    """What is to be changed lies in a sealed bundle, or would be hidden behind one."""
