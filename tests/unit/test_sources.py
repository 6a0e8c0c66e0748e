"""Where clips to enrol are found: folders of frames, OpenGait's trees, and what is refused."""

import pickle
from pathlib import Path

import numpy as np
import pytest

from gait.decode.points.axes import UNKNOWN
from gait.errors import LayoutError, LimitExceededError
from gait.modality import Modality
from gait.range_style import RangeStyle
from gait.silhouette import align
from gallery.enrolment.sources import TRACKS, Selection, decode_file, find_sources, read_file
from tests import clip_files as files

pytestmark = pytest.mark.serving

MASKS = files.masks()
WANT = align(MASKS).frames
ANY = Selection()


def frames_in(folder: Path) -> Path:
    folder.mkdir(parents=True)
    for place, mask in enumerate(MASKS):
        (folder / f"{place}.png").write_bytes(files.picture(mask))
    (folder / ".DS_Store").write_bytes(b"x")
    return folder


def pickled(path: Path, held: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(pickle.dumps(held))


def test_a_folder_of_frames_is_a_clip(tmp_path: Path) -> None:
    from gait.decode import decode_clip

    folder = frames_in(tmp_path / "walk")
    found = decode_file(folder, None, UNKNOWN, RangeStyle.BINS)
    assert found.format == "zip/png"
    np.testing.assert_array_equal(found.clip.frames, WANT)
    np.testing.assert_array_equal(decode_clip(read_file(folder)).clip.frames, WANT)


def test_a_link_that_leads_round_counts_a_clip_once(tmp_path: Path) -> None:
    walk = tmp_path / "anna" / "walk"
    walk.mkdir(parents=True)
    (walk / "one.npy").write_bytes(files.npy(MASKS))
    (walk / "round").symlink_to(tmp_path / "anna")
    assert [source.name for source in find_sources(tmp_path, ANY)] == ["anna/walk/one.npy"]


def test_people_with_folders_of_frames_at_any_depth(tmp_path: Path) -> None:
    frames_in(tmp_path / "anna")
    (tmp_path / "anna" / "more.npy").write_bytes(files.npy(MASKS))
    frames_in(tmp_path / "ben" / "walk")
    frames_in(tmp_path / "cleo" / "nm" / "090")
    found = find_sources(tmp_path, ANY)
    assert [(source.subject, source.name) for source in found] == [
        ("anna", "anna"),
        ("anna", "anna/more.npy"),
        ("ben", "ben/walk"),
        ("cleo", "cleo/nm/090"),
    ]
    for source in found:
        np.testing.assert_array_equal(source.read(RangeStyle.BINS).frames, WANT)
    assert [s.subject for s in find_sources(tmp_path, Selection(subjects=("b*",)))] == ["ben"]
    with pytest.raises(LayoutError, match="no types and views"):
        find_sources(tmp_path, Selection(views=("090",)))


def test_types_and_views_choose_among_folders_of_frames(tmp_path: Path) -> None:
    for view in ("000", "090"):
        frames_in(tmp_path / "cleo" / "nm" / view)
    (found,) = find_sources(tmp_path, Selection(types=("nm",), views=("090",)))
    assert found.name == "cleo/nm/090"


def test_opengaits_trees(tmp_path: Path) -> None:
    narrow = MASKS[:, :, 20:80]
    pickled(tmp_path / "001" / "nm-01" / "090" / "090.pkl", narrow)
    pickled(tmp_path / "001" / "nm-01" / "180" / "000.pkl", list(narrow))
    pickled(tmp_path / "002" / "nm-01" / "090" / "000.pkl", files.clouds())
    found = find_sources(tmp_path, ANY)
    assert [source.name for source in found] == [
        "001/nm-01/090/090.pkl",
        "001/nm-01/180/000.pkl",
        "002/nm-01/090/000.pkl",
    ]
    np.testing.assert_array_equal(found[0].read(RangeStyle.BINS).frames, align(narrow).frames)
    np.testing.assert_array_equal(found[1].read(RangeStyle.BINS).frames, align(narrow).frames)
    assert found[2].read(RangeStyle.BINS).modality is Modality.RANGE_VIEW
    (chosen,) = find_sources(tmp_path, Selection(views=("180",)))
    assert chosen.name == "001/nm-01/180/000.pkl"


def clip_at(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(files.npy(MASKS))
    return path


def test_a_persons_clips_are_found_at_any_depth(tmp_path: Path) -> None:
    for name in (
        "walk.npy",
        "0001/walk.npy",
        "0005/walk.npy",
        "0005/more.npy",
        "mon/0001/walk.npy",
    ):
        clip_at(tmp_path / "anna" / name)
    clip_at(tmp_path / "anna" / ".0007.part" / "walk.npy")
    (tmp_path / "anna" / "0001" / "notes.txt").write_text("not a clip")
    found = find_sources(tmp_path, ANY)
    assert [(source.name, source.walk) for source in found] == [
        ("anna/walk.npy", "walk"),
        ("anna/0001/walk.npy", "0001"),
        ("anna/0005/more.npy", "0005"),
        ("anna/0005/walk.npy", "0005"),
        ("anna/mon/0001/walk.npy", "mon"),
    ]
    assert {source.subject for source in found} == {"anna"}


def test_a_recording_of_many_people_is_not_taken_for_one_person(tmp_path: Path) -> None:
    clip_at(tmp_path / "monday" / "0001" / "walk.npy")
    (tmp_path / "monday" / TRACKS).write_text("{}")
    with pytest.raises(LayoutError, match=r"monday is a recording.*delete its tracks\.json"):
        find_sources(tmp_path, ANY)
    assert [each.subject for each in find_sources(tmp_path / "monday", ANY)] == ["0001"]


def test_clips_in_a_tree_of_pickles_are_not_lost_without_a_word(tmp_path: Path) -> None:
    pickled(tmp_path / "001" / "nm-01" / "090" / "090.pkl", MASKS)
    clip_at(tmp_path / "001" / ".hidden.npy")
    assert len(find_sources(tmp_path, ANY)) == 1
    clip_at(tmp_path / "anna" / "walk.npy")
    with pytest.raises(LayoutError, match=r"anna/walk\.npy is a clip file in it"):
        find_sources(tmp_path, ANY)


def test_the_walk_of_a_tree_is_its_type(tmp_path: Path) -> None:
    frames_in(tmp_path / "frames" / "cleo" / "nm" / "090")
    pickled(tmp_path / "pickles" / "001" / "nm-01" / "090" / "090.pkl", MASKS)
    walks = [find_sources(tmp_path / each, ANY)[0].walk for each in ("frames", "pickles")]
    assert walks == ["nm", "nm-01"]


def test_a_csv_files_paths_are_walks_unless_it_names_them(tmp_path: Path) -> None:
    rows = ["day1/anna/walk.npy", "day2/anna/walk.npy", "a/b/c/d.npy"]
    listed = tmp_path / "clips.csv"
    listed.write_text("path,subject\n" + "".join(f"{row},anna\n" for row in rows))
    assert [each.walk for each in find_sources(listed, ANY)] == rows
    listed.write_text("path,subject,walk\n" + "".join(f"{row},anna,first\n" for row in rows[:2]))
    assert [each.walk for each in find_sources(listed, ANY)] == ["first", "first"]


def test_one_clip_is_not_two_people_or_walks(tmp_path: Path) -> None:
    listed = tmp_path / "clips.csv"
    for rows in ("a.npy,anna,1\n./a.npy,ben,1\n", "a.npy,anna,1\na.npy,anna,2\n"):
        listed.write_text("path,subject,walk\n" + rows)
        with pytest.raises(LayoutError, match="need one person and one walk of a clip"):
            find_sources(listed, ANY)


def test_a_pickle_of_something_else_is_refused(tmp_path: Path) -> None:
    pickled(tmp_path / "001" / "nm-01" / "090" / "000.pkl", {"a": 1})
    (source,) = find_sources(tmp_path, ANY)
    with pytest.raises(LayoutError, match="holds a dict, need an array"):
        source.read(RangeStyle.BINS)


def test_folders_that_are_no_clip_say_what_to_give(tmp_path: Path) -> None:
    with pytest.raises(LayoutError, match="empty folder, need a clip file"):
        read_file(tmp_path)
    (tmp_path / "walk.npy").write_bytes(files.npy(MASKS))
    with pytest.raises(LayoutError, match=r"folder of 1 files.*such as .*walk\.npy"):
        read_file(tmp_path)


def test_frames_without_people_say_where_to_put_them(tmp_path: Path) -> None:
    with pytest.raises(LayoutError, match=r"holds frames and not people.*<subject>/<walk>"):
        find_sources(frames_in(tmp_path / "walk"), ANY)


def test_a_folder_is_measured_before_it_is_read(tmp_path: Path) -> None:
    folder = frames_in(tmp_path / "walk")
    with (folder / "huge.bmp").open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(LimitExceededError, match="bytes in the file"):
        read_file(folder)
