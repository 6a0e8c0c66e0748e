"""SUSTech1K's layout: what is written is found and read; what is missing or odd is named."""

import hashlib
import pickle
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gait.errors import (
    ClipDtypeError,
    ClipShapeError,
    CorruptDataError,
    ForbiddenPickleError,
    LayoutError,
    StorageError,
)
from gait.sustech1k import (
    Sequence,
    find_sequences,
    load_range_views,
    load_silhouettes,
    write_sequence,
)

pytestmark = pytest.mark.serving

RNG = np.random.default_rng(0)
SILHOUETTES = RNG.integers(0, 256, (4, 64, 64), dtype=np.uint8)
RANGE_VIEWS = RNG.integers(0, 256, (4, 3, 64, 64), dtype=np.uint8)
POINTS = [RNG.normal(size=(n, 3)) for n in (5, 0, 9, 2)]


def _write(root: Path, subject: str = "0000", type: str = "00-nm", view: str = "000") -> Sequence:
    return write_sequence(
        root, subject, type, view, silhouettes=SILHOUETTES, range_views=RANGE_VIEWS, points=POINTS
    )


def _digests(folder: Path) -> dict[str, str]:
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in folder.iterdir()}


def test_a_written_sequence_reads_back(tmp_path: Path) -> None:
    written = _write(tmp_path, view="090-near")
    assert find_sequences(tmp_path) == [written]
    assert sorted(p.name for p in written.folder.iterdir()) == [
        "08-sync-090-near-LiDAR-PCDs.pkl",
        "09-sync-090-near-LiDAR-PCDs_depths.pkl",
        "14-sync-090-near-Camera-Sils_aligned.pkl",
    ]
    assert np.array_equal(load_silhouettes(written), SILHOUETTES[:, None])
    assert np.array_equal(load_range_views(written), RANGE_VIEWS)
    clouds = pickle.loads((written.folder / "08-sync-090-near-LiDAR-PCDs.pkl").read_bytes())  # noqa: S301
    assert len(clouds) == len(POINTS)
    assert all(np.array_equal(a, b) for a, b in zip(clouds, POINTS, strict=True))


def test_other_programs_read_what_is_written(tmp_path: Path) -> None:
    folder = _write(tmp_path).folder
    with (folder / "14-sync-000-Camera-Sils_aligned.pkl").open("rb") as file:
        silhouettes = pickle.load(file)  # noqa: S301
    assert silhouettes.dtype == np.uint8
    assert silhouettes.shape == (4, 64, 64)


def test_the_same_content_gives_the_same_bytes(tmp_path: Path) -> None:
    first = _write(tmp_path / "a")
    second = write_sequence(
        tmp_path / "b",
        "0000",
        "00-nm",
        "000",
        silhouettes=np.asfortranarray(SILHOUETTES).view(np.dtype("u1").newbyteorder("|")),
        range_views=np.repeat(RANGE_VIEWS, 2, axis=0)[::2],
        points=[np.asfortranarray(p.astype(">f8")) for p in POINTS],
    )
    assert _digests(first.folder) == _digests(second.folder)


def test_sequences_are_sorted_and_half_written_ones_passed_over(tmp_path: Path) -> None:
    for subject, type, view in (
        ("0001", "00-nm", "000"),
        ("0000", "01-bg", "090"),
        ("0000", "01-bg", "000-far"),
    ):
        _write(tmp_path, subject, type, view)
    (tmp_path / "0000" / "01-bg" / ".180.abc").mkdir()
    (tmp_path / "simulation.json").write_text("{}")
    assert [s.name for s in find_sequences(tmp_path)] == [
        "0000/01-bg/000-far",
        "0000/01-bg/090",
        "0001/00-nm/000",
    ]


def test_names_without_sync_are_read_and_unsynchronised_indices_are_not(tmp_path: Path) -> None:
    sequence = _write(tmp_path)
    path = sequence.folder / "14-sync-000-Camera-Sils_aligned.pkl"
    path.rename(sequence.folder / "14-000-Camera-Sils_aligned.pkl")
    shutil.copy(
        sequence.folder / "09-sync-000-LiDAR-PCDs_depths.pkl",
        sequence.folder / "00-000-LiDAR-PCDs_depths.pkl",
    )
    assert load_silhouettes(sequence).shape == (4, 1, 64, 64)
    (sequence.folder / "09-sync-000-LiDAR-PCDs_depths.pkl").unlink()
    with pytest.raises(LayoutError, match="has no 09-sync-000-LiDAR-PCDs"):
        load_range_views(sequence)


@pytest.mark.parametrize("name", ["05-{view}-Camera-Sils.pkl", "05-000-Camera-Sils.pkl", "s.pkl"])
def test_a_file_may_have_another_name(tmp_path: Path, name: str) -> None:
    sequence = _write(tmp_path)
    other = SILHOUETTES[:2]
    (sequence.folder / name.replace("{view}", "000")).write_bytes(pickle.dumps(other))
    assert np.array_equal(load_silhouettes(sequence, name), other[:, None])
    with pytest.raises(LayoutError, match="no 06-000-sils"):
        load_silhouettes(sequence, "06-{view}-sils")


def test_a_sequence_without_points_or_frames_can_be_written(tmp_path: Path) -> None:
    sequence = write_sequence(
        tmp_path, "0", "00-nm", "000", silhouettes=SILHOUETTES[:0], range_views=RANGE_VIEWS[:0]
    )
    assert load_silhouettes(sequence).shape == (0, 1, 64, 64)
    assert load_range_views(sequence).shape == (0, 3, 64, 64)
    assert not list(sequence.folder.glob("08-*"))


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"silhouettes": SILHOUETTES[:, None]}, ClipShapeError),
        ({"silhouettes": SILHOUETTES[:3]}, ClipShapeError),
        ({"silhouettes": SILHOUETTES > 0}, ClipDtypeError),
        ({"range_views": RANGE_VIEWS.transpose(0, 2, 3, 1)}, ClipShapeError),
        ({"range_views": RANGE_VIEWS / 255}, ClipDtypeError),
        ({"points": POINTS[:3]}, ClipShapeError),
        ({"points": [p[:, :2] for p in POINTS]}, ClipShapeError),
        ({"points": [p > 0 for p in POINTS]}, ClipShapeError),
    ],
)
def test_what_does_not_fit_is_not_written(
    tmp_path: Path, changes: Any, error: type[Exception]
) -> None:
    arrays = {"silhouettes": SILHOUETTES, "range_views": RANGE_VIEWS, "points": POINTS}
    with pytest.raises(error):
        write_sequence(tmp_path, "0", "00-nm", "000", **(arrays | changes))
    assert list(tmp_path.iterdir()) == []


def test_a_sequence_is_never_overwritten(tmp_path: Path) -> None:
    _write(tmp_path)
    with pytest.raises(LayoutError, match="exists"):
        _write(tmp_path)


def test_a_failed_write_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = Path.write_bytes
    written: list[Path] = []

    def full(path: Path, data: bytes) -> int:
        if written:
            raise OSError(28, "No space left on device")
        written.append(path)
        return write(path, data)

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(StorageError, match="No space left"):
        _write(tmp_path)
    assert written
    assert list((tmp_path / "0000" / "00-nm").iterdir()) == []


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (pickle.dumps([1, 2]), ClipShapeError),
        (pickle.dumps(SILHOUETTES[:, :32]), ClipShapeError),
        (pickle.dumps(SILHOUETTES.astype(float)), ClipDtypeError),
        (pickle.dumps(SILHOUETTES)[:-100], CorruptDataError),
        (pickle.dumps(Path("x")), ForbiddenPickleError),
    ],
)
def test_a_file_of_something_else_is_named(
    tmp_path: Path, content: bytes, error: type[Exception]
) -> None:
    sequence = _write(tmp_path)
    (sequence.folder / "14-sync-000-Camera-Sils_aligned.pkl").write_bytes(content)
    with pytest.raises(error, match="14-sync-000-Camera-Sils_aligned"):
        load_silhouettes(sequence)


def test_a_folder_of_something_else_is_named(tmp_path: Path) -> None:
    with pytest.raises(LayoutError, match="is not a folder"):
        find_sequences(tmp_path / "missing")
    with pytest.raises(LayoutError, match="give the folder that contains the subjects"):
        find_sequences(tmp_path)
