"""Where galleries are kept: a folder of folders, or a server's collections."""

import shutil
import tempfile
from pathlib import Path
from typing import Protocol

from gait.errors import StorageError
from gallery.gallery import Gallery
from gallery.index.rung import RungName
from gallery.local import STORE, LocalGallery

_GONE = ".deleted-"


class Shelf(Protocol):
    """Galleries by name; names are checked before."""

    def names(self) -> list[str]:
        """Names of what is there."""
        ...

    def holds(self, name: str) -> bool:
        """Whether there is a gallery of this name."""
        ...

    def create(self, name: str, bundle: Path) -> Gallery:
        """Makes an empty gallery and opens it."""
        ...

    def open(self, name: str, contract: str) -> Gallery:
        """Opens one, for probes of the model `contract`."""
        ...

    def destroy(self, name: str) -> None:
        """Removes one that is closed, with everything in it."""
        ...


class Folder:
    """Galleries in the folders of a folder.

    Args:
        root: the folder; made if there is none.
        index: how they hold embeddings for search; None leaves it to their number.

    Raises:
        StorageError: it cannot be made.
    """

    def __init__(self, root: Path, index: RungName | None = None) -> None:
        self._root, self._index = root, index
        try:
            root.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StorageError(f"cannot make {root}: {error}") from error
        for left in root.glob(f"{_GONE}*"):
            shutil.rmtree(left, ignore_errors=True)

    def names(self) -> list[str]:
        """Names of the folders that hold a gallery."""
        return [path.parent.name for path in self._root.glob(f"*/{STORE}")]

    def holds(self, name: str) -> bool:
        """Whether there is a gallery of this name."""
        return (self._root / name / STORE).is_file()

    def create(self, name: str, bundle: Path) -> Gallery:
        """Makes an empty gallery and opens it; see `LocalGallery.create`."""
        return LocalGallery.create(self._root / name, bundle, index=self._index)

    def open(self, name: str, contract: str) -> Gallery:
        """Opens one; see `LocalGallery.open`."""
        return LocalGallery.open(self._root / name, contract=contract, index=self._index)

    def destroy(self, name: str) -> None:
        """Removes the folder; a half-removed one is no gallery any more.

        Raises:
            StorageError: it cannot be removed.
        """
        try:
            gone = Path(tempfile.mkdtemp(prefix=_GONE, dir=self._root))
            (self._root / name).rename(gone / name)
            shutil.rmtree(gone)
        except OSError as error:
            raise StorageError(f"cannot remove the gallery {name!r}: {error}") from error
