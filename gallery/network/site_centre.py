"""Where a site's embeddings lie: taken away, cosines compare people and not cameras or streets.

A sensor that the network has not seen moves all embeddings the same way. The mean over many people
is that move; it needs no names (the mean part of CORAL: Sun, Feng and Saenko, "Return of
frustratingly easy domain adaptation", 2016).
"""

import io

import numpy as np

from gait.errors import BundleError
from gait.modality import Modality
from gallery.template import Matrix, Vector

Centre = dict[Modality, Vector]
"""`(dimension,)` float32 for each modality, zero where a site has no such sensor."""


def centre_file(centre: Centre) -> bytes:
    """A centre as it is kept in a bundle."""
    file = io.BytesIO()
    stacked = np.stack([centre[modality] for modality in Modality]).astype(np.float32)
    np.save(file, stacked, allow_pickle=False)
    return file.getvalue()


def parse_centre(file: bytes) -> Centre:
    """A centre from its file.

    Raises:
        BundleError: it is none.
    """
    try:
        stacked = np.load(io.BytesIO(file), allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise BundleError(f"not a site's centre: {error}") from error
    if stacked.ndim != 2 or len(stacked) != len(Modality) or not np.isfinite(stacked).all():
        raise BundleError(f"got a site's centre of shape {stacked.shape}: make it again")
    return dict(zip(Modality, stacked, strict=True))


def centred(embeddings: Matrix, centre: Vector) -> Matrix:
    """Embeddings `(n, dimension)` of norm 1 less the centre, again of norm 1."""
    moved = embeddings - centre
    unit: Matrix = moved / np.maximum(np.linalg.norm(moved, axis=1, keepdims=True), 1e-12)
    return unit
