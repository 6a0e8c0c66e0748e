"""Collections of codes in a Milvus server. The only module that imports pymilvus."""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from gait.errors import ConfigError, StorageError, StorageUnavailableError
from gait.modality import Modality
from gallery.index.interface import Codes
from gallery.index.milvus_address import MilvusAddress, milvus_credentials
from gallery.index.ranking import Near, Probe

if TYPE_CHECKING:
    from pymilvus import MilvusClient

LARGEST_ANSWER: Final = 16384
"""Rows that Milvus returns from one search at most."""

_SECONDS = 30.0
"""Any one request may take so long, and so may a reply from a server that is away."""
_MESSAGE = 4 << 20
"""Bytes of codes in one request."""
_NO_TEMPLATE = -1
_NOT_FOUND, _NOT_LOADED = 100, 101


def is_unusable(error: StorageError) -> bool:
    """Whether an error says that the collection is gone, or not ready to be searched."""
    return error.fields.get("milvus_code") in (_NOT_FOUND, _NOT_LOADED)


class MilvusServer:
    """A connection, made when first needed. Methods may be called from several threads.

    Every method raises StorageError if the server cannot be reached or refuses.
    """

    def __init__(self, address: MilvusAddress) -> None:
        """Does not connect yet.

        Raises:
            ConfigError: pymilvus is not installed, or the credentials are half given.
        """
        try:
            import pymilvus  # noqa: F401
        except ModuleNotFoundError as error:
            raise ConfigError(
                "an index in Milvus needs pymilvus: install the extra `milvus` "
                "(pip install 'diffcrossgait[milvus]')"
            ) from error
        logging.getLogger("pymilvus").setLevel(logging.CRITICAL)  # it logs every error twice
        self._address = address
        self._credentials = milvus_credentials()
        self._connecting = threading.Lock()
        self._connected: MilvusClient | None = None

    def close(self) -> None:
        """Disconnects."""
        with self._connecting:
            if self._connected is not None:
                self._connected.close()
                self._connected = None

    def collections(self) -> list[str]:
        """Names of all collections."""
        with self._client() as client:
            return list(client.list_collections(timeout=_SECONDS))

    def fits(self, name: str, code_bytes: int) -> bool:
        """Whether a collection is as `make` would make it."""
        with self._client() as client:
            fields = client.describe_collection(name, timeout=_SECONDS)["fields"]
        found = {field["name"]: field["params"].get("dim") for field in fields}
        return found == {"id": None, "modality": None, "code": 8 * code_bytes}

    def make(self, name: str, code_bytes: int) -> None:
        """Makes a collection ready to be searched, from whatever part of this is not done yet."""
        from pymilvus import DataType

        with self._client() as client:
            schema = client.create_schema(auto_id=False)
            schema.add_field("id", DataType.INT64, is_primary=True)
            schema.add_field("modality", DataType.INT8)
            schema.add_field("code", DataType.BINARY_VECTOR, dim=8 * code_bytes)
            # Two may do so at once, but not one again later: Milvus 2.3 refuses after a restart.
            if not client.has_collection(name, timeout=_SECONDS):
                client.create_collection(name, schema=schema, timeout=_SECONDS)
            if not client.list_indexes(name):
                index = client.prepare_index_params()
                params = {"nlist": self._address.nlist} if "IVF" in self._address.index else {}
                index.add_index(
                    "code", index_type=self._address.index, metric_type="HAMMING", params=params
                )
                client.create_index(name, index, timeout=_SECONDS)
            client.load_collection(name, timeout=4 * _SECONDS)

    def drop(self, name: str) -> None:
        """Deletes a collection; nothing happens if there is none."""
        with self._client() as client:
            client.drop_collection(name, timeout=_SECONDS)

    def write(self, name: str, templates: Codes) -> None:
        """Adds templates, or the same ones again."""
        rows = [
            {"id": number, "modality": modality, "code": code.tobytes()}
            for number, modality, code in zip(
                templates.templates.tolist(),
                templates.modalities.tolist(),
                templates.codes,
                strict=True,
            )
        ]
        step = max(1, _MESSAGE // max(1, templates.codes.shape[1]))
        with self._client() as client:
            for first in range(0, len(rows), step):
                client.upsert(name, rows[first : first + step], timeout=_SECONDS)

    def delete(self, name: str, templates: list[int]) -> None:
        """Deletes templates, of which some may not be there."""
        with self._client() as client:
            client.delete(name, ids=templates, timeout=_SECONDS)

    def held(self, name: str, templates: list[int]) -> list[int]:
        """Those of some templates that are there."""
        with self._client() as client:
            rows = client.query(
                name, ids=templates, output_fields=["id"], consistency_level="Strong",
                timeout=_SECONDS,
            )  # fmt: skip
            return [row["id"] for row in rows]

    def settle(self, name: str) -> tuple[int, int]:
        """Waits until all that was written before, by whomever, can be searched.

        Returns:
            The time of the server by which that was; a search told of it misses none of that,
            and does not wait. And how many templates there are.
        """
        from pymilvus.client.ts_utils import get_collection_ts

        with self._client() as client:
            # Every write returns the time of the server, so one that does nothing asks for it.
            client.delete(name, ids=[_NO_TEMPLATE], timeout=_SECONDS)
            address = self._address
            time = get_collection_ts(name, address.endpoint, address.database)
            counted = client.query(
                name, filter="", output_fields=["count(*)"], consistency_level="Strong",
                timeout=_SECONDS,
            )  # fmt: skip
        return int(time), int(counted[0]["count(*)"])

    def search(
        self, name: str, probe: Probe, count: int, modality: Modality | None, time: int
    ) -> Near:
        """The templates nearest to a probe's code, as of a time or later.

        Args:
            name: of the collection.
            probe: what is looked for.
            count: templates wanted, at most LARGEST_ANSWER.
            modality: of the templates; None for both.
            time: as `settle` returned it.
        """
        condition = "" if modality is None else f"modality == {list(Modality).index(modality)}"
        with self._client() as client:
            (hits,) = client.search(
                name,
                [probe.code.tobytes()],
                limit=count,
                filter=condition,
                output_fields=["code"],
                search_params={
                    "metric_type": "HAMMING",
                    "params": {"nprobe": self._address.nprobe},
                },
                consistency_level="Customized",
                guarantee_timestamp=time,
                timeout=_SECONDS,
            )
        numbers = np.array([hit["id"] for hit in hits], dtype=np.int64)
        codes = b"".join(hit["entity"]["code"] for hit in hits)
        matrix = np.frombuffer(codes, np.uint8).reshape(len(hits), len(probe.code))
        return Near.of(probe, numbers, matrix)

    @contextmanager
    def _client(self) -> Iterator["MilvusClient"]:
        """The connection, with pymilvus's errors as this project's."""
        import grpc
        from pymilvus.exceptions import MilvusException

        uri = self._address.uri
        try:
            yield self._connect()
        except MilvusException as error:
            code: Any = error.code
            raise StorageUnavailableError(
                f"Milvus at {uri} is away, refuses or failed (code {code}): {error.message}; "
                "check that it runs, its certificate and the credentials, then try again",
                milvus_code=int(code),
            ) from error
        except grpc.RpcError as error:
            raise StorageUnavailableError(
                f"Milvus at {uri} cannot be reached: try again"
            ) from error

    def _connect(self) -> "MilvusClient":
        from pymilvus import MilvusClient

        with self._connecting:
            if self._connected is None:
                database = self._address.database
                self._connected = MilvusClient(
                    self._address.uri, db_name=database, timeout=_SECONDS, **self._credentials
                )
            return self._connected
