"""What a service answers to its client. Fields are named as in the service's replies."""

from dataclasses import dataclass

from gait.modality import Modality
from gallery.decision.decision import Finding, Thresholds


@dataclass(frozen=True)
class Probe:
    """How the service understood a clip."""

    modality: Modality
    format: str
    frames_in: int
    frames_used: int
    frames_dropped: dict[str, int]
    assumed: dict[str, str | int | float]
    quality: float
    quality_reasons: list[str]


@dataclass(frozen=True)
class Match:
    """An enrolled person; the larger `similarity`, the closer."""

    subject: str
    similarity: float
    template: int
    modality: Modality


@dataclass(frozen=True)
class Model:
    """The model behind a service."""

    contract: str
    simulated: bool


@dataclass(frozen=True)
class Found:
    """Whether the person in a clip is enrolled, and the people most like, the most similar first.

    `undecided` says why there is no decision.
    """

    request_id: str
    audit_id: str | None
    gallery: str
    gallery_revision: int
    decision: Finding | None
    thresholds: Thresholds | None
    undecided: str | None
    candidates: tuple[Match, ...]
    probe: Probe
    model: Model


@dataclass(frozen=True)
class Verified:
    """How alike a clip and an enrolled person, or two clips, are."""

    request_id: str
    audit_id: str | None
    decision: Finding | None
    thresholds: Thresholds | None
    undecided: str | None
    similarity: float
    probe: Probe
    other: Probe | None
    model: Model


@dataclass(frozen=True)
class Added:
    """A clip that became a template; `position` is its place in the request, from 0."""

    position: int
    template: int
    clip: Probe


@dataclass(frozen=True)
class Rejected:
    """A clip that could not be used, and why."""

    position: int
    code: str
    detail: str


@dataclass(frozen=True)
class Duplicate:
    """A clip that others are enrolled by too; `position` is its place in the request, from 0."""

    position: int
    others: list[str]


@dataclass(frozen=True)
class Enrolled:
    """What became of the clips of an enrolment."""

    request_id: str
    audit_id: str | None
    subject: str
    templates: tuple[Added, ...]
    rejected: tuple[Rejected, ...]
    duplicates: tuple[Duplicate, ...]
    erased: tuple[int, ...]
    gallery_revision: int


@dataclass(frozen=True)
class Person:
    """An enrolled person, and how many templates of each modality there are."""

    subject: str
    created: str
    templates: dict[Modality, int]


@dataclass(frozen=True)
class EnrolledTemplate:
    """One template, without its embedding."""

    template: int
    modality: Modality
    frames: int
    source: str
    created: str
    authorisation: str
    expires: str


@dataclass(frozen=True)
class Erased:
    """The receipt of an erasure; `key` is the fingerprint of the key that was destroyed."""

    gallery: str
    gallery_id: str
    subject: str
    templates: tuple[int, ...]
    key: str
    destruction: str
    gallery_revision: int
    erased: str


@dataclass(frozen=True)
class Loaded:
    """What became of the templates of an export that was loaded."""

    request_id: str
    audit_id: str | None
    gallery: str
    templates_enrolled: int
    templates_present: int
    templates_expired: int
    gallery_revision: int
