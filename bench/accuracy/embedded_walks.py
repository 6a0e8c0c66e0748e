"""Embeddings of a dataset's walks by a bundle, computed once.

Each walk is embedded whole and as a clip of its first three frames, in both modalities.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gait.clip import Clip
from gait.manifest import Manifest
from gait.modality import Modality
from gait.progress import progress
from gait.sustech1k import Sequence as Walk
from gait.sustech1k import find_sequences, load_clip
from gait.variant import Variant
from gallery.network.encoder import Encoder

SHORT = 3
"""Frames of a poor clip."""

_BATCH = 64


@dataclass(frozen=True, eq=False)
class Walks:
    """Embedded walks.

    Args:
        subjects, types, views: `(n,)` strings of each walk.
        parts: of an embedding.
        whole: `(n, dimension)` of all frames, per modality, as the encoder gives them.
        short: the same of the first `SHORT` frames.
    """

    subjects: NDArray[np.str_]
    types: NDArray[np.str_]
    views: NDArray[np.str_]
    parts: int
    whole: dict[Modality, NDArray[np.float32]]
    short: dict[Modality, NDArray[np.float32]]

    def __len__(self) -> int:
        return len(self.subjects)

    def rows(self, rows: NDArray[np.bool_]) -> "Walks":
        """Some of the walks."""
        return Walks(
            self.subjects[rows],
            self.types[rows],
            self.views[rows],
            self.parts,
            {m: e[rows] for m, e in self.whole.items()},
            {m: e[rows] for m, e in self.short.items()},
        )


def embedded_walks(dataset: Path, bundle: Path, cache: Path, threads: int | None = None) -> Walks:
    """Embeds every walk of a tree in SUSTech1K's layout, or reads what an earlier call found.

    Args:
        dataset: the tree.
        bundle: the model.
        cache: folder for the results; they are told apart by model and walks.
        threads: of the network.
    """
    manifest, walks = Manifest.load(bundle), find_sequences(dataset)
    names = [walk.name for walk in walks]
    source = "\n".join([manifest.contract, str(dataset.resolve()), *names])
    file = cache / f"walks-{hashlib.sha256(source.encode()).hexdigest()[:12]}.npz"
    if not file.exists():
        found = _embed(walks, Encoder.load(bundle, variant=Variant.FP32, threads=threads))
        cache.mkdir(parents=True, exist_ok=True)
        partial = file.with_name(f".{file.name}")
        np.savez(partial, allow_pickle=False, **found)
        partial.replace(file)
    with np.load(file, allow_pickle=False) as arrays:
        whole, short = ({m: arrays[f"{m}-{k}"] for m in Modality} for k in ("whole", "short"))
    subjects, types, views = (np.array(c) for c in zip(*(n.split("/") for n in names), strict=True))
    return Walks(subjects, types, views, manifest.embedding.parts, whole, short)


def _embed(walks: Sequence[Walk], encoder: Encoder) -> dict[str, NDArray[np.float32]]:
    found: dict[str, list[NDArray[np.float32]]] = {
        f"{m}-{kind}": [] for m in Modality for kind in ("whole", "short")
    }
    with progress() as bar:
        task = bar.add_task("embedding", total=2 * len(walks), note="")
        for modality in Modality:
            for start in range(0, len(walks), _BATCH):
                clips = [load_clip(walk, modality) for walk in walks[start : start + _BATCH]]
                short = [Clip(clip.frames[:SHORT], modality) for clip in clips]
                found[f"{modality}-whole"].append(encoder.embed(clips))
                found[f"{modality}-short"].append(encoder.embed(short))
                bar.advance(task, len(clips))
    return {name: np.concatenate(blocks) for name, blocks in found.items()}
