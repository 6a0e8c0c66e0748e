"""Access keys `id.secret`, known by a hash of the secret alone.

A secret has 256 random bits, so a plain SHA-256 of it cannot be searched; slow hashing is for
passwords that people choose.
"""

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Annotated, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from gait.errors import KeyNotFoundError, KeyStateError
from gallery.galleries import NAME
from serve.access.scopes import Caller, Scope
from serve.text import ONE_LINE

DAYS, OVERLAP_HOURS = 90, 24
"""Until a new key expires; while a rotated key's old secret is still taken."""
MAX_DAYS, MAX_OVERLAP_HOURS = 3650, 24 * 30
_NO_HASH = "0" * 64
"""Compared where a key has no second secret; no SHA-256 that anybody can find an input for."""

Hash = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
GalleryName = Annotated[str, Field(pattern=f"^{NAME.pattern}$")]


Days = Annotated[int, Field(ge=1, le=MAX_DAYS)]
OverlapHours = Annotated[int, Field(ge=0, le=MAX_OVERLAP_HOURS)]


class State(StrEnum):
    """Whether a key opens anything."""

    VALID = "valid"
    EXPIRED = "expired"
    REVOKED = "revoked"


class Grant(BaseModel):
    """What a key is for.

    Args:
        scopes: none for a key that may only read `/metrics`.
        galleries: the only galleries it is for; None for every gallery. A key that administers
            cannot be restricted: it can make keys for the others.
        note: for people.
        days: until it expires.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    scopes: tuple[Scope, ...]
    galleries: tuple[GalleryName, ...] | None = Field(default=None, min_length=1)
    note: Annotated[str, Field(max_length=200), ONE_LINE] = ""
    days: Days = DAYS

    @model_validator(mode="after")
    def _admin_is_everywhere(self) -> Self:
        if Scope.ADMIN in self.scopes and self.galleries is not None:
            raise ValueError("a key with the scope admin cannot be restricted to galleries")
        return self


class Renewal(BaseModel):
    """How a key gets a new secret.

    Args:
        overlap_hours: the old secret is taken for so long.
        days: until the key expires.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    overlap_hours: OverlapHours = OVERLAP_HOURS
    days: Days = DAYS


class Retired(BaseModel):
    """The secret before a rotation, still taken for a while."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sha256: Hash
    until: AwareDatetime


class Key(BaseModel):
    """What the key file says about a key."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: Annotated[str, Field(pattern=r"^[0-9a-f]{8}$")]
    sha256: Hash
    scopes: tuple[Scope, ...]
    galleries: tuple[GalleryName, ...] | None
    note: str = ""
    created: AwareDatetime
    expires: AwareDatetime
    revoked: AwareDatetime | None = None
    retired: Retired | None = None

    def state(self, now: datetime) -> State:
        """Whether it opens anything at a time."""
        if self.revoked is not None:
            return State.REVOKED
        return State.VALID if now < self.expires else State.EXPIRED

    def caller(self) -> Caller:
        """Whoever sends it."""
        galleries = None if self.galleries is None else frozenset(self.galleries)
        return Caller(self.id, frozenset(self.scopes), galleries)


@dataclass(frozen=True)
class Issued:
    """A key with a new secret. The token is nowhere else."""

    key: Key
    token: str


class Keyring(BaseModel):
    """Every key there is or was: revoked and expired ones stay, so that records can be understood.

    Times are of the wall clock. While it is wrong, keys expire early or late; nothing is lost.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    keys: tuple[Key, ...] = ()

    @model_validator(mode="after")
    def _ids_differ(self) -> Self:
        if len({key.id for key in self.keys}) < len(self.keys):
            raise ValueError("an id is there twice")
        return self

    def admits(self, token: str, now: datetime) -> Caller | None:
        """Who sends `token`, or None. The same comparisons are made whatever it is."""
        key_id, _, secret = token.partition(".")
        got, admitted = _hash(secret), None
        for key in self.keys:
            same_id = hmac.compare_digest(key.id.encode(), key_id.encode())
            current = hmac.compare_digest(key.sha256, got)
            before = hmac.compare_digest(key.retired.sha256 if key.retired else _NO_HASH, got)
            before &= key.retired is not None and now < key.retired.until
            if same_id & (current | before) & (key.state(now) is State.VALID):
                admitted = key
        return None if admitted is None else admitted.caller()

    def find(self, key_id: str) -> Key:
        """The key with this id.

        Raises:
            KeyNotFoundError: there is none.
        """
        for key in self.keys:
            if key.id == key_id:
                return key
        raise KeyNotFoundError(f"there is no key with the id {key_id[:8]!r}")

    def new(self, grant: Grant, now: datetime) -> tuple["Keyring", Issued]:
        """A further key."""
        taken = {key.id for key in self.keys}
        while (key_id := secrets.token_hex(4)) in taken:
            pass
        secret = secrets.token_urlsafe(32)
        key = Key(
            id=key_id,
            sha256=_hash(secret),
            scopes=tuple(sorted(set(grant.scopes))),
            galleries=None if grant.galleries is None else tuple(sorted(set(grant.galleries))),
            note=grant.note,
            created=now,
            expires=now + timedelta(days=grant.days),
        )
        return self._with(key), Issued(key, f"{key_id}.{secret}")

    def rotate(
        self, key_id: str, now: datetime, *, overlap: timedelta, lasts: timedelta
    ) -> tuple["Keyring", Issued]:
        """A new secret of the same key, which then expires after `lasts`.

        Args:
            key_id: of a valid key.
            now: the time.
            overlap: the old secret is taken for so long, but never longer than it would have been.
                The one before that ends at once.
            lasts: the new secret is taken for so long.

        Raises:
            KeyNotFoundError: there is no such key.
            KeyStateError: it has been revoked, or has expired.
        """
        key = self.find(key_id)
        if (state := key.state(now)) is not State.VALID:
            raise KeyStateError(f"key {key.id} is {state}: make a new one")
        secret = secrets.token_urlsafe(32)
        retired = Retired(sha256=key.sha256, until=min(now + overlap, key.expires))
        changed = {"sha256": _hash(secret), "expires": now + lasts, "retired": retired}
        rotated = key.model_copy(update=changed)
        return self._with(rotated), Issued(rotated, f"{key_id}.{secret}")

    def revoke(self, key_id: str, now: datetime) -> tuple["Keyring", Key]:
        """Ends a key, for good; a key that has been revoked stays as it is.

        Raises:
            KeyNotFoundError: there is no such key.
        """
        key = self.find(key_id)
        revoked = key.model_copy(update={"revoked": key.revoked or now, "retired": None})
        return self._with(revoked), revoked

    def _with(self, key: Key) -> "Keyring":
        if all(each.id != key.id for each in self.keys):
            return Keyring(keys=(*self.keys, key))
        return Keyring(keys=tuple(key if each.id == key.id else each for each in self.keys))


def utc_now() -> datetime:
    """The wall clock."""
    return datetime.now(UTC)


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
