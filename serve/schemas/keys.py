"""Access keys: requests and replies. Those of a new key are `serve.access.keyring.Grant`."""

from datetime import datetime

from pydantic import Field

from serve.access.keyring import (
    DAYS,
    OVERLAP_HOURS,
    Days,
    Key,
    OverlapHours,
    State,
    utc_now,
)
from serve.access.scopes import Scope
from serve.schemas.fields import JsonBody, Reply, RequestId


class Rotation(JsonBody):
    """How a key gets a new secret."""

    overlap_hours: OverlapHours = Field(
        OVERLAP_HOURS, description="The old secret is taken for so long."
    )
    days: Days = Field(DAYS, description="Until the key expires.")


class KeyReport(Reply):
    """A key, without its secret."""

    id: str = Field(examples=["129e6d84"])
    state: State
    scopes: list[Scope]
    galleries: list[str] | None = Field(description="It is for these only; null for every gallery.")
    note: str
    created: datetime
    expires: datetime
    revoked: datetime | None
    old_secret_until: datetime | None = Field(description="After a rotation.")

    @classmethod
    def of(cls, key: Key) -> "KeyReport":
        """The report of a key as it is now."""
        return cls(
            id=key.id,
            state=key.state(utc_now()),
            scopes=list(key.scopes),
            galleries=None if key.galleries is None else list(key.galleries),
            note=key.note,
            created=key.created,
            expires=key.expires,
            revoked=key.revoked,
            old_secret_until=None if key.retired is None else key.retired.until,
        )


class KeyIssued(Reply):
    """A key with a new secret, which is never shown again."""

    request_id: RequestId
    key: KeyReport
    token: str = Field(
        description="Send it as `Authorization: Bearer`; shown this once.",
        examples=["129e6d84.4ckKIGyJxnpVj0EKhyvISmwqIQvxXOvCYgSAApVx-Vc"],
    )


class KeyReply(Reply):
    """A key."""

    request_id: RequestId
    key: KeyReport


class KeyList(Reply):
    """Every key there is or was, oldest first."""

    request_id: RequestId
    keys: list[KeyReport]
