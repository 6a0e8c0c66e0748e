"""A connection to Milvus, with this project's errors. The only module that imports pymilvus."""

import logging
import os
import threading
from collections import Counter
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gait.errors import ConfigError, GalleryLockedError, StorageError
from gallery.milvus.address import CA, Address, credentials

if TYPE_CHECKING:
    from pymilvus import MilvusClient

Row = dict[str, Any]
TIMEOUT = 30.0
"""Seconds any one request may take."""
PAGE = 1000
"""Rows of one reply, unless they hold embeddings."""

_lite_users: Counter[str] = Counter()
_lite_lock = threading.Lock()


class Server:
    """An open connection. Methods may be called from several threads.

    Every read sees every write that was acknowledged before it (strong consistency).
    """

    def __init__(self, address: Address) -> None:
        """Connects.

        Raises:
            ConfigError: pymilvus is not installed, or the credentials are half given.
            GalleryLockedError: another process has the file of Milvus Lite.
            StorageError: the server cannot be reached, or refuses.
        """
        self.address = address
        self.client = _connect(address)

    def close(self) -> None:
        """Disconnects; the last one to leave a file of Milvus Lite stops it."""
        self.client.close()
        if self.address.lite:
            _leave(str(Path(self.address.uri).resolve()))

    def query(self, collection: str, condition: str, fields: Sequence[str]) -> list[Row]:
        """The rows that fit a condition known to fit few."""
        with translated(self.address):
            return list(
                self.client.query(
                    collection,
                    filter=condition,
                    output_fields=list(fields),
                    consistency_level="Strong",
                    timeout=TIMEOUT,
                )
            )

    def scan(
        self, collection: str, condition: str, fields: Sequence[str], page: int = PAGE
    ) -> Generator[list[Row], None, None]:
        """The rows that fit a condition, in order of their key, at most `page` at a time."""
        with translated(self.address):
            rows = self.client.query_iterator(
                collection,
                batch_size=page,
                filter=condition,
                output_fields=list(fields),
                consistency_level="Strong",
                timeout=TIMEOUT,
            )
        try:
            while True:
                with translated(self.address):
                    some = rows.next()
                if not some:
                    return
                yield list(some)
        finally:
            rows.close()

    def count(self, collection: str, condition: str) -> int:
        """How many rows fit a condition."""
        return int(self.query(collection, condition, ["count(*)"])[0]["count(*)"])

    def insert(self, collection: str, rows: Sequence[Row]) -> None:
        """Adds rows whose keys are new."""
        with translated(self.address):
            self.client.insert(collection, list(rows), timeout=TIMEOUT)

    def upsert(self, collection: str, rows: Sequence[Row]) -> None:
        """Adds rows, in place of those with the same keys."""
        with translated(self.address):
            self.client.upsert(collection, list(rows), timeout=TIMEOUT)

    def delete(self, collection: str, condition: str) -> None:
        """Takes the rows that fit a condition out of search."""
        with translated(self.address):
            self.client.delete(collection, filter=condition, timeout=TIMEOUT)


@contextmanager
def translated(address: Address) -> Iterator[None]:
    """Turns pymilvus's errors into this project's."""
    import grpc
    from pymilvus.exceptions import MilvusException

    try:
        yield
    except MilvusException as error:
        raise StorageError(
            f"Milvus at {address.uri} refused or failed (code {error.code}): {error.message}"
        ) from error
    except grpc.RpcError as error:
        raise StorageError(f"Milvus at {address.uri} cannot be reached: try again") from error


def _connect(address: Address) -> "MilvusClient":
    try:
        from pymilvus import MilvusClient
        from pymilvus.exceptions import ConnectionConfigException
    except ModuleNotFoundError as error:
        raise ConfigError(
            "a gallery in Milvus needs pymilvus: install the extra `milvus` "
            "(pip install 'diffcrossgait[milvus]')"
        ) from error
    for noisy in ("pymilvus", "milvus_lite"):  # they log conditions, with tracebacks
        logging.getLogger(noisy).setLevel(logging.CRITICAL)
    options: dict[str, Any] = dict(credentials())
    if address.database:
        options["db_name"] = address.database
    if os.environ.get(CA):
        options["server_pem_path"] = os.environ[CA]
    with translated(address):
        if not address.lite:
            return MilvusClient(address.uri, timeout=TIMEOUT, **options)
        try:
            return _enter(address)
        except ConnectionConfigException as error:
            raise _no_lite(address) from error


def _enter(address: Address) -> "MilvusClient":
    from pymilvus import MilvusClient

    path = Path(address.uri).resolve()
    with _lite_lock:
        path.parent.mkdir(parents=True, exist_ok=True)
        client = MilvusClient(str(path), timeout=TIMEOUT)
        _lite_users[str(path)] += 1
    return client


def _leave(path: str) -> None:
    from milvus_lite.server_manager import server_manager_instance

    with _lite_lock:
        _lite_users[path] -= 1
        if not _lite_users[path]:
            server_manager_instance.release_server(path)


def _no_lite(address: Address) -> ConfigError | GalleryLockedError:
    try:
        import milvus_lite  # noqa: F401
    except ModuleNotFoundError:
        return ConfigError(
            "milvus+lite: needs Milvus Lite: pip install 'pymilvus[milvus-lite]', or use a server"
        )
    return GalleryLockedError(
        f"Milvus Lite cannot open {address.uri}: another process has it, or it is damaged"
    )
