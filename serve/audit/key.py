"""The key that authenticates audit records: random, and kept wrapped by the master key.

Another master key wraps it anew, and every record still verifies. Whether records were begun is
bound to the wrapped key, so that records which are gone altogether are missed.
"""

import base64
import hashlib
import hmac
import json
import secrets
from pathlib import Path

from gait.errors import AuditBrokenError, MasterKeyError, StorageError
from gallery.record.master_key import MasterKey
from gallery.record.scratch import write_whole

FILE = "audit.key"


class AuditKey:
    """The key of the records in one data folder: 32 random bytes."""

    def __init__(self, secret: bytes | None = None) -> None:
        self.secret = secret or secrets.token_bytes(32)
        self._records = hmac.digest(self.secret, b"records", "sha256")
        self._probes = hmac.digest(self.secret, b"probes", "sha256")

    def hash(self, text: str) -> str:
        """HMAC-SHA256 of a text, in hex."""
        return hmac.digest(self._records, text.encode(), "sha256").hex()

    def authentic(self, text: object, hashed: object) -> bool:
        """Whether the hash is the one of the text."""
        return isinstance(text, str) and hmac.compare_digest(
            self.hash(text).encode(), str(hashed).encode()
        )

    def probe(self, clip: bytes) -> str:
        """A keyed hash of a clip file: equal for equal files, and no one without the key can look
        up whether a file that they have was a probe."""
        return hmac.digest(self._probes, hashlib.sha256(clip).digest(), "sha256").hex()

    def save(self, folder: Path, master: MasterKey, *, begun: bool) -> None:
        """Writes the wrapped key, whole or not at all, for its owner alone.

        Raises:
            StorageError: the folder cannot be written.
        """
        wrapped = base64.b64encode(master.wrap(self.secret, _bound(begun))).decode()
        text = json.dumps({"begun": begun, "master_key": master.id, "wrapped": wrapped})
        try:
            write_whole(folder / FILE, f"{text}\n".encode())
        except OSError as error:
            raise StorageError(f"cannot write {folder / FILE} ({error.strerror})") from error


def load_key(folder: Path, master: MasterKey) -> tuple[AuditKey, bool]:
    """The key in a data folder, and whether records were begun with it; a new one if there is none.

    Raises:
        AuditBrokenError: it was altered, or wrapped by another master key.
    """
    path = folder / FILE
    try:
        kept = json.loads(path.read_bytes())
        begun = bool(kept["begun"])
        return AuditKey(master.unwrap(base64.b64decode(kept["wrapped"]), _bound(begun))), begun
    except FileNotFoundError:
        return AuditKey(), False
    except (OSError, ValueError, LookupError, TypeError, MasterKeyError) as error:
        raise AuditBrokenError(
            f"{path} is damaged, or not wrapped by the configured master key {master.id}; "
            "`python -m serve.audit rewrap` wraps it by another one"
        ) from error


def rewrap(folder: Path, old: MasterKey, new: MasterKey) -> None:
    """Wraps the key by another master key. Done already: nothing is changed.

    Raises:
        AuditBrokenError: neither opens it.
    """
    try:
        key, begun = load_key(folder, old)
    except AuditBrokenError:
        key, begun = load_key(folder, new)
    if not begun:
        raise AuditBrokenError(f"there are no audit records in {folder}")
    key.save(folder, new, begun=begun)


def _bound(begun: bool) -> bytes:
    return b"audit key, records begun" if begun else b"audit key, no records yet"
