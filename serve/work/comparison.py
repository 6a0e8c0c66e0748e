"""Who walks in this clip, and are these two the same? Without HTTP."""

from collections.abc import Collection
from dataclasses import dataclass
from functools import partial

import numpy as np

from gait.decode import Decoded
from gait.modality import Modality
from gallery.decision.fusion import DEFAULT
from gallery.gallery import Gallery
from gallery.template import Candidate, Vector
from serve.work.service import Reading, Service
from serve.work.stage_times import Stages


@dataclass(frozen=True)
class Search:
    """What is searched.

    Args:
        gallery: its name.
        top_k: candidates wanted.
        modality: of the templates to search; None for both.
        subjects: the only people to search; None for everyone.
    """

    gallery: str
    top_k: int = 5
    modality: Modality | None = None
    subjects: Collection[str] | None = None


@dataclass(frozen=True)
class Found:
    """Outcome of an identification."""

    probe: Decoded
    candidates: list[Candidate]
    revision: int


@dataclass(frozen=True)
class Compared:
    """Outcome of a verification.

    Args:
        probe: the clip.
        similarity: mean over parts of the cosine.
        other: the other clip, if it was compared with one.
        match: the enrolled person's best template, if it was compared with a person.
        revision: of the gallery, if it was.
    """

    probe: Decoded
    similarity: float
    other: Decoded | None = None
    match: Candidate | None = None
    revision: int | None = None


async def identify(
    service: Service, data: bytes, reading: Reading, search: Search, stages: Stages
) -> Found:
    """Finds the enrolled people most like the one in a clip.

    Raises:
        DecodeError, ClipError: the file is no clip.
        GalleryNotFoundError: there is no such gallery.
        GalleryEmptyError: nothing to search.
    """
    probe = await service.decode(data, reading, stages)
    (embedding,) = await service.embed([probe.clip], stages)
    task = partial(_searched, embedding, search, stages)
    candidates, revision = await service.on(search.gallery, task)
    return Found(probe, candidates, revision)


async def verify_clips(
    service: Service, files: tuple[bytes, bytes], readings: tuple[Reading, Reading], stages: Stages
) -> Compared:
    """Compares the people in two clips.

    Raises:
        DecodeError, ClipError: a file is no clip.
    """
    probe, other = [
        await service.decode(data, reading, stages)
        for data, reading in zip(files, readings, strict=True)
    ]
    one, two = await service.embed([probe.clip, other.clip], stages)
    return Compared(probe, float(np.dot(one, two)), other=other)


async def verify_subject(
    service: Service, data: bytes, reading: Reading, search: Search, subject: str, stages: Stages
) -> Compared:
    """Compares the person in a clip with an enrolled one.

    Raises:
        DecodeError, ClipError: the file is no clip.
        GalleryNotFoundError, SubjectNotFoundError: there is none.
        GalleryEmptyError: the person has no such template.
    """
    probe = await service.decode(data, reading, stages)
    (embedding,) = await service.embed([probe.clip], stages)
    task = partial(_compared, embedding, search, subject, stages)
    match, revision = await service.on(search.gallery, task)
    return Compared(probe, match.similarity, match=match, revision=revision)


def _searched(
    embedding: Vector, search: Search, stages: Stages, gallery: Gallery
) -> tuple[list[Candidate], int]:
    with stages.stage("search"):
        revision = gallery.revision
        found = gallery.identify(
            embedding,
            search.top_k,
            search.modality,
            subjects=search.subjects,
            fusion=DEFAULT,
        )
        return found, revision


def _compared(
    embedding: Vector, search: Search, subject: str, stages: Stages, gallery: Gallery
) -> tuple[Candidate, int]:
    with stages.stage("search"):
        revision = gallery.revision
        return gallery.compare(embedding, subject, search.modality), revision
