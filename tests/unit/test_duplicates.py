"""Enrolling many clips: poor ones and those of two names are listed, in strict mode refused."""

from collections.abc import Iterator
from contextlib import closing
from functools import cache
from pathlib import Path

import pytest

from gait.errors import SubjectDuplicateError
from gait.modality import Modality
from gait.quality.quality import Mode
from gallery.decision.calibration import Calibration
from gallery.decision.fitting import LabelledClips, calibrate
from gallery.enrolment.bulk import Outcome, enrol_sources
from gallery.enrolment.duplicates import Embedded, resemblance
from gallery.enrolment.sources import Selection, find_sources
from gallery.gallery import Gallery
from gallery.opening import open_or_create
from tests import clip_files as files
from tests.galleries import AUTHORISATION, DIMENSION, TINY, enrolment
from tests.services import encoder
from tests.walking_people import labelled

pytestmark = pytest.mark.serving


@pytest.fixture
def gallery(tmp_path: Path) -> Iterator[Gallery]:
    with closing(open_or_create(str(tmp_path / "gallery"), TINY)) as opened:
        yield opened


@pytest.fixture
def clips(tmp_path: Path) -> Path:
    """Ada's walk, the same as Bob's, and Bob standing."""
    folder = tmp_path / "clips"
    walk = files.walker()
    for name, frames in (("ada/walk", walk), ("bob/same", walk), ("bob/still", walk[[0] * 20])):
        path = folder / f"{name}.npz"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(files.npz(frames=frames))
    return folder


def enrolled(gallery: Gallery, clips: Path, mode: Mode, batch: int = 32) -> Outcome:
    sources = find_sources(clips, Selection(quality=mode))
    return enrol_sources(
        gallery, encoder(), sources, authorisation=AUTHORISATION, batch=batch, quality=mode
    )


@pytest.mark.parametrize("batch", [1, 32])
def test_strict_refuses_both(gallery: Gallery, clips: Path, batch: int) -> None:
    outcome = enrolled(gallery, clips, Mode.STRICT, batch)
    assert (outcome.enrolled, outcome.duplicates) == (1, [])
    assert {each.source: each.code for each in outcome.rejected} == {
        "bob/same.npz": "clip.duplicate",
        "bob/still.npz": "clip.quality",
    }


@pytest.mark.parametrize("batch", [1, 32])
def test_standard_reports_a_duplicate(gallery: Gallery, clips: Path, batch: int) -> None:
    outcome = enrolled(gallery, clips, Mode.STANDARD, batch)
    assert outcome.enrolled == 2
    assert [(each.subject, each.others) for each in outcome.duplicates] == [("bob", ["ada"])]
    assert [each.code for each in outcome.rejected] == ["clip.quality"]


def test_off_takes_all(gallery: Gallery, clips: Path) -> None:
    assert enrolled(gallery, clips, Mode.OFF).enrolled == 3


def test_run_again_nothing_is_new(gallery: Gallery, clips: Path) -> None:
    first = enrolled(gallery, clips, Mode.STRICT)
    again = enrolled(gallery, clips, Mode.STRICT)
    assert (again.enrolled, again.present) == (0, first.enrolled)
    assert again.rejected == first.rejected


PEOPLE = labelled(60, dimension=DIMENSION)


def clips_of(person: int, walk: int, clips: LabelledClips = PEOPLE) -> list[Embedded]:
    rows = (clips.subjects == f"{person:04}") & (clips.sessions == f"{walk:02}")
    return [(Modality(clips.modalities[row]), clips.embeddings[row]) for row in rows.nonzero()[0]]


@cache
def calibration() -> Calibration:
    return calibrate(PEOPLE, contract=encoder().contract, simulated=True, data="made up")


@pytest.fixture
def calibrated(gallery: Gallery) -> Gallery:
    """Twenty people enrolled by their first walk, under their numbers."""
    gallery.set_calibration(calibration())
    for person in range(20):
        gallery.enrol([enrolment(f"{person}", v, m) for m, v in clips_of(person, 0)])
    return gallery


def test_a_person_under_another_name_is_told_and_in_strict_mode_refused(
    calibrated: Gallery,
) -> None:
    clips = clips_of(3, 1)
    like = resemblance(calibrated, "new", clips)
    assert like.person is not None
    assert like.person.subject == "3"
    assert all(others[0].subject == "3" for others in like.by_clip)
    like.refuse("new", Mode.STANDARD)
    with pytest.raises(SubjectDuplicateError, match=r"'new' that match '3'.*merge") as refused:
        like.refuse("new", Mode.STRICT)
    assert refused.value.fields == {"others": ["3"]}
    assert resemblance(calibrated, "3", clips).person is None, "one's own clips are no news"


def test_of_two_names_of_one_person_the_clips_are_of_the_more_similar(calibrated: Gallery) -> None:
    first, second = clips_of(3, 1)[:2], clips_of(3, 1)[2:4]
    calibrated.enrol([enrolment("3 again", v, m) for m, v in first])
    again = resemblance(calibrated, "3 again", first)
    assert again.person is None
    assert {c.subject for others in again.by_clip for c in others} == {"3"}
    assert resemblance(calibrated, "4", second).person is not None


def test_strangers_are_no_duplicates_and_clips_together_less_often_than_one(
    calibrated: Gallery,
) -> None:
    others = labelled(100, dimension=DIMENSION, seed=1)
    alone = together = 0
    for person in range(100):
        like = resemblance(calibrated, "new", clips_of(person, 0, others))
        alone += any(like.by_clip)
        together += like.person is not None
    assert together < alone
    assert together <= 1 + 3  # one in a hundred, and three deviations


def test_without_a_calibration_nobody_is_refused(gallery: Gallery) -> None:
    gallery.enrol([enrolment("3", v, m) for m, v in clips_of(3, 0)])
    assert resemblance(gallery, "new", clips_of(3, 0)).by_clip == [[]] * 8


def test_the_command_refuses_people_of_one_batch_that_are_one(
    gallery: Gallery, tmp_path: Path
) -> None:
    gallery.set_calibration(calibration())
    walk = files.walker()
    for name, frames in (("ada/walk", walk), ("bob/shorter", walk[:-1])):
        path = tmp_path / "clips" / f"{name}.npz"
        path.parent.mkdir(parents=True)
        path.write_bytes(files.npz(frames=frames))
    outcome = enrolled(gallery, tmp_path / "clips", Mode.STRICT)
    assert [(r.source, r.code) for r in outcome.rejected] == [
        ("bob/shorter.npz", "gallery.subject_duplicate")
    ]
    sources = find_sources(tmp_path / "clips", Selection())
    again = enrol_sources(
        gallery,
        encoder(),
        sources,
        authorisation=AUTHORISATION,
        quality=Mode.STRICT,
        new_people=True,
    )
    assert (again.enrolled, again.rejected) == (1, [])
    assert [(each.subject, each.other) for each in again.alike] == [("bob", "ada")]
