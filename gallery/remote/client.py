"""A client of the service.

client = Client("https://gait.example", key=key)
found = client.identify(Path("clip.npz").read_bytes(), purpose="entrance 3")
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, TypeVar
from urllib.parse import quote, urlencode

from pydantic import TypeAdapter, ValidationError

from gait.errors import ConfigError, RemoteUnreachableError
from gait.modality import Modality
from gait.range_view import Forward
from gallery.remote.multipart import Field, form
from gallery.remote.replies import Enrolled, EnrolledTemplate, Erased, Found, Person, Verified
from gallery.remote.requests import Address, Remote

T = TypeVar("T")


class Client:
    """Asks a service. Threads may share one; every request has a connection of its own.

    Reading, identifying and verifying are tried again, three times in all, when the service is
    busy (429, 503). Enrolling and removing are not: whether they were done is for the caller to
    look up.

    Every method raises `RemoteError` with the service's `problem`, `status` and `request_id`, and
    `RemoteUnreachableError` if no service answers.

    Args:
        url: `http://host:port` or `https://host`; no proxy of the environment is used.
        key: access key, if the service asks for one.
        timeout: seconds for the connection, and for each wait for data.
        insecure_key: sends the key over plain http to another machine, where others can read it.

    Raises:
        ConfigError: the address, the key or the timeout cannot be used, or the key would be sent
            unencrypted to another machine.
    """

    def __init__(
        self, url: str, key: str | None = None, timeout: float = 60.0, *, insecure_key: bool = False
    ) -> None:
        address = Address.parse(url)
        if key is not None and not (key.isascii() and key.isprintable() and key.split() == [key]):
            raise ConfigError("the access key is empty, or holds spaces or other characters")
        if not timeout > 0:
            raise ConfigError(f"got a timeout of {timeout} s, need more than 0")
        if key and not (address.secure or address.on_loopback or insecure_key):
            raise ConfigError(
                "refusing to send the key over plain http to another machine: use https"
            )
        self._remote = Remote(address, key, timeout)

    def identify(
        self,
        clip: bytes,
        purpose: str,
        *,
        gallery: str | None = None,
        top_k: int = 5,
        modality: Modality | None = None,
        gallery_modality: Modality | None = None,
        subjects: Sequence[str] = (),
        forward: Forward = Forward.PLUS_X,
    ) -> Found:
        """The people most like the one in a clip file; `gallery` None is the service's default."""
        fields = [
            *_given(purpose=purpose, gallery=gallery, top_k=str(top_k), modality=modality),
            *_given(gallery_modality=gallery_modality, forward=forward),
            *(("subjects", each) for each in subjects),
            ("clip", clip),
        ]
        return _as(Found, self._remote.ask("POST", "/v1/identify", form(fields), repeat=True))

    def verify(
        self,
        clip: bytes,
        purpose: str,
        *,
        subject: str | None = None,
        other: bytes | None = None,
        gallery: str | None = None,
        modality: Modality | None = None,
        gallery_modality: Modality | None = None,
    ) -> Verified:
        """Compares a clip file with an enrolled `subject` or with an `other` clip file."""
        fields = [
            *_given(purpose=purpose, subject=subject, gallery=gallery, modality=modality),
            *_given(gallery_modality=gallery_modality, clip=clip, other=other),
        ]
        return _as(Verified, self._remote.ask("POST", "/v1/verify", form(fields), repeat=True))

    def enrol(
        self,
        gallery: str,
        subject: str,
        clips: Sequence[bytes],
        *,
        authorisation: str,
        expires: datetime,
        modality: Modality | None = None,
        forward: Forward = Forward.PLUS_X,
    ) -> Enrolled:
        """Enrols clip files of one person; `expires` has a time zone."""
        if expires.tzinfo is None:
            raise ConfigError("the expiry has no time zone")
        fields = [
            *_given(authorisation=authorisation, expires=expires.isoformat()),
            *_given(modality=modality, forward=forward),
            *(("clips", each) for each in clips),
        ]
        path = f"{_subject(gallery, subject)}/templates"
        return _as(Enrolled, self._remote.ask("POST", path, form(fields), repeat=False))

    def galleries(self) -> Iterator[str]:
        """Names of the galleries, in order."""
        return self._pages("/v1/galleries", "galleries", str)

    def subjects(self, gallery: str) -> Iterator[Person]:
        """The people enrolled in a gallery, in order of name, fetched as they are asked for."""
        return self._pages(f"{_gallery(gallery)}/subjects", "subjects", Person)

    def templates(self, gallery: str, subject: str) -> Iterator[EnrolledTemplate]:
        """A person's templates, the oldest first."""
        return self._pages(f"{_subject(gallery, subject)}/templates", "templates", EnrolledTemplate)

    def remove(self, gallery: str, subject: str, template: int | None = None) -> Erased:
        """Erases a person, or one template, and returns the receipt."""
        path = _subject(gallery, subject)
        path += "" if template is None else f"/templates/{template}"
        reply = self._remote.ask("DELETE", path, repeat=False)
        return _as(Erased, _member(reply, "receipt"))

    def _pages(self, path: str, member: str, kind: type[T]) -> Iterator[T]:
        cursor: str | None = ""
        while cursor is not None:
            query = urlencode({"limit": 1000} | ({"cursor": cursor} if cursor else {}))
            page = self._remote.ask("GET", f"{path}?{query}", repeat=True)
            for each in _member(page, member):
                yield _as(kind, each)
            cursor = _member(page, "next_cursor")


def _gallery(gallery: str) -> str:
    return f"/v1/galleries/{quote(gallery, safe='')}"


def _subject(gallery: str, subject: str) -> str:
    return f"{_gallery(gallery)}/subjects/{quote(subject, safe='')}"


def _given(**fields: str | bytes | None) -> list[Field]:
    return [(name, value) for name, value in fields.items() if value is not None]


def _member(reply: Any, name: str) -> Any:
    if not isinstance(reply, dict) or name not in reply:
        raise RemoteUnreachableError(
            f"got a reply without `{name}`: is this the service's address?"
        )
    return reply[name]


def _as(kind: type[T], reply: Any) -> T:
    try:
        return TypeAdapter(kind).validate_python(reply)
    except ValidationError as error:
        fields = ", ".join(".".join(map(str, each["loc"])) for each in error.errors())
        raise RemoteUnreachableError(f"got a reply that is not understood: {fields}") from error
