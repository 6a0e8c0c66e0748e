"""What the service does, without HTTP: decode, embed, search, enrol, each stage timed."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Self, TypeVar

import anyio
import anyio.to_thread
from starlette.exceptions import HTTPException

from gait.decode import Decoded, decode_clip
from gait.errors import ClipError, DecodeError, GaitError, GalleryEmptyError
from gait.manifest import Manifest
from gait.modality import Modality
from gait.range_view import Forward
from gallery.encoder import Encoder
from gallery.gallery import Gallery, create_gallery, open_gallery
from gallery.template import Candidate, Enrolment, check_name
from serve.observe import Metrics
from serve.settings import Settings

Result = TypeVar("Result")


@dataclass(frozen=True)
class Found:
    """Outcome of an identification."""

    probe: Decoded
    candidates: list[Candidate]
    revision: int
    milliseconds: dict[str, float]


@dataclass
class Enrolled:
    """Outcome of an enrolment: by position of the clip, what was stored and what was refused."""

    templates: dict[int, tuple[int, Decoded]] = field(default_factory=dict)
    rejected: dict[int, GaitError] = field(default_factory=dict)
    revision: int = 0


class Service:
    """A model and a gallery, ready to work. Heavy work runs in a few threads, never more.

    Args:
        encoder: of the model bundle.
        gallery: open for writing; closed with the service.
        settings: caps and number of workers.
    """

    def __init__(self, encoder: Encoder, gallery: Gallery, settings: Settings) -> None:
        self.encoder, self.gallery, self.settings = encoder, gallery, settings
        self.metrics = Metrics()
        self._limiter: anyio.CapacityLimiter | None = None

    @classmethod
    def open(cls, settings: Settings) -> Self:
        """Loads the model, opens the gallery (an empty one is made if there is none) and its index.

        Raises:
            BundleError, EncoderError, GalleryError: what `Encoder` and `Gallery` raise.
        """
        if settings.bundle is not None and not settings.gallery.exists():
            encoder = _encoder(settings.bundle, settings)
            gallery = create_gallery(str(settings.gallery), settings.bundle)
        else:
            contract = Manifest.load(settings.bundle).contract if settings.bundle else None
            gallery = open_gallery(str(settings.gallery), contract=contract)
            encoder = _encoder(settings.bundle or gallery.bundle, settings)
        gallery.refresh()
        return cls(encoder, gallery, settings)

    def close(self) -> None:
        """Closes the gallery."""
        self.gallery.close()

    async def work(self, task: Callable[[], Result]) -> Result:
        """Runs heavy work in a worker thread.

        Raises:
            HTTPException: 429, too many requests wait already.
        """
        if self._limiter is None:
            self._limiter = anyio.CapacityLimiter(self.settings.workers)
        waiting = self._limiter.statistics().tasks_waiting
        if self._limiter.available_tokens < 1 and waiting >= self.settings.max_waiting:
            raise HTTPException(
                HTTPStatus.TOO_MANY_REQUESTS,
                "too many requests are waiting; try again in a second",
                {"Retry-After": "1"},
            )
        return await anyio.to_thread.run_sync(task, limiter=self._limiter)

    def identify(
        self,
        data: bytes,
        *,
        top_k: int,
        modality: Modality | None,
        searched: Modality | None,
        forward: Forward,
    ) -> Found:
        """Finds the enrolled people most like the one in a clip.

        Args:
            data: the clip file.
            top_k: candidates wanted.
            modality: of the clip, if known.
            searched: modality of the templates to search; None for both.
            forward: axis of point clouds.

        Raises:
            DecodeError, ClipError: the file is no clip.
            GalleryEmptyError: nothing to search.
        """
        took: dict[str, float] = {}
        with self._timed("decode", took):
            probe = decode_clip(
                data, modality=modality, forward=forward, limits=self.settings.limits
            )
        with self._timed("embed", took):
            (embedding,) = self.encoder.embed([probe.clip])
        with self._timed("search", took):
            revision = self.gallery.revision
            try:
                candidates = self.gallery.identify(embedding, top_k, searched)
            except GalleryEmptyError as error:  # its own message names a folder of the server
                what = "" if searched is None else f"{searched} "
                raise GalleryEmptyError(
                    f"the gallery holds no {what}template: enrol someone first"
                ) from error
        return Found(probe, candidates, revision, took)

    def enrol(
        self,
        subject: str,
        clips: Sequence[bytes],
        *,
        modality: Modality | None,
        forward: Forward,
        source: str,
    ) -> Enrolled:
        """Enrols the clips that can be used as templates of one person, together or not at all.

        Raises:
            GalleryError: the name cannot be used.
            StorageError: the disk is full.
        """
        check_name(subject)
        outcome, usable = Enrolled(), {}
        for position, data in enumerate(clips):
            try:
                with self._timed("decode", {}):
                    usable[position] = decode_clip(
                        data, modality=modality, forward=forward, limits=self.settings.limits
                    )
            except (ClipError, DecodeError) as error:
                outcome.rejected[position] = error
        if usable:
            with self._timed("embed", {}):
                embeddings = self.encoder.embed([each.clip for each in usable.values()])
            pairs = zip(usable.values(), embeddings, strict=True)
            enrolments = [Enrolment.of(subject, d.clip, e, source) for d, e in pairs]
            with self._timed("enrol", {}):
                ids = self.gallery.enrol(enrolments)
            found = zip(usable, ids, usable.values(), strict=True)
            outcome.templates = {position: (id_, clip) for position, id_, clip in found}
        outcome.revision = self.gallery.revision
        return outcome

    @contextmanager
    def _timed(self, stage: str, took: dict[str, float]) -> Iterator[None]:
        started = time.perf_counter()
        yield
        seconds = time.perf_counter() - started
        took[stage] = 1e3 * seconds
        self.metrics.seconds.labels(stage).observe(seconds)


def _encoder(bundle: Path, settings: Settings) -> Encoder:
    return Encoder.load(bundle, device=settings.device, threads=settings.threads)
