"""A bundle for a site: what is taken off its embeddings, and what that makes incomparable."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from gait.decode import decode_clip
from gait.errors import (
    BundleError,
    BundleTamperedError,
    CalibrationError,
    ConfigError,
    GaitError,
    StorageError,
)
from gait.manifest import FileRecord, Manifest
from gait.modality import Modality
from gallery import centre as command
from gallery.centre import LEAST
from gallery.decision.decision import bundle_calibration
from gallery.decision.fitting import calibrate
from gallery.network.encoder import Encoder
from gallery.network.site_centre import parse_centre
from gallery.opening import create_gallery, open_gallery
from gallery.template import Matrix
from tests.damage import flip
from tests.galleries import TINY
from tests.services import probe
from tests.walking_people import labelled

pytestmark = pytest.mark.serving

Run = Callable[..., str]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """The command; returns what it prints."""

    def called(*words: object) -> str:
        monkeypatch.setattr("sys.argv", ["gallery.centre", *map(str, words)])
        command.main()
        return capsys.readouterr().out

    return called


@pytest.fixture
def clips(tmp_path: Path) -> Path:
    """As capture.run leaves them, of as many people as there must be."""
    return tracks(tmp_path / "clips", LEAST)


def tracks(folder: Path, people: int) -> Path:
    """Folders of one clip each; the first person has it twice."""
    for person in range(people):
        own = folder / f"{person:04}"
        own.mkdir(parents=True)
        (own / "walk.npz").write_bytes(probe(person, Modality.SILHOUETTE))
    shutil.copy(folder / "0000/walk.npz", folder / "0000/again.npz")
    return folder


def embedded(bundle: Path, modality: Modality, people: int) -> Matrix:
    walks = [decode_clip(probe(person, modality)).clip for person in range(people)]
    return Encoder.load(bundle, threads=1).embed(walks)


def with_calibration(folder: Path) -> Path:
    """The tiny bundle with a calibration of its own."""
    shutil.copytree(TINY, folder)
    manifest = Manifest.load(TINY)
    made = calibrate(labelled(60, clips=2), contract=manifest.contract, simulated=True, data="b")
    text = made.text.encode()
    (folder / "calibration.json").write_bytes(text)
    files = manifest.files | {"calibration.json": FileRecord.of(text)}
    changes = {"files": files, "calibration": "calibration.json"}
    manifest.model_copy(update=changes).save(folder)
    return folder


def test_it_finds_embeddings_less_the_mean_of_a_sites_people(
    tmp_path: Path, clips: Path, run: Run
) -> None:
    site = tmp_path / "site"
    assert json.loads(run(clips, "--bundle", TINY, "--out", site, "--json"))["people"] == {
        "silhouette": LEAST
    }
    raw = embedded(TINY, Modality.SILHOUETTE, LEAST)
    moved = raw - raw.mean(axis=0)  # who has two clips counts once
    wanted = moved / np.linalg.norm(moved, axis=1, keepdims=True)
    np.testing.assert_allclose(embedded(site, Modality.SILHOUETTE, LEAST), wanted, atol=1e-4)
    other = embedded(TINY, Modality.RANGE_VIEW, 2)  # of a sensor that the site does not have
    np.testing.assert_allclose(embedded(site, Modality.RANGE_VIEW, 2), other, atol=1e-6)


def test_its_embeddings_are_another_models(tmp_path: Path, clips: Path, run: Run) -> None:
    bundle, site = with_calibration(tmp_path / "bundle"), tmp_path / "site"
    assert "20 people" in run(clips, "--bundle", bundle, "--out", site)
    before, after = Manifest.load(bundle), Manifest.load(site)
    assert before.contract != after.contract
    old, new = bundle_calibration(bundle), bundle_calibration(site)
    assert old is not None
    assert new is not None
    assert new.data == "b; moved to a site's own mean"
    assert new == old.model_copy(update={"contract": after.contract, "data": new.data})
    create_gallery(tmp_path / "gallery", bundle).close()
    with pytest.raises(GaitError, match="gallery"):
        open_gallery(tmp_path / "gallery", bundle=site)


def test_a_centre_that_was_changed_is_refused(tmp_path: Path, clips: Path, run: Run) -> None:
    site = tmp_path / "site"
    run(clips, "--bundle", TINY, "--out", site)
    file = site / "centre.npy"
    flip(file, -1)
    with pytest.raises(BundleTamperedError, match=r"centre\.npy"):
        Encoder.load(site, threads=1)


def test_too_few_people_would_lose_what_tells_them_apart(tmp_path: Path, run: Run) -> None:
    clips = tracks(tmp_path / "clips", LEAST - 1)
    with pytest.raises(CalibrationError, match=f"of {LEAST - 1} people or tracks, need {LEAST}"):
        run(clips, "--bundle", TINY, "--out", tmp_path / "site")
    assert not list(tmp_path.glob("*site*"))


def test_a_folder_named_twice_is_not_twice_as_many_people(tmp_path: Path, run: Run) -> None:
    clips = tracks(tmp_path / "clips", LEAST // 2)
    (tmp_path / "link").symlink_to(clips)
    for again in (clips, tmp_path / "link", clips / ".." / "clips"):
        with pytest.raises(ConfigError, match="more than once, need each folder once"):
            run(clips, again, "--bundle", TINY, "--out", tmp_path / "site")


def test_neither_a_sites_bundle_nor_one_that_is_there_is_taken(
    tmp_path: Path, clips: Path, run: Run
) -> None:
    site = tmp_path / "site"
    run(clips, "--bundle", TINY, "--out", site)
    with pytest.raises(BundleError, match="exists"):
        run(clips, "--bundle", TINY, "--out", site)
    with pytest.raises(BundleError, match="of a site already"):
        run(clips, "--bundle", site, "--out", tmp_path / "twice")


def test_a_full_disk_leaves_nothing(
    tmp_path: Path, clips: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Manifest, "save", full)
    with pytest.raises(StorageError, match="No space left"):
        run(clips, "--bundle", TINY, "--out", tmp_path / "site")
    assert not list(tmp_path.glob("*site*"))


@pytest.mark.parametrize("file", [b"", b"no array", b"\x93NUMPY"])
def test_what_is_no_centre_is_refused(file: bytes) -> None:
    with pytest.raises(BundleError):
        parse_centre(file)
