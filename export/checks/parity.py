"""Does the exported graph compute what the trained network computes? Part of every export."""

from collections.abc import Callable, Sequence

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from pydantic import BaseModel

from gait.clip import Frames
from gait.errors import ParityError
from gait.golden import Golden, noise_frames
from gait.modality import Modality
from gait.ragged import ragged

TOLERANCE = 1e-4
"""Largest difference of any number of an embedding whose parts have unit norm."""

TIE = 1e-5
"""Similarities closer than this may come in either order: float32 sums differ by as much."""

LENGTHS = ((1,), (7,), (4, 4, 4), (9, 5, 1), (40, 23))
"""Frames of each clip of each tested run: one frame, an odd number, equal, unequal, long."""

_SEED = 20260600
_GOLDEN_LENGTHS = (5, 3)

Embeddings = NDArray[np.float32]
Embed = Callable[[Frames], Embeddings]
"""From one clip `(s, c, 64, 64)` to its embedding `(p, d)`."""


class ShapeCheck(BaseModel, frozen=True):
    """Largest absolute difference from torch for one run of clips with these lengths."""

    modality: Modality
    lengths: tuple[int, ...]
    difference: float


class RankingCheck(BaseModel, frozen=True):
    """One direction of retrieval by torch and by the graphs.

    Args:
        probe, gallery: the modalities.
        probes, templates: how many of each.
        same_order: probes whose whole gallery comes in the same order.
        largest_swap: largest gap in torch's similarity between two neighbours that swapped.
        same_first: probes whose first template is the same.
    """

    probe: Modality
    gallery: Modality
    probes: int
    templates: int
    same_order: int
    same_first: int
    largest_swap: float


class Report(BaseModel, frozen=True):
    """What `parity.json` says: every check passed, or there would be no bundle.

    Args:
        tolerance: allowed difference of a number of an embedding.
        tie: allowed difference of two similarities that swap.
        shapes: the checks of single batches.
        data: the walks that were ranked, in words.
        simulated: whether their people are not real.
        rankings: the four directions.
    """

    tolerance: float = TOLERANCE
    tie: float = TIE
    shapes: tuple[ShapeCheck, ...]
    data: str
    simulated: bool
    rankings: tuple[RankingCheck, ...]


class Graph:
    """An exported graph run by ONNX Runtime on the CPU.

    Args:
        model: bytes of the ONNX file.
    """

    def __init__(self, model: bytes) -> None:
        self._session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])

    def embed(self, clips: Sequence[Frames]) -> Embeddings:
        """Embeddings `(n, p, d)` of clips `(s, c, 64, 64)` in one run."""
        frames, index = ragged(clips)
        inputs = {"frames": frames, "index": index}
        result: Embeddings = self._session.run(["embedding"], inputs)[0]
        return result

    def embed_one(self, clip: Frames) -> Embeddings:
        """The embedding `(p, d)` of one clip `(s, c, 64, 64)`."""
        one: Embeddings = self.embed([clip])[0]
        return one


def check_shapes(graph: Graph, want: Embed, modality: Modality) -> list[ShapeCheck]:
    """Compares runs of several clips in the graph with each clip alone, so that shape freezing and
    clips that touch each other are both seen.

    Args:
        graph: of any variant.
        want: gives the embedding of a clip alone: the network in torch, or the variant itself.
        modality: of the graph.

    Raises:
        ParityError: a difference is above `TOLERANCE`, or is not a number.
    """
    checks = []
    for seed, lengths in enumerate(LENGTHS):
        frames = noise_frames(seed, len(lengths), max(lengths), modality)
        clips = [clip[:n] for clip, n in zip(frames, lengths, strict=True)]
        alone = np.stack([want(clip) for clip in clips])
        difference = float(np.abs(graph.embed(clips) - alone).max())
        if not difference <= TOLERANCE:
            raise ParityError(
                f"the {modality} graph differs from each clip alone by {difference:.2g} for clips "
                f"of {lengths} frames, at most {TOLERANCE} is allowed"
            )
        checks.append(ShapeCheck(modality=modality, lengths=lengths, difference=difference))
    return checks


def check_ranking(
    torch_side: dict[Modality, tuple[Embeddings, Embeddings]],
    graph_side: dict[Modality, tuple[Embeddings, Embeddings]],
) -> list[RankingCheck]:
    """Compares the order of the gallery for every probe, in all four directions.

    Args:
        torch_side: probe and gallery embeddings `(q, p, d)`, `(g, p, d)` of each modality.
        graph_side: the same from the exported graphs.

    Raises:
        ParityError: two templates swapped whose similarities differ by more than `TIE`.
    """
    checks = [
        _direction(
            probe,
            gallery,
            _similarity(torch_side[probe][0], torch_side[gallery][1]),
            _similarity(graph_side[probe][0], graph_side[gallery][1]),
        )
        for probe in Modality
        for gallery in Modality
    ]
    worst = max(checks, key=lambda check: check.largest_swap)
    if worst.largest_swap > TIE:
        raise ParityError(
            f"the graphs rank {worst.gallery} templates otherwise than torch for {worst.probe} "
            f"probes: two that differ by {worst.largest_swap:.2g} swapped"
        )
    return checks


def golden(embed: Embed, modality: Modality, tolerance: float) -> Golden:
    """The golden clips' embedding, each clip alone.

    Args:
        embed: the network in torch, or a graph of a variant.
        modality: of the network.
        tolerance: what other hardware may differ by.
    """
    frames = noise_frames(_SEED, len(_GOLDEN_LENGTHS), max(_GOLDEN_LENGTHS), modality)
    clips = zip(frames, _GOLDEN_LENGTHS, strict=True)
    embedding = np.stack([embed(clip[:n]) for clip, n in clips])
    return Golden.of(_SEED, _GOLDEN_LENGTHS, embedding, tolerance)


def _similarity(probes: Embeddings, templates: Embeddings) -> NDArray[np.float64]:
    """`(q, g)` mean over parts of the cosine, of parts that have unit norm."""
    flat = [e.reshape(len(e), -1).astype(np.float64) for e in (probes, templates)]
    similarity: NDArray[np.float64] = flat[0] @ flat[1].T / probes.shape[1]
    return similarity


def _direction(
    probe: Modality, gallery: Modality, want: NDArray[np.float64], got: NDArray[np.float64]
) -> RankingCheck:
    order = np.argsort(-want, axis=1, kind="stable")
    ordered_want = np.take_along_axis(want, order, axis=1)
    ordered_got = np.take_along_axis(got, order, axis=1)
    swapped = np.diff(ordered_got, axis=1) > 0
    gaps = np.where(swapped, -np.diff(ordered_want, axis=1), 0.0)
    return RankingCheck(
        probe=probe,
        gallery=gallery,
        probes=len(want),
        templates=want.shape[1],
        same_order=int((~swapped).all(axis=1).sum()),
        same_first=int((want.argmax(axis=1) == got.argmax(axis=1)).sum()),
        largest_swap=float(gaps.max(initial=0.0)),
    )
