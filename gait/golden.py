"""Golden embeddings: what a network of a bundle must give for clips that anyone can make again."""

import base64
import hashlib
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Base64Bytes, Field

from gait.clip import Frames
from gait.frozen import Frozen
from gait.modality import SIZE, Modality


class Golden(Frozen):
    """Clips anyone can make again from a seed, and their embedding.

    Args:
        seed: start of the byte stream, see `noise_frames`.
        lengths: frames of each clip.
        embedding: `(n, parts, dim)`; in the file it is base64 of little-endian float32.
        tolerance: largest difference of any number of it that other hardware may cause.
    """

    seed: int
    lengths: tuple[Annotated[int, Field(ge=1)], ...] = Field(min_length=1)
    embedding: Base64Bytes
    tolerance: float = Field(gt=0, le=0.2)

    @classmethod
    def of(
        cls,
        seed: int,
        lengths: tuple[int, ...],
        embedding: NDArray[np.float32],
        tolerance: float,
    ) -> "Golden":
        """The golden embedding `(n, parts, dim)` of clips of these lengths."""
        data = base64.b64encode(embedding.astype("<f4").tobytes())
        return cls(seed=seed, lengths=lengths, embedding=data, tolerance=tolerance)

    def clips(self, modality: Modality) -> list[Frames]:
        """The clips `(s, c, 64, 64)`, the same on every machine and version."""
        frames = noise_frames(self.seed, len(self.lengths), max(self.lengths), modality)
        return [clip[:length] for clip, length in zip(frames, self.lengths, strict=True)]

    def embeddings(self) -> NDArray[np.float32]:
        """The embedding, float32 `(n, parts * dim)`."""
        flat = np.frombuffer(self.embedding, "<f4").astype(np.float32)
        return flat.reshape(len(self.lengths), -1)

    def met_by(self, embedding: NDArray[np.float32]) -> bool:
        """Whether an embedding `(n, parts, dim)` of the clips is the golden one."""
        got, want = embedding.reshape(len(embedding), -1), self.embeddings()
        return got.shape == want.shape and bool(np.abs(got - want).max() <= self.tolerance)


def noise_frames(seed: int, clips: int, frames: int, modality: Modality) -> Frames:
    """Uniform noise `(clips, frames, c, 64, 64)`, a function of the arguments alone.

    The bytes are SHAKE-256 of a text, because no random generator promises its stream for ever.
    """
    shape = (clips, frames, modality.channels, SIZE, SIZE)
    stream = hashlib.shake_256(f"{modality} {seed}".encode()).digest(int(np.prod(shape)))
    noise: NDArray[np.uint8] = np.frombuffer(stream, np.uint8).reshape(shape)
    return noise
