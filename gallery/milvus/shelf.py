"""Galleries of a service as collections of one Milvus, two for each: see `gallery.shelf.Shelf`."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from gait.errors import ConfigError
from gallery.milvus.address import LITE, SCHEMES, Address
from gallery.milvus.gallery import MilvusGallery
from gallery.milvus.making import facts_of, unmake
from gallery.milvus.server import Server, translated

_OURS = "gait_"
_DASH, _UNDERSCORE = "X", "__"
"""What stands for `-` and `_`; doubled, so that no gallery has the name of another's ledger."""


class Collections:
    """Galleries in the collections of a Milvus.

    Args:
        url: as of a gallery (`gallery.milvus.address`), without a collection.
        bundle: model bundle that the galleries are opened with, since Milvus keeps none.

    Raises:
        ConfigError: the URL is wrong.
    """

    def __init__(self, url: str, bundle: Path) -> None:
        parts = urlsplit(url)
        if parts.scheme not in SCHEMES or (parts.scheme != LITE and parts.path.strip("/")):
            raise ConfigError(
                f"got {url!r} for the galleries, need milvus://HOST:PORT without a collection: "
                "each gallery is one"
            )
        self._parts, self._bundle = parts, bundle
        Address.parse(self._url("any"))

    def names(self) -> list[str]:
        """Names of the galleries."""
        with self._server("any") as server, translated(server.address):
            collections = server.client.list_collections()
        names = [_name(each) for each in collections if _collection(_name(each)) == each]
        return list(filter(self.holds, names))

    def holds(self, name: str) -> bool:
        """Whether there is a gallery of this name."""
        with self._server(name) as server:
            return facts_of(server) is not None

    def create(self, name: str, bundle: Path) -> MilvusGallery:
        """Makes an empty gallery and opens it; see `MilvusGallery.create`."""
        return MilvusGallery.create(self._url(name), bundle)

    def open(self, name: str, contract: str) -> MilvusGallery:
        """Opens one; see `MilvusGallery.open`."""
        return MilvusGallery.open(self._url(name), contract=contract, bundle=self._bundle)

    def destroy(self, name: str) -> None:
        """Drops the collections; half dropped it is no gallery any more.

        Raises:
            StorageError: Milvus cannot be reached, or refuses.
        """
        with self._server(name) as server:
            unmake(server)

    def _url(self, name: str) -> str:
        path = f"{self._parts.path.rstrip('/')}/{_collection(name)}"
        return self._parts._replace(path=path).geturl()

    @contextmanager
    def _server(self, name: str) -> Iterator[Server]:
        server = Server(Address.parse(self._url(name)))
        try:
            yield server
        finally:
            server.close()


def _collection(name: str) -> str:
    """Of a gallery's templates; a name has only `a-z`, `0-9`, `-` and `_`, a collection no `-`."""
    return _OURS + name.replace("_", _UNDERSCORE).replace("-", _DASH)


def _name(collection: str) -> str:
    """The gallery's name, if the collection is one's."""
    return collection.removeprefix(_OURS).replace(_UNDERSCORE, "_").replace(_DASH, "-")
