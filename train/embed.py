"""The embeddings of a pack's sequences: batched by length, every frame used."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from gait.modality import Modality
from gait.progress import progress
from train.data.batches import MappedFrames, Rows
from train.data.pack import Pack, Record
from train.model.network import GaitNetwork

FRAMES_PER_BATCH = 512
"""Frames that go through a branch at once: at full size the stem makes 1 MiB of each."""


class Embeddings(NamedTuple):
    """The embeddings of the same sequences in both modalities, float32 `(n, p, d)`."""

    silhouette: NDArray[np.float32]
    range_view: NDArray[np.float32]


@torch.inference_mode()
def embed_sequences(
    network: GaitNetwork,
    pack: Pack,
    records: Sequence[Record],
    device: torch.device,
    precision: torch.dtype = torch.float32,
    title: str = "embedding",
) -> Embeddings:
    """Embeds sequences of a pack with the network as it is now, in evaluation mode.

    Sequences of like length go together. A shorter one repeats its last frame, which the maximum
    over frames does not see: the result is that of embedding each alone.

    Args:
        network: on `device`; its mode is restored.
        pack: where the frames are.
        records: which sequences.
        device: where the network is.
        precision: dtype of autocast; float32 for none.
        title: what the progress bar says.

    Returns:
        One embedding a sequence, in the order of `records`.
    """
    training = network.training
    network.eval()
    frames = MappedFrames(pack, records)
    lengths = np.array([r.length for r in records])
    found: tuple[list[NDArray[np.float32]], ...] = ([], [])
    groups = batched_by_length(lengths)
    with progress() as bar, torch.autocast(device.type, precision, precision != torch.float32):
        task = bar.add_task(title, total=len(records), note="")
        for group in groups:
            offsets = np.minimum(np.arange(lengths[group].max()), lengths[group, None] - 1)
            for modality, clips, out in zip(
                Modality, frames.fetch(group, offsets), found, strict=True
            ):
                embedding = network.embed(clips.to(device), modality)
                out.append(embedding.float().cpu().numpy())
            bar.advance(task, len(group))
    network.train(training)
    back = np.argsort(np.concatenate(groups))
    return Embeddings(*(np.concatenate(parts)[back] for parts in found))


def batched_by_length(lengths: NDArray[np.int_]) -> list[Rows]:
    """Positions in order of length, cut into groups of at most `FRAMES_PER_BATCH` padded frames."""
    groups: list[list[int]] = [[]]
    for position in np.argsort(lengths, kind="stable"):
        if (len(groups[-1]) + 1) * lengths[position] > FRAMES_PER_BATCH and groups[-1]:
            groups.append([])
        groups[-1].append(int(position))
    return [np.array(group, dtype=np.intp) for group in groups]
