"""FreeGait's layout: `ROOT/<subject>/<device>/<sequence>/{image,range_pkl,...}.pkl`.

That is the tree after OpenGait's rearrangement; the tree before it, with one more folder of the
same name around each pickle, is read too. `image` holds the silhouettes, `range_pkl` the range
views; other names can be given. The shapes inside are documented nowhere, so several are accepted,
and what is none of them is described in the error.

Dataset: Han et al., "Gait Recognition in Large-scale Free Environment via Single LiDAR", 2024.
"""

from collections.abc import Sequence as Records
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from gait.clip import Frames
from gait.errors import ClipDtypeError, ClipShapeError, LayoutError
from gait.modality import SIZE, Modality
from gait.pickles import load_arrays
from gait.sustech1k import Sequence
from train.data.dataset_layout import DatasetLayout, Embedded, Scoring
from train.data.pack import Record
from train.protocols.freegait import evaluate_freegait
from train.protocols.result import ProtocolResult

MAX_FRAMES = 100_000
MAX_SIDE = 4096


def read(sequence: Sequence, modality: Modality, name: str) -> Frames:
    """The frames of a sequence in one modality, uint8 `(s, c, 64, 64)`.

    Args:
        sequence: which.
        modality: what the frames show.
        name: of the pickle, `.pkl` included.

    Raises:
        LayoutError: there is no such file.
        ClipShapeError, ClipDtypeError: it holds something that cannot be frames.
        ForbiddenPickleError, CorruptDataError: as `gait.pickles.load_arrays`.
    """
    for path in (sequence.folder / name, sequence.folder / Path(name).stem / name):
        if path.is_file():
            return to_frames(load_arrays(path), modality, path)
    raise LayoutError(f"{sequence.folder} has no {name}", file=name)


def score(embedded: Embedded, records: Records[Record], how: Scoring) -> ProtocolResult:
    """Scores embeddings by the protocol of one pooled gallery."""
    return evaluate_freegait(
        embedded.get(Modality.SILHOUETTE),
        embedded.get(Modality.RANGE_VIEW),
        np.array([record.subject for record in records]),
        np.array([record.role or "" for record in records]),
        gallery=how.gallery,
        ranks=how.ranks,
        bootstrap=how.bootstrap,
        seed=how.seed,
        simulated=how.simulated,
        distance=how.distance,
    )


def to_frames(content: object, modality: Modality, source: Path) -> Frames:
    """Frames in any of the accepted forms as uint8 `(s, c, 64, 64)`.

    Accepted: an array `(s, h, w)`, `(s, h, w, c)` or `(s, c, h, w)` with `c` 1 or 3, or a list of
    single frames of such shapes, of uint8, bool or float. Values up to 1 are scaled by 255. Each
    frame is resized to 64×64 as a whole. One channel is repeated for a range view; three are
    averaged for a silhouette.

    Args:
        content: what the pickle held.
        modality: what the frames show.
        source: the file, for messages.

    Raises:
        ClipShapeError, ClipDtypeError: none of these; the message says what was found.
    """
    if not isinstance(content, list | np.ndarray):
        raise ClipShapeError(f"{source} holds a {type(content).__name__}, need frames")
    if len(content) > MAX_FRAMES:
        raise ClipShapeError(f"{source} has {len(content)} frames, at most {MAX_FRAMES} are read")
    frames = np.empty((len(content), modality.channels, SIZE, SIZE), np.uint8)
    scale = _scale(content, source)
    for index, item in enumerate(content):
        frames[index] = _frame(item, scale, modality.channels, source)
    return frames


def _scale(content: list[Any] | NDArray[Any], source: Path) -> float:
    """255 when no value of the sequence is above 1, else 1."""
    highest = 0.0
    for item in content:
        if not isinstance(item, np.ndarray) or not item.size:
            got = getattr(item, "shape", type(item).__name__)
            raise ClipShapeError(
                f"{source} has a frame of {got}, need (h, w) or with 1 or 3 channels"
            )
        if item.dtype not in (np.uint8, np.bool_) and item.dtype.kind != "f":
            raise ClipDtypeError(f"{source} has frames of {item.dtype}, need uint8, bool or float")
        low, high = float(item.min()), float(item.max())
        if not 0 <= low <= high <= 255:
            raise ClipDtypeError(
                f"{source} has values from {low:g} to {high:g}, need 0..1 or 0..255"
            )
        highest = max(highest, high)
    return 255.0 if highest <= 1 else 1.0


def _frame(item: NDArray[Any], scale: float, channels: int, source: Path) -> Frames:
    image = _channels_last(item, source).astype(np.float32) * scale
    image = image.mean(axis=2) if channels == 1 else np.broadcast_to(image, (*image.shape[:2], 3))
    resized = cv2.resize(np.ascontiguousarray(image), (SIZE, SIZE), interpolation=cv2.INTER_AREA)
    return np.rint(np.atleast_3d(resized)).astype(np.uint8).transpose(2, 0, 1)


def _channels_last(frame: NDArray[Any], source: Path) -> NDArray[Any]:
    if max(frame.shape, default=0) <= MAX_SIDE:
        if frame.ndim == 2:
            return frame[:, :, np.newaxis]
        if frame.ndim == 3 and frame.shape[2] in (1, 3):
            return frame
        if frame.ndim == 3 and frame.shape[0] in (1, 3):
            return frame.transpose(1, 2, 0)
    raise ClipShapeError(
        f"{source} has frames of shape {frame.shape}, "
        f"need (h, w), (h, w, 3) or (3, h, w) with sides up to {MAX_SIDE}"
    )


FREEGAIT = DatasetLayout(
    files={Modality.SILHOUETTE: "image.pkl", Modality.RANGE_VIEW: "range_pkl.pkl"},
    read=read,
    score=score,
    in_gallery=lambda record: record.role == "gallery",
    is_probe=lambda record: record.role == "probe",
    one_view=False,
)
