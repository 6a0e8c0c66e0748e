"""Sources of clips, and their enrolment."""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from gait.clip import Clip
from gait.dataset import record_style
from gait.decode.points.axes import UNKNOWN
from gait.errors import EncoderError, LayoutError, LimitExceededError, StorageError
from gait.modality import Modality
from gait.range_style import RangeStyle
from gait.sustech1k import write_sequence
from gallery.enrolment.bulk import enrol_sources as _enrol_sources
from gallery.enrolment.sources import (
    Selection,
    Source,
    decode_file,
    find_sources,
    other_style,
    require_style,
)
from gallery.gallery import Gallery
from gallery.network.encoder import Encoder
from gallery.network.session import Device
from gallery.opening import create_gallery
from gallery.template import Enrolment, Matrix
from tests.galleries import AUTHORISATION, TINY, walk

pytestmark = pytest.mark.serving

enrol_sources = partial(_enrol_sources, authorisation=AUTHORISATION)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Three subjects, two types, two views, in SUSTech1K's layout."""
    root = tmp_path / "tree"
    for person in range(3):
        for seed, (kind, view) in enumerate(
            (k, v) for k in ("00-nm", "01-nm-bg") for v in ("000", "090")
        ):
            write_sequence(
                root,
                f"000{person}",
                kind,
                view,
                silhouettes=walk(person, 2 + seed, Modality.SILHOUETTE, seed).frames[:, 0],
                range_views=walk(person, 2 + seed, Modality.RANGE_VIEW, seed).frames,
            )
    return root


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """Three subjects with a silhouette and a range-view file each."""
    root = tmp_path / "files"
    for person in range(3):
        folder = root / f"person {person}"
        folder.mkdir(parents=True)
        for modality in Modality:
            np.save(folder / f"{modality}.npy", walk(person, 4, modality).frames)
    return root


@pytest.fixture
def gallery(tmp_path: Path) -> Iterator[Gallery]:
    """An empty gallery, open."""
    with create_gallery(tmp_path / "gallery", TINY) as made:
        yield made


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    """The tiny bundle on one thread."""
    return Encoder.load(TINY, device=Device.CPU, threads=1)


def test_a_tree_gives_every_sequence_in_both_modalities(tree: Path) -> None:
    found = find_sources(tree, Selection())
    assert len(found) == 3 * 2 * 2 * 2
    assert found[0].name == "0000/00-nm/000/silhouette"
    clip = found[1].read(RangeStyle.BINS)
    assert clip.modality is Modality.RANGE_VIEW
    np.testing.assert_array_equal(clip.frames, walk(0, 2, Modality.RANGE_VIEW).frames)


def test_range_views_of_a_tree_say_how_they_are_drawn(tree: Path) -> None:
    """Real people's are SUSTech1K's own pictures, unless something beside them says otherwise."""
    found = find_sources(tree, Selection())
    assert {source.drawn for source in found[::2]} == {None}, "silhouettes"
    assert {source.drawn for source in found[1::2]} == {RangeStyle.SCATTER}
    assert other_style(found, RangeStyle.SCATTER) is None
    said = other_style(found, RangeStyle.BINS)
    assert said is not None
    assert said.startswith("12 clips are range views drawn otherwise than in the style bins")
    with pytest.raises(LayoutError, match="12 clips"):
        require_style(found, RangeStyle.BINS)
    record_style(tree, RangeStyle.BINS)
    require_style(find_sources(tree, Selection()), RangeStyle.BINS)
    (tree / "range_views.json").write_text('{"range_style": "bin"}')
    with pytest.raises(LayoutError, match="names no style, need range_style bins or scatter"):
        find_sources(tree, Selection())
    (tree / "range_views.json").write_text("[" * 100_000)
    with pytest.raises(LayoutError, match="cannot read"):
        find_sources(tree, Selection())
    (tree / "range_views.json").unlink()
    (tree / "simulation.json").write_text("[" * 100_000)
    require_style(find_sources(tree, Selection()), RangeStyle.BINS)


@pytest.mark.parametrize(
    ("selection", "count"),
    [
        (Selection(subjects=("0001",)), 8),
        (Selection(types=("00-nm",)), 12),
        (Selection(types=("*-nm*",)), 24),
        (Selection(views=("090",), modality=Modality.RANGE_VIEW), 6),
        (Selection(subjects=("0001", "0002"), types=("*bg",), views=("000",)), 4),
    ],
)
def test_a_selection_takes_what_matches(tree: Path, selection: Selection, count: int) -> None:
    assert len(find_sources(tree, selection)) == count


def test_a_folder_gives_its_files_by_subject(files: Path) -> None:
    found = find_sources(files, Selection(subjects=("person 1", "person 2")))
    assert [(s.subject, s.name) for s in found] == [
        (f"person {p}", f"person {p}/{name}.npy")
        for p in (1, 2)
        for name in ("range_view", "silhouette")
    ]


def test_a_csv_gives_its_rows(files: Path) -> None:
    table = files / "people.csv"
    table.write_text(
        "subject,path,modality,note\n"
        "Zoë,person 0/silhouette.npy,silhouette,x\n"
        '"Doe, Jo",person 1/range_view.npy,,\n',
        encoding="utf-8",
    )
    found = find_sources(table, Selection())
    assert [s.subject for s in found] == ["Zoë", "Doe, Jo"]
    assert [s.read(RangeStyle.BINS).modality for s in found] == list(Modality)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("file,person\na,b\n", "line 2: .* need a `path` and a `subject`"),
        ("path,subject\na.npy,x\nb.npy,\n", "line 3"),
        ("path,subject\na.npy\n", "line 2"),
        ("path,subject,modality\na.npy,x,lidar\n", "line 2: got modality 'lidar'"),
        ("path,subject\n", "no clip in"),
        ('path,subject\n"a.npy,x\n', "not a CSV file"),
    ],
)
def test_a_wrong_csv_is_said_with_the_line(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "people.csv").write_text(text)
    with pytest.raises(LayoutError, match=says):
        find_sources(tmp_path / "people.csv", Selection())


def test_what_is_no_layout_or_matches_nothing_is_said(tree: Path, files: Path) -> None:
    with pytest.raises(LayoutError, match="neither a CSV"):
        find_sources(tree / "0000" / "00-nm" / "000", Selection())
    with pytest.raises(LayoutError, match="no file or folder"):
        find_sources(tree / "nowhere", Selection())
    with pytest.raises(LayoutError, match="of the selection"):
        find_sources(tree, Selection(subjects=("9999",)))
    with pytest.raises(LayoutError, match="no types and views"):
        find_sources(files, Selection(types=("00-nm",)))


def test_enrolled_people_are_found(tree: Path, gallery: Gallery, encoder: Encoder) -> None:
    sources = find_sources(tree, Selection(types=("00-nm",)))
    outcome = enrol_sources(gallery, encoder, sources, batch=5)
    assert (outcome.enrolled, outcome.present, outcome.rejected) == (12, 0, [])
    for source in sources:
        (embedding,) = encoder.embed([clip := source.read(RangeStyle.BINS)])
        best = gallery.identify(embedding, 1, clip.modality)[0]
        assert (best.subject, best.source) == (source.subject, source.name)


def test_an_interrupted_enrolment_goes_on_where_it_stopped(
    tree: Path, gallery: Gallery, encoder: Encoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    sources = find_sources(tree, Selection())
    enrol = gallery.enrol
    calls: list[int] = []

    def failing(items: list[Enrolment]) -> list[int]:
        if len(calls) == 2:
            raise StorageError("no space left")
        calls.append(len(items))
        return enrol(items)

    with monkeypatch.context() as patch:
        patch.setattr(gallery, "enrol", failing)
        with pytest.raises(StorageError):
            enrol_sources(gallery, encoder, sources, batch=4)
    assert gallery.counts().templates == 8
    outcome = enrol_sources(gallery, encoder, sources, batch=4)
    assert (outcome.present, outcome.enrolled) == (8, 16)
    again = enrol_sources(gallery, encoder, sources, batch=4)
    assert (again.present, again.enrolled) == (24, 0)
    assert gallery.counts().templates == 24


def test_each_clip_that_cannot_be_enrolled_is_told_with_its_reason(
    files: Path, gallery: Gallery, encoder: Encoder
) -> None:
    (files / "person 0" / "broken.npy").write_bytes(b"\x93NUMPY")
    (files / "person 1" / "notes.txt").write_text("left leg shorter")
    np.save(files / "person 2" / "empty.npy", np.zeros((0, 1, 64, 64), np.uint8))
    advanced: list[int] = []
    sources = [*find_sources(files, Selection()), Source("x" * 200, "long", "", lambda _: None)]  # type: ignore[arg-type,return-value]
    outcome = enrol_sources(gallery, encoder, sources, advance=advanced.append)
    assert outcome.enrolled == 6
    codes = {r.source: r.code for r in outcome.rejected}
    assert codes == {
        "person 0/broken.npy": "decode.corrupt",
        "person 1/notes.txt": "decode.format",
        "person 2/empty.npy": "clip.empty",
        "long": "gallery.invalid",
    }
    assert sum(advanced) == len(sources)


def test_a_clip_the_network_refuses_does_not_take_the_batch_with_it(
    files: Path, gallery: Gallery, encoder: Encoder
) -> None:
    bad = walk(1, 4, Modality.SILHOUETTE).frames

    class Picky(Encoder):
        range_style = RangeStyle.BINS

        def __init__(self) -> None:
            pass

        def embed(self, clips: list[Clip]) -> Matrix:  # type: ignore[override]
            if any(c.frames.shape == bad.shape and (c.frames == bad).all() for c in clips):
                raise EncoderError("not finite")
            return encoder.embed(clips)

    outcome = enrol_sources(gallery, Picky(), find_sources(files, Selection()))
    assert outcome.enrolled == 5
    assert [r.source for r in outcome.rejected] == ["person 1/silhouette.npy"]


def test_a_modality_that_was_asked_for_rejects_the_other(
    files: Path, gallery: Gallery, encoder: Encoder
) -> None:
    selection = replace(Selection(), modality=Modality.RANGE_VIEW)
    outcome = enrol_sources(gallery, encoder, find_sources(files, selection))
    assert outcome.enrolled == 3
    assert {r.code for r in outcome.rejected} == {"clip.modality"}


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "disk.npy"
    with path.open("wb") as file:
        file.truncate(1 << 40)  # takes no space
    with pytest.raises(LimitExceededError, match="bytes in the file"):
        decode_file(path, None, UNKNOWN, RangeStyle.BINS)
