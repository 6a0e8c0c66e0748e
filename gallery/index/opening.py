"""Which index a gallery uses: in this process's memory, or in Milvus."""

from gait.errors import ConfigError
from gallery.index.interface import CodeSource, Index
from gallery.index.memory import MemoryIndex
from gallery.index.milvus import MilvusIndex
from gallery.index.milvus_address import SCHEMES

MEMORY = "memory"


def open_index(address: str | None, source: CodeSource, gallery: str) -> Index:
    """The index at an address, for one gallery.

    Args:
        address: `memory`, which None means too, or `milvus://HOST:PORT`.
        source: the gallery's record.
        gallery: its id.

    Raises:
        ConfigError: not an address, or pymilvus is not installed.
    """
    if address is None or address == MEMORY:
        return MemoryIndex(source)
    if address.split(":", 1)[0] in SCHEMES:
        return MilvusIndex(source, address, gallery)
    raise ConfigError(f"got the index {address!r}, need `memory` or milvus://HOST:PORT")
