"""Where the Milvus of an index is, as a URL, and who one is to it.

milvus://HOST[:PORT][/DATABASE]      a server; port 19530 if none is given
milvuss://HOST[:PORT][/DATABASE]     the same over TLS

After `?`: `index=flat` (the default: exact) or `index=ivf_flat` (approximate) with `nlist`, which
count when a collection is made, and `nprobe`, which counts in each search.
"""

import os
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qsl, urlsplit

from gait.errors import ConfigError

SCHEMES: Final = {"milvus": "http", "milvuss": "https"}
USER, PASSWORD = "DIFFCROSSGAIT_MILVUS_USER", "DIFFCROSSGAIT_MILVUS_PASSWORD"
TOKEN, CA = "DIFFCROSSGAIT_MILVUS_TOKEN", "DIFFCROSSGAIT_MILVUS_CA"

_NUMBERS: Final = {"nlist": 1024, "nprobe": 64}
_LARGEST = 65536


@dataclass(frozen=True)
class MilvusAddress:
    """A parsed URL.

    Attributes:
        scheme: `http` or `https`.
        endpoint: `HOST:PORT`.
        database: of the server.
        index: type of the index of a new collection, as Milvus calls it.
        nlist: groups that BIN_IVF_FLAT makes.
        nprobe: groups that it searches.
    """

    scheme: str
    endpoint: str
    database: str
    index: str
    nlist: int
    nprobe: int

    @property
    def uri(self) -> str:
        """What pymilvus connects to."""
        return f"{self.scheme}://{self.endpoint}"

    @classmethod
    def parse(cls, location: str) -> "MilvusAddress":
        """Reads a URL.

        Raises:
            ConfigError: it is not one of a Milvus server.
        """
        parts = urlsplit(location)
        if parts.scheme not in SCHEMES:
            raise ConfigError(f"got the scheme {parts.scheme!r}, need one of {', '.join(SCHEMES)}")
        if parts.username or parts.password:
            raise ConfigError(
                f"a URL is logged and shown: give the user in {USER} and {PASSWORD}, not in it"
            )
        try:
            host, port = parts.hostname, parts.port or 19530
        except ValueError as error:
            raise ConfigError(f"got the address {parts.netloc!r}: {error}") from error
        database = parts.path.strip("/")
        if not host or "/" in database:
            raise ConfigError(f"got {location!r}, need {parts.scheme}://HOST[:PORT][/DATABASE]")
        shown = f"[{host}]" if ":" in host else host
        options = dict(parse_qsl(parts.query, keep_blank_values=True))
        index = options.pop("index", "flat")
        if index not in ("flat", "ivf_flat"):
            raise ConfigError(f"got the index {index!r}, need flat or ivf_flat")
        scheme, endpoint = SCHEMES[parts.scheme], f"{shown}:{port}"
        kind = f"BIN_{index.upper()}"
        return cls(scheme, endpoint, database or "default", kind, **_numbers(options))


def milvus_credentials() -> dict[str, str]:
    """Arguments of `MilvusClient` that say who one is and whom one trusts, from the environment.

    Raises:
        ConfigError: a user without a password, or the other way round.
    """
    token, user, password, ca = (os.environ.get(n, "") for n in (TOKEN, USER, PASSWORD, CA))
    if bool(user) != bool(password):
        raise ConfigError(f"set both {USER} and {PASSWORD}, or neither")
    found = {"token": token, "user": user, "password": password, "server_pem_path": ca}
    return {name: value for name, value in found.items() if value}


def _numbers(options: dict[str, str]) -> dict[str, int]:
    for name, text in options.items():
        if name not in _NUMBERS:
            raise ConfigError(f"got {name!r} in the URL, need index, nlist or nprobe")
        if not (text.isascii() and text.isdigit() and 0 < int(text[:9]) <= _LARGEST):
            raise ConfigError(f"got {name}={text!r} in the URL, need a number 1..{_LARGEST}")
    return _NUMBERS | {name: int(text) for name, text in options.items()}
