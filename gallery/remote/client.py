"""A client of the service.

client = Client("https://gait.example", key=key)
found = client.identify(Path("clip.npz").read_bytes(), purpose="entrance 3")
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import IO, Any, TypeVar
from urllib.parse import quote, urlencode

from pydantic import TypeAdapter, ValidationError

from gait.errors import ConfigError, RemoteUnreachableError
from gait.lidar import Axis
from gait.modality import Modality
from gallery.remote.replies import (
    Enrolled,
    EnrolledTemplate,
    Erased,
    Found,
    Loaded,
    Person,
    Verified,
)
from gallery.remote.requests import Fields, Files, Remote
from gallery.template import check_name

T = TypeVar("T")


class Client:
    """Asks a service. Threads may share one; every request has a connection of its own.

    Reading, identifying and verifying are tried again, three times in all, when the service is
    busy (429, 503). Enrolling, removing, exporting and loading are not: whether they were done is
    for the caller to look up.

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
        self._remote = Remote(url, key, timeout, insecure_key=insecure_key)

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
        sensor: str | None = None,
        forward: Axis | None = None,
        up: Axis | None = None,
        all_candidates: bool = False,
    ) -> Found:
        """Whether the person in a clip file is enrolled; `gallery` None is the service's default.

        `all_candidates` also lists people too unlike the clip to be a possible match.
        """
        fields = _given(
            purpose=purpose,
            gallery=gallery,
            top_k=str(top_k),
            modality=modality,
            gallery_modality=gallery_modality,
            sensor=sensor,
            forward=forward,
            up=up,
            subjects=subjects,
            all_candidates=str(all_candidates).lower(),
        )
        return _as(Found, self._post("/v1/identify", fields, [("clip", clip)], repeat=True))

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
        fields = _given(
            purpose=purpose,
            subject=subject,
            gallery=gallery,
            modality=modality,
            gallery_modality=gallery_modality,
        )
        clips = [("clip", clip)] if other is None else [("clip", clip), ("other", other)]
        return _as(Verified, self._post("/v1/verify", fields, clips, repeat=True))

    def enrol(
        self,
        gallery: str,
        subject: str,
        clips: Sequence[bytes],
        *,
        authorisation: str,
        expires: datetime,
        modality: Modality | None = None,
        sensor: str | None = None,
        forward: Axis | None = None,
        up: Axis | None = None,
        new_person: bool = False,
    ) -> Enrolled:
        """Enrols clip files of one person; `expires` has a time zone.

        With `new_person` the clips are not refused, whomever they match.
        """
        if expires.tzinfo is None:
            raise ConfigError("the expiry has no time zone")
        fields = _given(
            authorisation=authorisation,
            expires=expires.isoformat(),
            modality=modality,
            sensor=sensor,
            forward=forward,
            up=up,
            new_person="true" if new_person else None,
        )
        path = f"{_subject(gallery, subject)}/templates"
        return _as(Enrolled, self._post(path, fields, [("clips", clip) for clip in clips]))

    def tell_live(self, passing: Mapping[str, Any]) -> None:
        """Tells the service's live page of somebody who passed; see `POST /v1/live`. Told again,
        nothing changes."""
        self._remote.request("POST", "/v1/live", json=dict(passing), repeat=True)

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
        reply = self._remote.request("DELETE", path)
        return _as(Erased, _member(reply, "receipt"))

    def export(self, gallery: str, to: bytes, out: IO[bytes]) -> None:
        """Writes an export of a gallery; `to` is the `.pub` file of the receiver."""
        self._remote.download(f"{_gallery(gallery)}:export", out, files=[("to", to)])

    def load(self, gallery: str, file: IO[bytes], sender: bytes) -> Loaded:
        """Enrols what an export holds; `sender` is the `.pub` file of who must have signed it."""
        files: Files = [("file", file), ("sender", sender)]
        return _as(Loaded, self._post(f"{_gallery(gallery)}:import", {}, files))

    def _post(self, path: str, fields: Fields, files: Files, *, repeat: bool = False) -> Any:
        return self._remote.request("POST", path, fields=fields, files=files, repeat=repeat)

    def _pages(self, path: str, member: str, kind: type[T]) -> Iterator[T]:
        cursor: str | None = ""
        while cursor is not None:
            query = urlencode({"limit": 1000} | ({"cursor": cursor} if cursor else {}))
            page = self._remote.request("GET", f"{path}?{query}", repeat=True)
            for each in _member(page, member):
                yield _as(kind, each)
            cursor = _member(page, "next_cursor")


def _gallery(gallery: str) -> str:
    return f"/v1/galleries/{quote(gallery, safe='')}"


def _subject(gallery: str, subject: str) -> str:
    """The path of a person; of a name that would be shortened on the way there is none.

    Raises:
        GalleryError: the name is such a name.
    """
    check_name(subject)
    return f"{_gallery(gallery)}/subjects/{quote(subject, safe='')}"


def _given(**fields: str | Sequence[str] | None) -> Fields:
    return {name: value for name, value in fields.items() if value is not None}


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
