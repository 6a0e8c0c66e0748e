"""Clips to embeddings, with a model bundle and ONNX Runtime."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gait.clip import Clip
from gait.errors import BundleTamperedError
from gait.manifest import Golden, Manifest
from gait.modality import Modality
from gallery.session import Device, Session, checked_threads
from gallery.template import Matrix

GOLDEN_TOLERANCE = 1e-3
"""Largest difference from the golden embedding, per number, on any hardware."""

BATCH_FRAMES = 128
"""Frames of one run, padding included, unless told otherwise. At full size a frame takes 4 MB."""

_LONGEST = 1.2
"""Longest clip of a run over its shortest: padding costs as much as frames do."""


class Encoder:
    """A model bundle ready to embed. `embed` may be called from several threads.

    Attributes:
        manifest: of the bundle.
        provider: the ONNX Runtime provider actually used; both, if the two graphs differ.
        threads: of one run.
        batch_frames: most frames in one run, padding included; a longer clip runs alone.
    """

    def __init__(
        self, manifest: Manifest, sessions: dict[Modality, Session], threads: int, batch_frames: int
    ) -> None:
        self.manifest, self.threads = manifest, threads
        self._sessions, self.batch_frames = sessions, batch_frames
        self.provider = ", ".join(sorted({session.provider for session in sessions.values()}))

    @classmethod
    def load(
        cls,
        bundle: Path,
        *,
        device: Device = Device.AUTO,
        threads: int | None = None,
        batch_frames: int = BATCH_FRAMES,
    ) -> "Encoder":
        """Loads a bundle and checks its hashes and golden embeddings.

        Args:
            bundle: folder made by `export.onnx`.
            device: `Device.CUDA` fails where CUDA cannot be used; `AUTO` uses what there is.
            threads: of one run, 1..1024; None for all cores this process may use.
            batch_frames: most frames in one run, which bounds the memory; a longer clip runs alone.

        Raises:
            BundleError: there is no bundle, or it is not one this version reads.
            BundleTamperedError: a file or the embedding it gives is not what was exported.
            EncoderError: CUDA was asked for and cannot be used.
            ConfigError: not a possible number of threads.
        """
        manifest, threads = Manifest.load(bundle), checked_threads(threads)
        files, sessions = manifest.contents(bundle), {}
        for modality, model in manifest.models.items():
            sessions[modality] = Session(files[model.file], device, threads)
            _check_golden(sessions[modality], model.golden, modality)
        return cls(manifest, sessions, threads, batch_frames)

    @property
    def contract(self) -> str:
        """Identity of the embedding space."""
        return self.manifest.contract

    def embed(self, clips: Sequence[Clip]) -> Matrix:
        """Embeddings `(n, p * d)` float32 of clips of any lengths, of one modality or both.

        Parts are laid end to end and scaled by 1/√p, so that the inner product of two embeddings is
        the mean over parts of the cosine (METHOD.md, retrieval distance).

        Raises:
            EncoderError: the run failed, or gave numbers that are not finite.
        """
        embeddings = np.empty((len(clips), self.manifest.dimension), np.float32)
        for modality, rows in _batches(clips, self.batch_frames):
            parts = self._sessions[modality].run(*_padded([clips[row].frames for row in rows]))
            embeddings[rows] = parts.reshape(len(rows), -1) / np.sqrt(parts.shape[1])
        return embeddings


def fits(shortest: int, longest: int, clips: int, batch_frames: int) -> bool:
    """Whether clips of these lengths, in frames, are embedded in one run of one modality."""
    return longest <= _LONGEST * shortest and clips * longest <= batch_frames


def _batches(clips: Sequence[Clip], limit: int) -> Iterator[tuple[Modality, list[int]]]:
    """Rows of clips of one modality and similar length, at most `limit` padded frames each."""
    for modality in Modality:
        rows = [row for row, clip in enumerate(clips) if clip.modality is modality]
        rows.sort(key=lambda row: len(clips[row]))
        batch: list[int] = []
        for row in rows:
            frames = len(clips[row])
            if batch and not fits(len(clips[batch[0]]), frames, len(batch) + 1, limit):
                yield modality, batch
                batch = []
            batch.append(row)
        if batch:
            yield modality, batch


def _padded(frames: Sequence[NDArray[np.uint8]]) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    lengths = np.array([len(f) for f in frames], np.int64)
    padded = np.zeros((len(frames), lengths.max(), *frames[0].shape[1:]), np.uint8)
    for row, f in enumerate(frames):
        padded[row, : len(f)] = f
    return padded, lengths


def _check_golden(session: Session, golden: Golden, modality: Modality) -> None:
    want = golden.embeddings()
    got = session.run(golden.frames(modality), np.array(golden.lengths, np.int64))
    got = got.reshape(len(got), -1)
    if got.shape != want.shape or not np.abs(got - want).max() <= GOLDEN_TOLERANCE:
        raise BundleTamperedError(
            f"the {modality} network does not give its golden embedding on {session.provider}: "
            "export the bundle again, or try --device cpu"
        )
