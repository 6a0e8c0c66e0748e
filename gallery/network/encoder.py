"""Clips to embeddings, with a model bundle and ONNX Runtime."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from gait.clip import Clip
from gait.errors import BundleTamperedError, ConfigError
from gait.golden import Golden
from gait.manifest import Manifest
from gait.modality import Modality
from gait.ragged import ragged
from gait.range_style import RangeStyle
from gait.sampling import sampled
from gait.variant import Variant
from gallery.network.session import CPU, CUDA, Device, Session, checked_threads, expected_provider
from gallery.network.site_centre import Centre, centred, parse_centre
from gallery.network.variant_choice import Choice, choose, integer_instructions
from gallery.template import Matrix

BATCH_FRAMES = 128
"""Frames of one run unless told otherwise. At full size a frame takes 4 MB."""

FRAMES = 30
"""Frames of a clip that are looked at unless told otherwise (results/trials.md)."""

_REPEATS = 2
"""Rows of a run's index over its frames: a repeated row costs a copy of the feature map."""


class Encoder:
    """A model bundle ready to embed. `embed` may be called from several threads.

    Attributes:
        manifest: of the bundle.
        choice: the variant that runs, and why.
        provider: the ONNX Runtime provider actually used; both, if the two graphs differ.
        threads: of one run.
        batch_frames: most frames in one run; a longer clip runs alone.
        frames: most frames of a clip that are looked at.
    """

    def __init__(
        self,
        manifest: Manifest,
        choice: Choice,
        sessions: dict[Modality, Session],
        *,
        threads: int,
        batch_frames: int,
        frames: int,
        centre: Centre | None = None,
    ) -> None:
        self.manifest, self.choice, self._sessions = manifest, choice, sessions
        self._centre = centre
        self.threads, self.batch_frames, self.frames = threads, batch_frames, frames
        self.provider = ", ".join(sorted({session.provider for session in sessions.values()}))

    @classmethod
    def load(
        cls,
        bundle: Path,
        *,
        device: Device = Device.AUTO,
        variant: Variant | None = None,
        threads: int | None = None,
        batch_frames: int = BATCH_FRAMES,
        frames: int = FRAMES,
    ) -> "Encoder":
        """Loads a bundle and checks its hashes and golden embeddings.

        Args:
            bundle: folder made by `export.onnx`.
            device: `Device.CUDA` fails where CUDA cannot be used; `AUTO` uses what there is.
            variant: the arithmetic; None for the best that the bundle has for this hardware.
            threads: of one run, 1..1024; None for all cores this process may use.
            batch_frames: most frames in one run, which bounds the memory; a longer clip runs alone.
            frames: most frames of a clip to look at, spread evenly over it, 1 or more.

        Raises:
            BundleError: there is no bundle, it is not one this version reads, or it has no such
                variant.
            BundleTamperedError: a file or the embedding it gives is not what was exported.
            EncoderError: CUDA was asked for and cannot be used.
            ConfigError: not a possible number of threads or frames.
        """
        manifest, threads = Manifest.load(bundle), checked_threads(threads)
        if frames < 1:
            raise ConfigError(f"got {frames} frames of a clip to look at, need at least 1")
        files = manifest.contents(bundle)

        def opened(choice: Choice, device: Device) -> dict[Modality, Session]:
            models = manifest.variants[choice.variant].models
            return {m: Session(files[model.file], device, threads) for m, model in models.items()}

        choice = chosen(manifest, expected_provider(device), variant)
        sessions = opened(choice, device)
        fell_back = any(session.provider == CPU for session in sessions.values())
        if fell_back and choice != (there := chosen(manifest, CPU, variant)):
            choice, sessions = there, opened(there, Device.CPU)
        for modality, model in manifest.variants[choice.variant].models.items():
            _check_golden(sessions[modality], model.golden, modality, choice.variant)
        return cls(
            manifest,
            choice,
            sessions,
            threads=threads,
            batch_frames=batch_frames,
            frames=frames,
            centre=None if manifest.centre is None else parse_centre(files[manifest.centre]),
        )

    @property
    def contract(self) -> str:
        """Fingerprint of the embedding space."""
        return self.manifest.contract

    @property
    def range_style(self) -> RangeStyle:
        """How the network wants point clouds drawn."""
        return self.manifest.inputs.range_style

    def embed(self, clips: Sequence[Clip]) -> Matrix:
        """Embeddings `(n, p * d)` float32 of clips of any lengths, of one modality or both.

        Parts are laid end to end and scaled by 1/√p, so that the inner product of two embeddings is
        the mean over parts of the cosine (`gait.metrics.Distance.COSINE`).

        Raises:
            EncoderError: the run failed, or gave numbers that are not finite.
        """
        clips = [self.sampled(clip) for clip in clips]
        embeddings = np.empty((len(clips), self.manifest.dimension), np.float32)
        for modality, rows in batches(clips, self.batch_frames):
            parts = self._sessions[modality].run(*ragged([clips[row].frames for row in rows]))
            flat = parts.reshape(len(rows), -1) / np.sqrt(parts.shape[1])
            embeddings[rows] = (
                flat if self._centre is None else centred(flat, self._centre[modality])
            )
        return embeddings

    def sampled(self, clip: Clip) -> Clip:
        """The frames of a clip that are looked at: all, or `frames` of them spread evenly."""
        return sampled(clip, self.frames)


def chosen(manifest: Manifest, provider: str, asked: Variant | None) -> Choice:
    """The variant of a bundle for a provider on this machine.

    Raises:
        BundleError: it does not hold the one asked for.
    """
    held, integer = manifest.variants.keys(), integer_instructions()
    return choose(held, cuda=provider == CUDA, asked=asked, integer=integer)


def fits(lengths: Sequence[int], batch_frames: int) -> bool:
    """Whether clips of these lengths, in frames, are embedded in one run of one modality."""
    frames = sum(lengths)
    return frames <= batch_frames and len(lengths) * max(lengths) <= _REPEATS * frames


def batches(clips: Sequence[Clip], limit: int) -> Iterator[tuple[Modality, list[int]]]:
    """Rows of clips of one modality, at most `limit` frames each."""
    for modality in Modality:
        rows = [row for row, clip in enumerate(clips) if clip.modality is modality]
        rows.sort(key=lambda row: len(clips[row]))
        batch: list[int] = []
        for row in rows:
            if batch and not fits([len(clips[other]) for other in [*batch, row]], limit):
                yield modality, batch
                batch = []
            batch.append(row)
        if batch:
            yield modality, batch


def _check_golden(session: Session, golden: Golden, modality: Modality, variant: Variant) -> None:
    if not golden.met_by(session.run(*ragged(golden.clips(modality)))):
        raise BundleTamperedError(
            f"the {variant} {modality} network does not give its golden embedding on "
            f"{session.provider}: export the bundle again, or try --device cpu or --variant fp32"
        )
