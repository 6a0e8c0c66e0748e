"""Enrolling many clips: poor ones and those of two names are listed, in strict mode refused."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from gait.quality.quality import Mode
from gallery.enrolment.bulk import Outcome, enrol_sources
from gallery.enrolment.sources import Selection, find_sources
from gallery.gallery import Gallery
from gallery.opening import open_or_create
from tests import clip_files as files
from tests.galleries import AUTHORISATION, TINY
from tests.services import encoder

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
