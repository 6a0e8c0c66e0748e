"""A model and galleries, ready to work: threads, and what each request is made of.

Every embedding is made by `Service.embed`, every gallery is reached through `Service.on`, and every
use is recorded by `serve.middleware.audit` before its reply leaves.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Self, TypeVar

from filelock import FileLock

from capture.recording import Person
from gait.clip import Clip
from gait.decode import Decoded
from gait.decode.points.axes import UNKNOWN, CloudSource
from gait.errors import (
    ClipError,
    DecodeError,
    GaitError,
    GalleryEmptyError,
    GalleryError,
    GalleryExistsError,
    StorageError,
)
from gait.modality import Modality
from gait.own_bundle import own_bundle
from gait.quality.quality import Mode, require_quality
from gallery.decision.decision import Decider, bundle_calibration
from gallery.galleries import Galleries, GalleryRoot, Unserved
from gallery.gallery import Gallery
from gallery.network.encoder import Encoder
from gallery.network.session import CPU
from gallery.record.master_key import MasterKey
from gallery.search.cohort import Cohort, bundle_cohort
from gallery.template import Matrix
from serve.audit.log import AuditLog
from serve.audit.writer import Writer
from serve.middleware.body import client, while_present
from serve.middleware.draining import Drain
from serve.settings import Settings
from serve.work.batching import Batcher, Embedder
from serve.work.data_lock import data_lock
from serve.work.decoding import DecodingPool, Finished
from serve.work.health import HealthMonitor, State
from serve.work.live import Live
from serve.work.metrics import Metrics, Stages
from serve.work.permissions import warn_of_open_files
from serve.work.thread_sharing import Shared, batch_of, runs_of
from serve.work.threads import Threads

log = logging.getLogger("serve")
FIND: Final = "capture.recording:find_people"
Result = TypeVar("Result")


@dataclass(frozen=True)
class Reading:
    """How the clip files of a request are read.

    Args:
        modality: what they show; None to find it in the content.
        source: which sensor recorded point clouds, and how their axes lie.
    """

    modality: Modality | None = None
    source: CloudSource = UNKNOWN


@dataclass
class Clips:
    """The clips of a request by position: those that can be used, and why the others cannot."""

    usable: dict[int, Decoded] = field(default_factory=dict)
    rejected: dict[int, GaitError] = field(default_factory=dict)


class Service:
    """A model and galleries, ready to work. Heavy work runs in a few threads, never more.

    Clip files are read in processes of their own: `decoding`.

    Args:
        encoder: of the model bundle.
        galleries: closed with the service.
        settings: caps and number of workers.
        audit: where every use is recorded; closed with the service.
        lock: of the data folder, released with the service.
        embedder: runs the network; None for `encoder` itself.
        decider: decides by the model's calibration; None where the bundle has none.
        cohort: normalises similarities of two clips; None where the bundle has none.

    Attributes:
        unserved: galleries that cannot be served here, as `look_around` found them last.
    """

    def __init__(
        self,
        encoder: Encoder,
        galleries: Galleries,
        settings: Settings,
        audit: AuditLog,
        lock: FileLock,
        embedder: Embedder | None = None,
        decider: Decider | None = None,
        cohort: Cohort | None = None,
    ) -> None:
        self.decider, self.cohort = decider, cohort
        self.encoder, self.galleries, self.settings = encoder, galleries, settings
        self.audit, self.metrics, self.drain = audit, Metrics(), Drain()
        self.writer = Writer(audit)
        self.live = Live(settings.live)
        self.unserved = dict[str, Unserved]()
        self._health = HealthMonitor()
        self._lock, self._limits = lock, settings.limits
        self._batcher = Batcher(
            embedder or encoder,
            self.metrics,
            max_batch=batch_of(settings, encoder),
            max_queue=settings.max_queue,
            max_wait=settings.batch_wait_ms / 1000,
            runs=runs_of(settings, encoder),
        )
        self.decoding = DecodingPool(settings.decoding, self.metrics)
        self.finding = DecodingPool(settings.finding, self.metrics, FIND, "recordings")
        self._threads = Threads(settings.workers, settings.max_waiting)

    @classmethod
    def open(cls, settings: Settings) -> Self:
        """Takes the data folder, loads the model and opens the default gallery, made if needed.

        Raises:
            GalleryLockedError: another service has the data folder.
            AuditBrokenError: the audit records are not whole.
            BundleError, EncoderError, GalleryError: what `Encoder` and the gallery raise.
        """
        root = settings.data / "galleries"
        bundle = settings.bundle or _found_bundle(settings, root)
        encoder = _encoder(bundle, settings, settings.threads)
        embedder = _embedder(encoder, settings, bundle)
        calibration = bundle_calibration(bundle)
        decider = None if calibration is None else Decider(calibration, "bundle")
        with ExitStack() as opened:
            lock = _taken(settings.data)
            opened.callback(lock.release)
            warn_of_open_files(settings)
            audit = AuditLog.open(settings.data, MasterKey.load(create=True))
            opened.callback(audit.close)
            where = GalleryRoot(settings.galleries or root, bundle, settings.index)
            galleries = Galleries(where, encoder.contract)
            opened.callback(galleries.close)
            if settings.gallery not in galleries.names():
                with suppress(GalleryExistsError):  # another replica starts at the same time
                    galleries.create(settings.gallery, lambda gallery: gallery.revision)
            with galleries.use(settings.gallery) as gallery:
                gallery.refresh()
            opened.pop_all()  # `close` does it from here on
        cohort = bundle_cohort(bundle)
        return cls(encoder, galleries, settings, audit, lock, embedder, decider, cohort)

    def close(self) -> None:
        """Gives up reading, embeds what waits, and closes the galleries and the data folder."""
        self.decoding.close()
        self.finding.close()
        self._batcher.close()
        self._threads.close()
        self.galleries.close()
        self.writer.close()
        self.audit.close()
        self._lock.release()

    async def work(self, task: Callable[[], Result]) -> Result:
        """Runs heavy work in a worker thread.

        Raises:
            BusyError: too many requests wait already.
        """
        return await self._threads.run(task)

    async def decode(
        self, data: bytes, reading: Reading, stages: Stages, mode: Mode | None = None
    ) -> Decoded:
        """A clip file as a clip; given up when the client leaves.

        Args:
            data: the file.
            reading: how it is read.
            stages: told how long it took.
            mode: which quality is refused; None for that of searches.

        Raises:
            DecodeError, ClipError: it is none, costs too much to read, or is of too low a quality.
            BusyError, DeadlineError, DecoderLostError: it could not be read now.
            ClientLeftError: nobody waits for the answer.
        """
        arguments = {
            "modality": reading.modality,
            "source": reading.source,
            "limits": self._limits,
            "style": self.encoder.range_style,
        }

        async def decode() -> Finished:
            return await asyncio.wrap_future(self.decoding.submit(data, arguments, client()))

        try:
            finished = await while_present(decode())
            stages.took("decode", finished.seconds)  # without the time it waited
            decoded: Decoded = finished.value
            require_quality(decoded.quality, mode or self.settings.quality_search)
        except ClipError as error:
            self._count_refused(error)
            raise
        self.metrics.count_quality(decoded.quality.reasons, refused=False)
        return decoded

    async def people(self, data: bytes, stages: Stages) -> list[Person]:
        """The people in a recording; given up when the client leaves.

        Args:
            data: the recording.
            stages: told how long it took.

        Raises:
            DecodeError: it is none, or costs too much to look at.
            WeightsError, MissingExtraError: this machine cannot look at videos.
            BusyError, DeadlineError, DecoderLostError: not now.
            ClientLeftError: nobody waits for the answer.
        """

        async def find() -> Finished:
            arguments = {
                "limits": self._limits,
                "most": self.settings.max_clips,
                "style": self.encoder.range_style,
            }
            return await asyncio.wrap_future(self.finding.submit(data, arguments, client()))

        finished = await while_present(find())
        stages.took("find", finished.seconds)
        people: list[Person] = finished.value
        return people

    async def decode_all(
        self, files: Sequence[bytes], reading: Reading, mode: Mode, stages: Stages
    ) -> Clips:
        """Clip files as clips; those that are none, or that the mode refuses, with the reason.

        Raises:
            ServiceError: see `decode`.
        """
        clips = Clips()
        for position, data in enumerate(files):
            try:
                clips.usable[position] = await self.decode(data, reading, stages, mode)
            except (ClipError, DecodeError) as error:
                # Its traceback knows this frame, which knows the error: a cycle with the files.
                clips.rejected[position] = error.with_traceback(None)
        return clips

    async def embed(self, clips: Sequence[Clip], stages: Stages) -> Matrix:
        """Embeddings `(n, dimension)` of clips; given up when the client leaves.

        Raises:
            BusyError, DeadlineError: too many clips wait.
            ClientLeftError: nobody waits for the answer.
            EncoderError: the network failed.
        """
        deadline = time.monotonic() + self.settings.deadline_seconds
        clips = [self.encoder.sampled(clip) for clip in clips]
        with stages.stage("embed"):
            return await while_present(self._batcher.embed_all(clips, deadline))

    async def on(
        self, name: str, task: Callable[[Gallery], Result], *, erases: bool = False
    ) -> Result:
        """Does something with a gallery, which stays open as long as it takes.

        Args:
            name: of the gallery.
            task: what is done.
            erases: it only erases, which also works in a gallery of another model.

        Raises:
            GalleryNotFoundError: there is no gallery of this name.
            ContractMismatchError: it was made with another model.
        """
        use = self.galleries.use_to_erase if erases else self.galleries.use

        def work() -> Result:
            with use(name) as gallery:
                try:
                    return task(gallery)
                except GalleryEmptyError as error:  # its own message names a folder of the server
                    raise GalleryEmptyError(
                        f"the gallery {name!r} holds no such template: enrol someone first"
                    ) from error

        return await self.work(work)

    def readiness(self) -> dict[str, State]:
        """How each gallery in use is.

        Raises:
            StorageUnavailableError: the database of the galleries cannot be reached.
            MasterKeyError: another process has changed the master key of a gallery.
        """
        return self.galleries.each(State.of)

    def look_around(self) -> None:
        """Finds the galleries that this service cannot serve; the log names each, once.

        Raises:
            StorageUnavailableError: the database of the galleries cannot be reached.
        """
        found = self.galleries.unserved()
        for name, why in found.items():
            if self.unserved.get(name) != why:
                log.warning("the gallery %s is not served (%s): %s", name, *why)
        self.unserved = found

    def measure(self) -> None:
        """Brings the metrics of the galleries in use up to date, if they can be reached."""
        try:
            self.metrics.show(self.galleries.each(lambda gallery: gallery.counts()))
            self.metrics.show_health(self.galleries.each(self._health.of))
            self.metrics.reachable.set(1)
        except (GalleryError, StorageError) as error:
            log.error("the galleries cannot be measured: %s", error)
            self.metrics.reachable.set(0)

    def _count_refused(self, error: ClipError) -> None:
        reasons = error.fields.get("quality_reasons")
        self.metrics.count_quality(reasons if isinstance(reasons, list) else [], refused=True)


def _encoder(bundle: Path, settings: Settings, threads: int | None) -> Encoder:
    return Encoder.load(
        bundle,
        device=settings.device,
        variant=settings.variant,
        threads=threads,
        frames=settings.frames,
    )


def _embedder(encoder: Encoder, settings: Settings, bundle: Path) -> Embedder:
    share = max(1, encoder.threads // runs_of(settings, encoder))
    if share == encoder.threads or encoder.provider != CPU:
        return encoder
    return Shared(encoder, _encoder(bundle, settings, share))


def _found_bundle(settings: Settings, root: Path) -> Path:
    """The bundle of the default gallery, else of the first that there is, else the package's.

    Raises:
        BundleError: the package came without one.
    """
    if settings.galleries is not None:  # galleries in PostgreSQL keep none
        return own_bundle()
    bundles = [root / settings.gallery / "bundle", *sorted(root.glob("*/bundle"))]
    for bundle in bundles:
        if bundle.is_dir():
            return bundle
    return own_bundle()


def _taken(data: Path) -> FileLock:
    try:
        data.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise StorageError(f"cannot make {data}: {error}") from error
    return data_lock(data)
