"""Made-up embeddings of people with a known spread, to calibrate and to search with."""

import numpy as np

from gait.modality import Modality
from gallery.decision.fitting import LabelledClips


def labelled(
    people: int, *, clips: int = 4, dimension: int = 16, spread: float = 0.35, seed: int = 0
) -> LabelledClips:
    """People of two walks with `clips` clips of each modality: unit vectors about their own."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(people, dimension))
    centres /= np.linalg.norm(centres, axis=1, keepdims=True)
    columns = [
        (f"{person:04}", f"{walk:02}", str(modality))
        for person in range(people)
        for walk in range(2)
        for modality in Modality
        for _ in range(clips)
    ]
    subjects, walks, modalities = (np.array(column) for column in zip(*columns, strict=True))
    own = centres[subjects.astype(int)]
    embeddings = own + spread * rng.normal(size=own.shape) / np.sqrt(dimension)
    embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)
    return LabelledClips(subjects, walks, modalities, embeddings.astype(np.float32))
