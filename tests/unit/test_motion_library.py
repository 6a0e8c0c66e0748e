import io
import tarfile
from pathlib import Path

import numpy as np
import pytest

from gait.errors import MotionFileError
from tests import walking_files
from train.simulate.config import SimulateConfig
from train.simulate.mocap.archive import find_files
from train.simulate.movement.motion import SEGMENTS
from train.simulate.movement.motion_library import MotionLibrary
from train.simulate.movement.recorded import find_people


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for subject, trials in (("02", 3), ("05", 1)):
        (tmp_path / subject).mkdir()
        (tmp_path / subject / f"{subject}.asf").write_text(walking_files.asf())
        for trial in range(1, trials + 1):
            text = walking_files.amc(frames=360 + 60 * trial, speed=18 + 2 * trial)
            (tmp_path / subject / f"{subject}_{trial:02}.amc").write_text(text)
    (tmp_path / "anna").mkdir()
    (tmp_path / "anna" / "walk.bvh").write_text(walking_files.bvh())
    (tmp_path / "notes.txt").write_text("not motion")
    return tmp_path


def archive(path: Path, folder: Path, *extra: tarfile.TarInfo) -> Path:
    with tarfile.open(path, "w:gz") as file:
        file.add(folder, "walks")
        for member in extra:
            file.addfile(member, io.BytesIO(b"x" * member.size))
    return path


def test_subjects_of_a_folder(folder: Path) -> None:
    library = MotionLibrary.open(folder)
    assert library.subjects == ("02", "05", "anna")
    assert len(library.walks("02")) == 3
    assert len(library.walks("anna")) == 2


def test_an_archive_is_the_folder(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = archive(tmp_path_factory.mktemp("a") / "walks.tar.gz", folder)
    library, other = MotionLibrary.open(path), MotionLibrary.open(folder)
    assert library.subjects == other.subjects
    one = library.walk("02", 1, 20, np.random.default_rng(3))
    two = other.walk("02", 1, 20, np.random.default_rng(3))
    np.testing.assert_array_equal(one.rotations, two.rotations)


def test_one_trial_is_split_into_walks_that_share_no_frame(folder: Path) -> None:
    first, second = MotionLibrary.open(folder).walks("05")
    assert first.seconds == pytest.approx(second.seconds, abs=0.02)
    assert first.path[-1, 0] < second.path[0, 0]


def test_the_gallerys_walk_is_of_another_trial_than_all_others(folder: Path) -> None:
    library = MotionLibrary.open(folder)

    def speeds(number: int) -> set[float]:
        walks = [library.walk("02", number, 20, np.random.default_rng(s)) for s in range(20)]
        return {round(walk.speed / (0.0254 / 0.45)) for walk in walks}

    assert speeds(0) == {20}
    assert speeds(1) == speeds(2) == {22, 24}


def test_a_walk_is_at_10_hz_from_a_random_moment(folder: Path) -> None:
    library = MotionLibrary.open(folder)
    one, same, other = (library.walk("02", 0, 20, np.random.default_rng(s)) for s in (1, 1, 2))
    assert (one.rate, len(one.rotations)) == (10.0, 20)
    np.testing.assert_array_equal(one.rotations, same.rotations)
    assert np.abs(one.rotations - other.rotations).max() > 0.05
    assert one.lengths["thigh.L"] == pytest.approx(7.5 * 0.0254 / 0.45)


def test_a_short_walk_gives_the_frames_it_has(folder: Path) -> None:
    library = MotionLibrary.open(folder)
    seconds = library.walks("05")[0].seconds
    assert len(library.walk("05", 0, 100, np.random.default_rng(0)).rotations) == int(seconds * 10)


def test_knees_bend_and_arms_counter_the_legs(folder: Path) -> None:
    motion = MotionLibrary.open(folder).walk("02", 0, 25, np.random.default_rng(0))
    forward = {
        key: (motion.rotations[:, SEGMENTS.index(key)] @ [0, 0, -1])[:, 0]
        for key in ("thigh.L", "upper_arm.L", "shank.L")
    }
    assert (forward["thigh.L"] > forward["shank.L"]).all()
    assert np.corrcoef(forward["thigh.L"], forward["upper_arm.L"])[0, 1] < -0.9


def test_too_little_walking_names_the_subject(folder: Path) -> None:
    (folder / "05" / "05_01.amc").write_text(walking_files.amc(frames=200))
    with pytest.raises(MotionFileError, match=r"subject '05' has 1\.\d s of walking"):
        MotionLibrary.open(folder).walks("05")


def test_a_malformed_file_is_left_out_and_named_with_its_line(folder: Path) -> None:
    path = folder / "02" / "02_02.amc"
    path.write_text(path.read_text().replace("ltibia 30.000000", "ltibia nan", 1))
    library = MotionLibrary.open(folder)
    assert len(library.walks("02")) == 2
    assert [error.fields["file"] for error in library.skipped] == ["02_02.amc"]
    assert "NaN" in str(library.skipped[0])


def test_people_whose_files_are_all_bad_do_not_end_a_simulation(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "anna" / "walk.bvh").write_text("no motion")
    config = SimulateConfig(motion=folder)
    assert find_people(config).people == ("02", "05")
    said = capsys.readouterr().err
    assert "walk.bvh:1: got 'no'" in said
    assert "subject 'anna' has 0.0 s" in said
    with pytest.raises(MotionFileError, match="subject 'anna'"):
        find_people(config.model_copy(update={"people": ("anna", "02")}))


def test_nobody_left_ends_a_simulation(tmp_path: Path) -> None:
    (tmp_path / "walk.bvh").write_text("no motion")
    with pytest.raises(MotionFileError, match="nobody has walks"):
        find_people(SimulateConfig(motion=tmp_path))


def test_motion_without_its_skeleton_is_refused(folder: Path) -> None:
    (folder / "05" / "05.asf").unlink()
    with pytest.raises(MotionFileError, match=r"05_01\.amc: 0 skeletons fit"):
        MotionLibrary.open(folder)


def test_skeletons_of_one_folder_are_told_apart_by_name(tmp_path: Path) -> None:
    for subject in ("02", "05"):
        (tmp_path / f"{subject}.asf").write_text(walking_files.asf())
        (tmp_path / f"{subject}_01.amc").write_text(walking_files.amc())
    assert MotionLibrary.open(tmp_path).subjects == ("02", "05")
    (tmp_path / "7_01.amc").write_text(walking_files.amc())
    with pytest.raises(MotionFileError, match=r"7_01\.amc: 0 skeletons fit"):
        MotionLibrary.open(tmp_path)


def test_a_subject_in_two_folders_is_refused(folder: Path) -> None:
    (folder / "again").mkdir()
    (folder / "again" / "02.asf").write_text(walking_files.asf())
    with pytest.raises(MotionFileError, match="second skeleton '02'"):
        MotionLibrary.open(folder)


def test_nothing_to_read(tmp_path: Path) -> None:
    with pytest.raises(MotionFileError, match="no such folder"):
        find_files(tmp_path / "absent")
    with pytest.raises(MotionFileError, match="holds no"):
        find_files(tmp_path)
    (tmp_path / "walks.tar.gz").write_bytes(b"no archive at all")
    with pytest.raises(MotionFileError, match="not a whole tar archive"):
        find_files(tmp_path / "walks.tar.gz")


def test_a_cut_off_archive_is_refused(
    folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = archive(tmp_path_factory.mktemp("a") / "walks.tar.gz", folder)
    whole = path.read_bytes()
    for damaged in (whole[:-2000], whole[:1000], whole[:-8] + bytes(8), whole[:99] + whole[120:]):
        path.write_bytes(damaged)
        with pytest.raises(MotionFileError, match="not a whole tar archive"):
            find_files(path)


def member(name: str, kind: bytes = tarfile.REGTYPE, size: int = 1) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.size, info.linkname = kind, size, "/etc/passwd"
    return info


@pytest.mark.parametrize(
    ("hostile", "message"),
    [
        (member("/etc/motd.asf"), "leaves the archive"),
        (member("../outside.asf"), "leaves the archive"),
        (member("a/../../b.asf"), "leaves the archive"),
        (member("link.asf", tarfile.SYMTYPE, 0), "is a link"),
        (member("link.asf", tarfile.LNKTYPE, 0), "is a link"),
        (member("device.asf", tarfile.CHRTYPE, 0), "is a link"),
    ],
)
def test_hostile_archives_are_refused(
    hostile: tarfile.TarInfo,
    message: str,
    folder: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    path = archive(tmp_path_factory.mktemp("a") / "walks.tar.gz", folder, hostile)
    with pytest.raises(MotionFileError, match=message):
        find_files(path)


def test_an_archive_that_says_it_is_huge_is_refused_unread(tmp_path: Path) -> None:
    header = tarfile.TarInfo("bomb.amc")
    header.size = 10**12
    (tmp_path / "bomb.tar").write_bytes(header.tobuf() + bytes(1024))
    with pytest.raises(MotionFileError, match=r"too large at 'bomb\.amc'"):
        find_files(tmp_path / "bomb.tar")
