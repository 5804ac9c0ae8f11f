"""An OCI image layout inside an uncompressed tar, read in place."""

from packhorse.store.extents import FileExtent
from packhorse.store.layout_source import LayoutSource
from packhorse.store.tar_index import TarIndex

__all__ = ["TarFiles", "open_archive"]


class TarFiles:
    """The files of a layout inside a tar; implements :class:`packhorse.store.layout_source.LayoutFiles`."""

    def __init__(self, index: TarIndex) -> None:
        self._index = index

    def find(self, name: str) -> FileExtent | None:
        """Say where a member lies; None when there is none.

        Raises:
            IntegrityError: It is not a plain file.
        """
        return self._index.extent(name)

    def close(self) -> None:
        """Close the archive."""
        self._index.close()


def open_archive(path: str) -> LayoutSource:
    """Open an OCI layout in a tar.

    Raises:
        ConfigError: There is no such file, it is compressed, or it holds no layout.
        IntegrityError: The tar or the layout is malformed.
    """
    return LayoutSource(path, TarFiles(TarIndex.at(path)))
