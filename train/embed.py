"""The embeddings of a pack's sequences: batched by length, every frame used."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gait.errors import EvaluationError
from gait.modality import Modality
from gait.progress import progress
from train.data.batches import MappedFrames, Rows
from train.data.dataset_layout import Embedded
from train.data.pack import Pack, Record
from train.model.network import GaitNetwork

FRAMES_PER_BATCH = 512
"""Frames that go through a branch at once: at full size the stem makes 1 MiB of each."""


Embed = Callable[[Tensor, Modality, Tensor], Tensor]
"""Clips `(n, s, c, 64, 64)` uint8, what they show and their lengths → `(n, p, d)`."""


class Embeddings(NamedTuple):
    """The embeddings of the same sequences in both modalities, float32 `(n, p, d)`."""

    silhouette: NDArray[np.float32]
    range_view: NDArray[np.float32]


def by_modality(found: Embeddings | Embedded) -> Embedded:
    """Embeddings of both modalities, or of those that there are, by modality."""
    return dict(zip(Modality, found, strict=True)) if isinstance(found, Embeddings) else found


def embed_sequences(
    network: GaitNetwork,
    pack: Pack,
    records: Sequence[Record],
    device: torch.device,
    precision: torch.dtype = torch.float32,
    title: str = "embedding",
) -> Embeddings:
    """Embeds sequences in both modalities. Arguments as in `embed_modalities`.

    Raises:
        EvaluationError: the network or the pack is of one modality.
    """
    for what, held in (("network", network.modalities), ("pack", pack.modalities)):
        if len(held) < len(Modality):
            raise EvaluationError(f"got a {what} of {held[0]} alone, need one of both modalities")
    found = embed_modalities(network, pack, records, device, precision, title)
    return Embeddings(*(found[modality] for modality in Modality))


@torch.inference_mode()
def embed_modalities(
    network: GaitNetwork,
    pack: Pack,
    records: Sequence[Record],
    device: torch.device,
    precision: torch.dtype = torch.float32,
    title: str = "embedding",
    embed: Embed | None = None,
) -> Embedded:
    """Embeds sequences of a pack with the network as it is now, in evaluation mode.

    Sequences of like length go together. A shorter one is padded and the network told its length:
    the result is that of embedding each alone.

    Args:
        network: on `device`; its mode is restored.
        pack: where the frames are.
        records: which sequences.
        device: where the network is.
        precision: dtype of autocast; float32 for none.
        title: what the progress bar says.
        embed: what to take of the clips; None: `network.embed`.

    Returns:
        For each modality that the network and the pack have, one embedding a sequence, float32
        `(n, p, d)`, in the order of `records`.

    Raises:
        EvaluationError: the network is of one modality and the pack of the other.
    """
    modalities = [m for m in network.modalities if m in pack.modalities]
    if not modalities:
        raise EvaluationError(
            f"got a network of {network.modalities[0]} alone and {pack.path}, which holds "
            f"{pack.modalities[0]} alone: need one modality in both"
        )
    training, embed = network.training, embed or network.embed
    network.eval()
    frames = MappedFrames(pack, records)
    lengths = np.array([r.length for r in records])
    found: dict[Modality, list[NDArray[np.float32]]] = {m: [] for m in modalities}
    groups = batched_by_length(lengths)
    half = torch.autocast(device.type, precision, precision != torch.float32)
    with progress() as bar, half, _without_search():
        task = bar.add_task(title, total=len(records), note="")
        for group in groups:
            offsets = np.minimum(np.arange(lengths[group].max()), lengths[group, None] - 1)
            clips = dict(zip(Modality, frames.fetch(group, offsets), strict=True))
            for modality, out in found.items():
                own = torch.from_numpy(lengths[group]).to(device)
                out.append(embed(clips[modality].to(device), modality, own).cpu().numpy())
            bar.advance(task, len(group))
    network.train(training)
    back = np.argsort(np.concatenate(groups))
    return {modality: np.concatenate(parts)[back] for modality, parts in found.items()}


@contextmanager
def _without_search() -> Iterator[None]:
    """cuDNN would search for the fastest algorithm anew for each number of frames."""
    before = torch.backends.cudnn.benchmark
    torch.backends.cudnn.benchmark = False
    try:
        yield
    finally:
        torch.backends.cudnn.benchmark = before


def batched_by_length(lengths: NDArray[np.int_]) -> list[Rows]:
    """Positions in order of length, cut into groups of at most `FRAMES_PER_BATCH` padded frames."""
    groups: list[list[int]] = [[]]
    for position in np.argsort(lengths, kind="stable"):
        if (len(groups[-1]) + 1) * lengths[position] > FRAMES_PER_BATCH and groups[-1]:
            groups.append([])
        groups[-1].append(int(position))
    return [np.array(group, dtype=np.intp) for group in groups]
