"""The same people under another model: found by their clips, with all that was said of them."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from gait.errors import ConfigError
from gait.modality import Modality
from gait.range_style import RangeStyle
from gallery.enrolment.sources import Selection, find_sources
from gallery.gallery import Gallery
from gallery.network.encoder import Encoder
from gallery.opening import create_gallery, open_gallery
from gallery.record import clock
from gallery.reembed import Missing, reembed
from gallery.template import Authorisation, Enrolment
from tests.galleries import AUTHORISATION, TINY, enrolments, other_bundle, scattering, walk
from tests.raster_walkers import walker

pytestmark = pytest.mark.serving

SOON = 2_000_000_000
BRIEF = Authorisation("warrant 5", datetime.fromtimestamp(SOON, UTC))


@pytest.fixture
def clips(tmp_path: Path) -> Path:
    """Files of four people, under names that say nothing of who walks."""
    folder = tmp_path / "clips" / "x"
    folder.mkdir(parents=True)
    for person in range(4):
        modality = list(Modality)[person % 2]
        np.save(folder / f"{person}.npy", walk(person, 4 + person, modality).frames)
    (folder / "broken.npy").write_bytes(b"nothing")
    return folder.parent


@pytest.fixture
def old(tmp_path: Path) -> Iterator[Gallery]:
    """A gallery of three of them, and of one person whose clip is lost."""
    encoder = Encoder.load(TINY)
    with create_gallery(str(tmp_path / "old"), TINY) as gallery:
        for person in range(3):
            clip = walk(person, 4 + person, list(Modality)[person % 2])
            (embedding,) = encoder.embed([clip])
            said = BRIEF if person == 1 else AUTHORISATION
            gallery.enrol([Enrolment.of(f"p{person}", clip, embedding, f"camera {person}", said)])
        gallery.enrol(enrolments(["lost"]))
        yield gallery


@pytest.fixture
def new(tmp_path: Path) -> Iterator[Gallery]:
    """An empty gallery of another model."""
    bundle = other_bundle(tmp_path / "other")
    with closing(create_gallery(str(tmp_path / "new"), bundle)) as gallery:
        yield gallery


@pytest.mark.parametrize("batch", [1, 2, 32])
def test_people_are_found_by_their_clips_with_all_that_was_said(
    clips: Path, old: Gallery, new: Gallery, batch: int
) -> None:
    sources, encoder = find_sources(clips, Selection()), Encoder.load(TINY)
    done = reembed(old, new, encoder, sources, batch=batch)
    assert (done.enrolled, done.present, done.expired) == (3, 0, 0)
    assert done.missing == [Missing(4, "lost", "test")]
    assert [r.source for r in done.rejected] == ["x/broken.npy"]
    for person in ("p0", "p1", "p2"):
        (was,), (is_,) = old.templates(person), new.templates(person)
        for fact in ("modality", "source", "frames", "authorisation", "expires", "digest"):
            assert getattr(was, fact) == getattr(is_, fact)
    assert new.contract != old.contract
    assert [s.name for s in new.subjects()] == ["p0", "p1", "p2"]
    again = reembed(old, new, encoder, sources)
    assert (again.enrolled, again.present) == (0, 3)


def test_the_expired_are_left_out(
    clips: Path, old: Gallery, new: Gallery, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clock, "now", lambda: SOON)
    done = reembed(old, new, Encoder.load(TINY), find_sources(clips, Selection()))
    assert (done.enrolled, done.expired) == (2, 1)
    assert [s.name for s in new.subjects()] == ["p0", "p2"]


def test_one_clip_of_two_people_and_two_copies_of_a_clip(
    clips: Path, old: Gallery, new: Gallery
) -> None:
    clip, encoder = walk(0, 4, next(iter(Modality))), Encoder.load(TINY)
    (embedding,) = encoder.embed([clip])
    old.enrol([Enrolment.of("alias", clip, embedding, "camera 9", AUTHORISATION)])
    np.save(clips / "x" / "copy.npy", clip.frames)
    done = reembed(old, new, encoder, find_sources(clips, Selection()))
    assert done.enrolled == 4
    assert new.templates("alias")[0].source == "camera 9"
    assert new.counts().templates == 4


@pytest.mark.parametrize("known", [True, False], ids=["bundle kept", "bundle gone"])
def test_points_that_the_new_model_wants_drawn_otherwise_are_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, known: bool
) -> None:
    (tmp_path / "clips" / "x").mkdir(parents=True)
    clouds = {str(k): walker(k, np.arange(-25, 15, 0.2)) for k in range(6)}
    np.savez(tmp_path / "clips" / "x" / "points.npz", **clouds)  # type: ignore[arg-type]
    sources = find_sources(tmp_path / "clips", Selection())
    drawn = scattering(TINY, tmp_path / "drawn")
    with (
        create_gallery(str(tmp_path / "old"), TINY) as old,
        create_gallery(str(tmp_path / "new"), drawn) as new,
    ):
        clip, encoder = sources[0].read(RangeStyle.BINS), Encoder.load(drawn)
        (embedding,) = Encoder.load(TINY).embed([clip])
        old.enrol([Enrolment.of("ada", clip, embedding, "gate", AUTHORISATION)])
        if not known:
            monkeypatch.setattr(old, "_bundle", None)
        assert reembed(old, new, encoder, sources).enrolled == 1
        assert new.templates("ada")[0].source == "gate"
        again = reembed(old, new, encoder, sources)
        assert (again.enrolled, again.present, again.missing) == (0, 1, [])


def test_a_batch_must_hold_a_clip(old: Gallery, new: Gallery) -> None:
    with pytest.raises(ConfigError, match="at least 1"):
        reembed(old, new, Encoder.load(TINY), [], batch=0)


def test_the_command_says_whose_clips_are_missing(
    clips: Path, old: Gallery, tmp_path: Path
) -> None:
    old.close()
    command = [sys.executable, "-m", "gallery.reembed", "--gallery", str(tmp_path / "old")]
    command += ["--bundle", str(TINY), "--clips", str(clips), "--json", "--out"]
    done = subprocess.run([*command, str(tmp_path / "b")], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert [m["subject"] for m in json.loads(done.stdout)["missing"]] == ["lost"]
    with open_gallery(str(tmp_path / "b")) as gallery:
        assert gallery.counts().templates == 3
    same = subprocess.run([*command, str(tmp_path / "old")], capture_output=True, text=True)
    assert same.returncode == 1
    assert "must be another" in same.stderr
