"""SUSTech1K's folder layout: `ROOT/<subject>/<type>/<view>/NN-[sync-]<view>-<Sensor>-<name>.pkl`.

Of a sequence the files 09 and 14 are read; all three are written for simulated walkers. They are
synchronised at 10 Hz: all hold the same number T of frames, which may be 0.

| file | content |
|---|---|
| `08-sync-<view>-LiDAR-PCDs.pkl` | list of T float64 arrays `(N_t, 3)`, metres |
| `09-sync-<view>-LiDAR-PCDs_depths.pkl` | range views, uint8 `(T, 3, 64, 64)` RGB, black = empty |
| `14-sync-<view>-Camera-Sils_aligned.pkl` | silhouettes, uint8 `(T, 64, 64)`, soft: 0..255 |

Layout: Shen et al., "LidarGait: Benchmarking 3D Gait Recognition with Point Clouds", CVPR 2023.
"""

import os
import pickle
import re
import shutil
import tempfile
from collections.abc import Iterator
from collections.abc import Sequence as Items
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gait.clip import Clip, Frames
from gait.errors import ClipDtypeError, ClipShapeError, LayoutError, StorageError
from gait.modality import SIZE, Modality
from gait.pickles import load_arrays

Points = NDArray[np.float64]

POINTS = "08-sync-{view}-LiDAR-PCDs.pkl"
RANGE_VIEWS = "09-sync-{view}-LiDAR-PCDs_depths.pkl"
SILHOUETTES = "14-sync-{view}-Camera-Sils_aligned.pkl"

_PROTOCOL = 4


@dataclass(frozen=True, order=True)
class Sequence:
    """One walk of one subject, seen from one view.

    Args:
        subject: the id, a folder name such as `0000`.
        type: condition, such as `00-nm` or `01-cr-uf`.
        view: such as `000` or `090-near`.
        folder: where its files are.
    """

    subject: str
    type: str
    view: str
    folder: Path

    @property
    def name(self) -> str:
        """`subject/type/view`."""
        return f"{self.subject}/{self.type}/{self.view}"


def find_sequences(root: Path) -> list[Sequence]:
    """All sequences below a folder, sorted by subject, type and view.

    Hidden folders (half-written sequences among them) and plain files are passed over.

    Raises:
        LayoutError: the folder does not exist or holds no `<subject>/<type>/<view>` folder.
    """
    if not root.is_dir():
        raise LayoutError(f"{root} is not a folder", folder=str(root))
    found = [
        Sequence(subject.name, type_.name, view.name, view)
        for subject in _folders(root)
        for type_ in _folders(subject)
        for view in _folders(type_)
    ]
    if not found:
        raise LayoutError(
            f"{root} holds no <subject>/<type>/<view> folders; "
            "give the folder that contains the subjects",
            folder=str(root),
        )
    return found


def load_silhouettes(sequence: Sequence, name: str = SILHOUETTES) -> Frames:
    """The sequence's silhouettes: uint8 `(s, 1, 64, 64)`, soft values 0..255 as stored.

    Args:
        sequence: which.
        name: of the file; `{view}` stands for the view's name.

    Raises:
        LayoutError: the file is missing.
        ClipShapeError, ClipDtypeError: it holds something else.
        ForbiddenPickleError, CorruptDataError: as `gait.pickles.load_arrays`.
    """
    path = _path(sequence, name)
    return _frames(load_arrays(path), (SIZE, SIZE), path)[:, np.newaxis]


def load_range_views(sequence: Sequence, name: str = RANGE_VIEWS) -> Frames:
    """The sequence's range views: uint8 `(s, 3, 64, 64)` RGB. Arguments as `load_silhouettes`.

    Raises:
        LayoutError: the file is missing.
        ClipShapeError, ClipDtypeError: it holds something else.
        ForbiddenPickleError, CorruptDataError: as `gait.pickles.load_arrays`.
    """
    path = _path(sequence, name)
    return _frames(load_arrays(path), (3, SIZE, SIZE), path)


def load_clip(sequence: Sequence, modality: Modality) -> Clip:
    """One modality of the sequence.

    Raises:
        ClipEmptyError: it has no frame.
        LayoutError, ClipError, DataError: as `load_silhouettes` and `load_range_views`.
    """
    load = load_silhouettes if modality is Modality.SILHOUETTE else load_range_views
    return Clip(load(sequence), modality)


def write_sequence(
    root: Path,
    subject: str,
    type: str,
    view: str,
    *,
    silhouettes: Frames,
    range_views: Frames,
    points: Items[NDArray[np.floating]] | None = None,
) -> Sequence:
    """Writes a sequence in the layout above: all of its files or none, the same bytes every time.

    The files appear under their folder's final name only when all are written, so a killed run
    leaves at most a hidden folder, which readers pass over.

    Args:
        root: dataset folder; made if missing.
        subject, type, view: folder names.
        silhouettes: uint8 `(s, 64, 64)`.
        range_views: uint8 `(s, 3, 64, 64)`.
        points: `s` clouds `(k, 3)`, metres; stored as float64. None leaves the file out.

    Returns:
        The sequence, as `find_sequences` will find it.

    Raises:
        ClipShapeError, ClipDtypeError: an array is not as above, or the lengths differ.
        LayoutError: the sequence exists already.
        StorageError: the disk is full or the folder cannot be written.
    """
    sequence = Sequence(subject, type, view, root / subject / type / view)
    content: dict[str, object] = {
        RANGE_VIEWS: _frames(range_views, (3, SIZE, SIZE), sequence.folder),
        SILHOUETTES: _frames(silhouettes, (SIZE, SIZE), sequence.folder),
    }
    if points is not None:
        content[POINTS] = [_cloud(cloud, sequence.folder) for cloud in points]
    lengths = {len(silhouettes), len(range_views), len(silhouettes if points is None else points)}
    if len(lengths) != 1:
        raise ClipShapeError(f"{sequence.name}: modalities of {sorted(lengths)} frames, need equal")
    if sequence.folder.exists():
        raise LayoutError(f"{sequence.folder} exists; remove it to write it again")
    try:
        _write(sequence, content)
    except OSError as error:
        raise StorageError(f"cannot write {sequence.folder}: {error}") from error
    return sequence


def _write(sequence: Sequence, content: dict[str, object]) -> None:
    parent = sequence.folder.parent
    parent.mkdir(parents=True, exist_ok=True)
    part = Path(tempfile.mkdtemp(prefix=f".{sequence.view}.", dir=parent))
    try:
        for name, item in content.items():
            data = pickle.dumps(item, protocol=_PROTOCOL)
            (part / name.format(view=sequence.view)).write_bytes(data)
        part.chmod(0o755)
        part.rename(sequence.folder)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise


def _folders(parent: Path) -> Iterator[Path]:
    with os.scandir(parent) as entries:
        names = sorted(e.name for e in entries if e.is_dir() and not e.name.startswith("."))
    return (parent / name for name in names)


def _path(sequence: Sequence, name: str) -> Path:
    """The file of one kind. The released files say `sync-`; some copies leave it out."""
    index, found, rest = name.partition("-sync-{view}")
    named = sequence.folder / name.replace("{view}", sequence.view)
    if not found:
        return _existing(named)
    pattern = re.compile(rf"{re.escape(index)}-(sync-)?.*{re.escape(rest)}")
    with os.scandir(sequence.folder) as entries:
        names = sorted(e.name for e in entries if pattern.fullmatch(e.name))
    return _existing(sequence.folder / names[-1] if names else named)


def _existing(path: Path) -> Path:
    if not path.exists():
        raise LayoutError(f"{path.parent} has no {path.name}", file=path.name)
    return path


def _frames(item: object, shape: tuple[int, ...], source: Path) -> Frames:
    """The item, if it is uint8 `(s, *shape)`, in C order and with numpy's own dtype object.

    (A pickle's bytes depend on which dtype objects are shared, so `view` makes them the same.)
    """
    if not isinstance(item, np.ndarray):
        raise ClipShapeError(f"{source} holds a {type(item).__name__}, need an array of frames")
    if item.shape[1:] != shape or item.ndim != len(shape) + 1:
        want = ", ".join(map(str, shape))
        raise ClipShapeError(f"{source} has frames of shape {item.shape}, need (frames, {want})")
    if item.dtype != np.uint8:
        raise ClipDtypeError(f"{source} has frames of {item.dtype}, need uint8")
    return np.ascontiguousarray(item).view(np.uint8)


def _cloud(item: object, source: Path) -> Points:
    """The item, if it is a numeric `(k, 3)` array, as C-ordered float64."""
    if not isinstance(item, np.ndarray) or item.ndim != 2 or item.shape[1] != 3:
        got = getattr(item, "shape", type(item).__name__)
        raise ClipShapeError(f"{source} holds a frame of {got}, need (points, 3)")
    if item.dtype.kind not in "fiu":
        raise ClipShapeError(f"{source} holds points of {item.dtype}, need numbers")
    return np.ascontiguousarray(item, dtype=np.float64).view(np.float64)
