"""Where a gallery in Milvus is, as a URL.

milvus://HOST:PORT/COLLECTION      a server
milvuss://HOST:PORT/COLLECTION     the same over TLS
milvus+lite:/PATH/FILE.db/COLLECTION   Milvus Lite, in this process; one process at a time

After `?`: `database=NAME`, and for a new gallery `index=flat|hnsw|ivf_flat` with `M`,
`efConstruction` and `nlist`; when searching, `ef` and `nprobe`.
"""

import os
import re
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import SplitResult, parse_qsl, urlsplit

from gait.errors import ConfigError

LITE: Final = "milvus+lite"
SCHEMES: Final = ("milvus", "milvuss", LITE)
USER, PASSWORD = "DIFFCROSSGAIT_MILVUS_USER", "DIFFCROSSGAIT_MILVUS_PASSWORD"
TOKEN, CA = "DIFFCROSSGAIT_MILVUS_TOKEN", "DIFFCROSSGAIT_MILVUS_CA"

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,199}")
_INDEXES = {"flat": (), "hnsw": ("M", "efConstruction"), "ivf_flat": ("nlist",)}
_EFFORTS = {"flat": (), "hnsw": ("ef",), "ivf_flat": ("nprobe",)}
_DEFAULTS = {"M": 32, "efConstruction": 200, "nlist": 1024, "ef": 128, "nprobe": 32}
_MOST = 32768


@dataclass(frozen=True)
class Address:
    """A parsed URL. The user and the password come from the environment, never from the URL.

    Attributes:
        location: the URL as given.
        uri: what pymilvus connects to; of Milvus Lite the file.
        collection: name of the collection of templates.
        database: of the server; "" for its default.
        index: type of the index of a new gallery; None if the URL has none.
        numbers: parameters of the index, of building and of searching.
    """

    location: str
    uri: str
    collection: str
    database: str = ""
    index: str | None = None
    numbers: dict[str, int] = field(default_factory=dict)

    @classmethod
    def parse(cls, location: str) -> "Address":
        """Reads a URL.

        Raises:
            ConfigError: it is not one of a gallery in Milvus.
        """
        parts = urlsplit(location)
        if parts.scheme not in SCHEMES:
            raise ConfigError(f"got the scheme {parts.scheme!r}, need one of {', '.join(SCHEMES)}")
        if parts.username or parts.password:
            raise ConfigError(
                f"a URL is logged and shown: give the user in {USER} and {PASSWORD}, not in it"
            )
        uri, collection = _lite(parts) if parts.scheme == LITE else _server(parts)
        if not _NAME.fullmatch(collection):
            raise ConfigError(
                f"got the collection {collection!r}, need a letter or '_' and then letters, "
                "digits and '_', at most 200"
            )
        return cls(location, uri, collection, *_options(parts.query))

    @property
    def lite(self) -> bool:
        """Whether Milvus Lite is meant."""
        return self.location.startswith(LITE)

    def building(self) -> tuple[str, dict[str, int]]:
        """Type and parameters of the index of a new gallery."""
        index = self.index or "flat"
        return index.upper(), {n: self._number(n) for n in _INDEXES[index]}

    def searching(self, index: str, top_k: int) -> dict[str, int]:
        """Parameters of a search in an index of this type."""
        numbers = {name: self._number(name) for name in _EFFORTS.get(index.lower(), ())}
        return {n: max(number, top_k) if n == "ef" else number for n, number in numbers.items()}

    def _number(self, name: str) -> int:
        return self.numbers.get(name, _DEFAULTS[name])


def credentials() -> dict[str, str]:
    """Arguments of `MilvusClient` for who one is, from the environment.

    Raises:
        ConfigError: a user without a password, or the other way round.
    """
    token, user, password = (os.environ.get(name, "") for name in (TOKEN, USER, PASSWORD))
    if bool(user) != bool(password):
        raise ConfigError(f"set both {USER} and {PASSWORD}, or neither")
    found = {"token": token, "user": user, "password": password}
    return {name: value for name, value in found.items() if value}


def _server(parts: SplitResult) -> tuple[str, str]:
    try:
        host, port = parts.hostname, parts.port or 19530
    except ValueError as error:
        raise ConfigError(f"got the address {parts.netloc!r}: {error}") from error
    if not host:
        raise ConfigError("the URL has no host: write milvus://HOST:PORT/COLLECTION")
    shown = f"[{host}]" if ":" in host else host
    scheme = "https" if parts.scheme == "milvuss" else "http"
    return f"{scheme}://{shown}:{port}", parts.path.strip("/")


def _lite(parts: SplitResult) -> tuple[str, str]:
    path, _, collection = parts.path.rpartition("/")
    if parts.netloc or not path.endswith(".db"):
        raise ConfigError("Milvus Lite needs milvus+lite:/PATH/FILE.db/COLLECTION")
    return path, collection


def _options(query: str) -> tuple[str, str | None, dict[str, int]]:
    options = dict(parse_qsl(query, keep_blank_values=True))
    database, index = options.pop("database", ""), options.pop("index", None)
    if index is not None and index not in _INDEXES:
        raise ConfigError(f"got the index {index!r}, need one of {', '.join(_INDEXES)}")
    numbers: dict[str, int] = {}
    for name, text in options.items():
        if name not in _DEFAULTS:
            raise ConfigError(f"got {name!r} in the URL, need one of {', '.join(_DEFAULTS)}")
        if not (text.isascii() and text.isdigit() and 0 < int(text[:9]) <= _MOST):
            raise ConfigError(f"got {name}={text!r} in the URL, need a number 1..{_MOST}")
        numbers[name] = int(text)
    return database, index, numbers
