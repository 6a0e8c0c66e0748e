"""A network in another arithmetic, and the proof that it may stand in for the trained one."""

from enum import StrEnum

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from gait.frozen import FileName, Frozen, Sha256
from gait.golden import Golden
from gait.modality import Modality

LEVELS = (0.01, 0.05, 0.5, 0.95, 0.99)


class Variant(StrEnum):
    """The arithmetic of the convolutions. `fp32` is in every bundle: the others answer to it."""

    FP32 = "fp32"
    FP16 = "fp16"
    INT8 = "int8"


class Spread(Frozen):
    """How similarities are distributed; `quantiles` at `LEVELS`."""

    mean: float
    sd: float = Field(ge=0)
    quantiles: tuple[float, ...] = Field(min_length=len(LEVELS), max_length=len(LEVELS))

    @classmethod
    def of(cls, similarities: NDArray[np.floating]) -> "Spread":
        """The distribution of some similarities, at least one."""
        quantiles = np.quantile(similarities, LEVELS).tolist()
        return cls(
            mean=float(similarities.mean()),
            sd=float(similarities.std()),
            quantiles=tuple(quantiles),
        )


class Similarities(Frozen):
    """Similarity of probes and enrolled clips of the same person, and of different people."""

    same: Spread
    different: Spread


class Direction(Frozen):
    """One direction of retrieval, Rank-1 in percent.

    Args:
        probe, gallery: the modalities.
        trained: Rank-1 of the trained network in torch: before.
        own: probes and gallery embedded by the variant: after.
        to_fp32: probes of the variant, gallery of fp32.
        from_fp32: probes of fp32, gallery of the variant.
        before: similarities by the trained network.
        after: similarities by the variant.
    """

    probe: Modality
    gallery: Modality
    trained: float
    own: float
    to_fp32: float
    from_fp32: float
    before: Similarities
    after: Similarities

    @property
    def loss(self) -> float:
        """Points of Rank-1 lost in the worst of the three pairings; negative if all gained."""
        return self.trained - min(self.own, self.to_fp32, self.from_fp32)


class Accuracy(Frozen):
    """Retrieval before and after, on people the network was not trained on.

    Args:
        data: where the walks come from.
        simulated: whether the people are not real.
        subjects, walks: how many; each walk is there in both modalities.
        directions: all four.
    """

    data: str
    simulated: bool
    subjects: int = Field(ge=2)
    walks: int = Field(ge=2)
    directions: tuple[Direction, ...] = Field(min_length=4, max_length=4)

    @property
    def loss(self) -> float:
        """Points of Rank-1 lost in the worst direction and pairing."""
        return max(direction.loss for direction in self.directions)


class Parity(Frozen):
    """How far a variant's embeddings are from the trained network's, over `clips` clips.

    Args:
        clips: how many were compared.
        difference: largest difference of any number of an embedding whose parts have unit norm.
        similarity: lowest similarity of the two embeddings of one clip.
        mean_similarity: the mean over clips.
    """

    clips: int = Field(ge=1)
    difference: float
    similarity: float
    mean_similarity: float


class Calibration(Frozen):
    """The clips that fixed the ranges of an int8 variant.

    Args:
        data: where they come from.
        clips: of each modality.
        frames: of all clips of one modality together, at most.
        sha256: of their frames.
        method: how ranges were found in them.
        tried: the methods tried: the loss of Rank-1 in points, and the mean similarity with the
            trained network's embeddings, by which the better was kept.
    """

    data: str
    clips: int
    frames: int
    sha256: Sha256
    method: str
    tried: dict[str, tuple[float, float]]


class Model(Frozen):
    """One graph of the bundle."""

    file: FileName
    channels: int
    golden: Golden


class Build(Frozen):
    """One variant: its graphs, and the proof.

    Args:
        models: one for each modality.
        parity: against the trained network.
        accuracy: None only for fp32 exported without a dataset.
        calibration: of int8.
    """

    models: dict[Modality, Model]
    parity: Parity
    accuracy: Accuracy | None
    calibration: Calibration | None = None
