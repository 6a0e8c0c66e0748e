"""What routes are given: the service, the caller, and the fields that several forms have."""

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from fastapi import Depends, Form, Path, Query, Request, UploadFile
from fastapi.exceptions import RequestValidationError
from pydantic import Field
from starlette.exceptions import HTTPException

from gait.decode.points.axes import CloudSource
from gait.errors import GalleryError
from gait.lidar import KNOWN, Axis
from gait.modality import Modality
from gallery.enrolment.expiry_date import expiry_date
from gallery.template import Authorisation
from serve.access.scopes import Caller, reach
from serve.audit.use import Use
from serve.middleware.problems import MEDIA_TYPE
from serve.schemas.fields import ExpiryGiven, GalleryGiven, ReferenceGiven, SubjectName
from serve.text import ONE_LINE
from serve.work.metrics import Stages
from serve.work.service import Reading, Service

_STATED = {
    400: "The request cannot be read.",
    401: "A key is needed.",
    403: "The key is not for this.",
    404: "No such gallery, subject or template.",
    409: "The gallery holds nothing to search, or is there already.",
    413: "The body, or what is in the clip, is too large.",
    415: "The clip is of no format read here.",
    422: "A field is wrong, or the file cannot be a clip.",
    429: "Too many requests are waiting.",
    501: "This service cannot look at videos.",
    503: "The service is stopping, or cannot reach the galleries or its audit records.",
    507: "The disk is full.",
}


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """OpenAPI's words for refusals; every route may answer 401, 403, 422, 429 and 503."""
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    every = sorted({401, 403, 422, 429, 503, *statuses})
    return {status: {"description": _STATED[status], "content": content} for status in every}


CLIP_PROBLEMS = problems(400, 404, 409, 413, 415)


@dataclass(frozen=True)
class Call:
    """One request, and what its route works with.

    Args:
        request: as it came.
        service: does the work.
        request_id: given on arrival.
        caller: who sent it.
        use: its audit record in the making.
        stages: times of its stages.
    """

    request: Request
    service: Service
    request_id: str
    caller: Caller
    use: Use
    stages: Stages


# FastAPI runs dependencies that are not `async` in a thread each, at 0.3 ms or more.
async def _call(request: Request) -> Call:
    state, service = request.state, request.app.state.service
    stages = Stages(service.metrics)
    return Call(request, service, state.request_id, state.caller, state.use, stages)


CurrentCall = Annotated[Call, Depends(_call)]

GalleryPath = Annotated[
    GalleryGiven, Path(description="Name of the gallery.", examples=["default"])
]
SubjectPath = Annotated[
    SubjectName, Path(description="The person's name or number.", examples=["0042"])
]
TemplatePath = Annotated[int, Path(description="Id of the template.", ge=1, le=2**63 - 1)]

CLIP_FILE = (
    ".npy/.npz frames, zip of PNG/JPEG/BMP/TIFF, mp4/mov/mkv/webm/avi/gif of silhouettes, or zip "
    "of .pcd/.ply/.las/.bin/.npy point clouds"
)
GivenModality = Annotated[
    Modality | None, Form(description="What the clip shows; found in the content if left out.")
]
SearchedModality = Annotated[
    Modality | None, Form(description="Compare with templates of this modality only.")
]
GivenSensor = Annotated[
    Literal[*KNOWN] | None,  # type: ignore[valid-type]
    Form(description="LiDAR of point clouds; estimated from the points if left out."),
]
GivenForward = Annotated[
    Axis | None,
    Form(description="Axis of point clouds that points at the walker; estimated if left out."),
]
GivenUp = Annotated[
    Axis | None,
    Form(description="Axis of point clouds that points up; the sensor's, or +z, if left out."),
]


async def _reading(
    modality: GivenModality = None,
    sensor: GivenSensor = None,
    forward: GivenForward = None,
    up: GivenUp = None,
) -> Reading:
    known = None if sensor is None else KNOWN[sensor]
    return Reading(modality, CloudSource(known, forward, up))


Since = Annotated[
    Annotated[str, Field(max_length=40), ONE_LINE] | None,
    Query(description="ISO 8601 time, UTC if it does not say; or a date."),
]

HowToRead = Annotated[Reading, Depends(_reading)]


async def _purpose(
    call: CurrentCall,
    purpose: Annotated[
        Annotated[str, Field(min_length=1, max_length=200), ONE_LINE],
        Form(
            description="Why: kept in the audit record. Some services allow certain purposes only.",
            examples=["missing person 2026-117"],
        ),
    ],
) -> str:
    allowed = call.service.settings.purposes
    if not purpose.strip():
        raise wrong_field("purpose", "needs more than spaces")
    if allowed and purpose not in allowed:
        raise wrong_field("purpose", f"needs to be one of: {', '.join(allowed)}")
    call.use.note(purpose=purpose)  # refusals further on name it as well
    return purpose


async def _authorisation(
    authorisation: Annotated[ReferenceGiven, Form()], expires: Annotated[ExpiryGiven, Form()]
) -> Authorisation:
    return authorised(authorisation, expires)


def authorised(reference: str, expires: str) -> Authorisation:
    """The authorisation in a request.

    Raises:
        RequestValidationError: it ends at no time that can be read, or has ended.
        GalleryError: the reference cannot be used.
    """
    try:
        end = expiry_date(expires)
    except GalleryError as error:
        raise wrong_field("expires", str(error)) from error
    return Authorisation(reference, end)


Purpose = Annotated[str, Depends(_purpose)]
Authorised = Annotated[Authorisation, Depends(_authorisation)]


async def _gallery(
    call: CurrentCall,
    gallery: Annotated[
        GalleryGiven | None,
        Form(description="Name of the gallery; the service's default if left out."),
    ] = None,
) -> str:
    name = gallery or call.service.settings.gallery
    call.use.note(gallery=name)
    reach(call.request, name)
    return name


GivenGallery = Annotated[str, Depends(_gallery)]


async def read_clips(service: Service, clips: list[UploadFile]) -> list[bytes]:
    """The files of a request.

    Raises:
        HTTPException: 413, there are too many.
    """
    most = service.settings.max_clips
    if len(clips) > most:
        raise HTTPException(413, f"got {len(clips)} clips, at most {most} are taken at once")
    return [await clip.read() for clip in clips]


def wrong_field(name: str, problem: str, place: str = "body") -> RequestValidationError:
    """The complaint about one field of a request, reported like those of the framework."""
    return RequestValidationError([{"loc": (place, name), "msg": problem, "type": "value_error"}])
