"""The evaluation command, as a person runs it."""

import io
import json
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

import gait.cli
from gait.metrics import Distance
from gait.modality import Modality
from tests.packs import write_pack
from tests.training_setup import tiny_config
from train.data.pack import Pack
from train.data.split import split_people
from train.evaluate import command
from train.loop.learner import Machine
from train.loop.training_run import LAST, TrainingRun
from train.protocols.result import ProtocolResult


def call(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    monkeypatch.setattr(sys, "argv", ["evaluate", *map(str, arguments)])
    with pytest.raises(SystemExit) as exit_:
        gait.cli.run(command)
    return int(exit_.value.code or 0)


@pytest.fixture
def embeddings(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    path = tmp_path / "embeddings.npz"
    np.savez(
        path,
        silhouette=rng.normal(size=(8, 2, 3)),
        range_view=rng.normal(size=(8, 2, 3)),
        subjects=np.repeat(["ann", "bob"], 4),
        types=np.tile(["00-nm", "01-nm"], 4),
        views=np.tile(["000", "000", "090", "090"], 2),
        roles=np.tile(["gallery", "probe"], 4),
    )
    return path


def test_prints_a_table_and_compares(
    embeddings: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    kept = tmp_path / "result.json"
    arguments = (embeddings, "--bootstrap", 20, "--simulated", "--out", kept)
    assert call(monkeypatch, *arguments) == 0
    assert "SUSTech1K protocol, simulated" in capsys.readouterr().out
    assert call(monkeypatch, *arguments, "--against", kept) == 0
    assert "[+0.0, +0.0]" in capsys.readouterr().out


def test_prints_json(
    embeddings: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = (embeddings, "--protocol", "freegait", "--gallery", "complement", "--json")
    assert call(monkeypatch, *arguments, "--bootstrap", 5) == 0
    content = json.loads(capsys.readouterr().out)
    assert content["protocol"] == "FreeGait"
    assert "OpenGait" in content["gallery_rule"]


def npz(compression: int = zipfile.ZIP_STORED) -> bytes:
    """One array that declares 36 TiB and has none."""
    header = b"{'descr': '<f4', 'fortran_order': False, 'shape': (10000000000000,), }"
    array = b"\x93NUMPY\x01\x00" + (118).to_bytes(2, "little") + header.ljust(117) + b"\n"
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as archive:
        archive.writestr("silhouette.npy", array)
    return file.getvalue()


DAMAGED = npz(zipfile.ZIP_DEFLATED).replace(npz(zipfile.ZIP_DEFLATED)[44:54], b"\xff" * 10)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 broken", b"text", npz(), DAMAGED])
def test_other_files_end_with_one_line(
    content: bytes,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = tmp_path / "embeddings.npz"
    path.write_bytes(content)
    assert call(monkeypatch, path) == 1
    assert capsys.readouterr().err.startswith("error [evaluation.invalid]")


def test_missing_arrays_and_pickles_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "embeddings.npz"
    np.savez(path, silhouette=np.zeros((1, 1, 1)))
    assert call(monkeypatch, path) == 1
    assert "'subjects'" in capsys.readouterr().err
    np.savez(path, subjects=np.array(["ann"]))
    assert call(monkeypatch, path) == 1
    assert "'range_view'" in capsys.readouterr().err
    np.savez(path, silhouette=np.array([{}], dtype=object))
    assert call(monkeypatch, path) == 1
    assert "need an .npz of plain arrays" in capsys.readouterr().err
    np.save(tmp_path / "one.npy", np.zeros(3))
    assert call(monkeypatch, tmp_path / "one.npy") == 1
    assert "single array" in capsys.readouterr().err
    assert call(monkeypatch, tmp_path / "none.npz") == 1
    assert "storage.failed" in capsys.readouterr().err


@pytest.fixture(scope="module")
def pack(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pack with types and views for one protocol and roles for the other."""
    return write_pack(tmp_path_factory.mktemp("packs") / "pack", roles=True)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory, pack: Path) -> Path:
    config = tiny_config(optim={"iterations": 2}, model={"centred": False})
    opened, folder = Pack.open(pack), tmp_path_factory.mktemp("run")
    split = split_people(opened.records, config)
    TrainingRun(config, opened, split, folder, Machine(torch.device("cpu"))).run()
    return folder / LAST


def scored(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: object
) -> ProtocolResult:
    assert call(monkeypatch, *arguments, "--bootstrap", 5, "--json") == 0
    return ProtocolResult.from_json(capsys.readouterr().out)


def test_a_checkpoint_is_scored_by_either_protocol_gallery_and_distance(
    checkpoint: Path,
    pack: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    given = (checkpoint, "--pack", pack)
    own = scored(monkeypatch, capsys, *given)
    assert (own.protocol, own.simulated) == ("SUSTech1K", True)
    assert own.distance is Distance.EUCLIDEAN, "it was not centred"
    cosine = scored(monkeypatch, capsys, *given, "--distance", "cosine")
    assert (cosine.distance, cosine.rows) == (Distance.COSINE, own.rows)
    listed = scored(monkeypatch, capsys, *given, "--protocol", "freegait")
    rest = scored(monkeypatch, capsys, *given, "--protocol", "freegait", "--gallery", "complement")
    assert listed.protocol == rest.protocol == "FreeGait"
    assert "GALLERY_SET" in listed.gallery_rule
    assert listed.rows != rest.rows, "the gallery matters"


def test_embeddings_that_it_writes_are_scored_alike(
    checkpoint: Path,
    pack: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    kept = tmp_path / "kept.npz"
    first = scored(monkeypatch, capsys, checkpoint, "--pack", pack, "--embeddings", kept)
    again = scored(monkeypatch, capsys, kept, "--distance", "euclidean", "--simulated")
    assert again == first


def test_a_report_of_a_checkpoint_is_written_where_it_is_wanted(
    checkpoint: Path,
    pack: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = tmp_path / "report"
    result = scored(monkeypatch, capsys, checkpoint, "--pack", pack, "--report", folder)
    kept = ProtocolResult.from_json((folder / "results.json").read_bytes())
    assert [row.scores for row in kept.rows] == [row.scores for row in result.rows]
    page = (folder / "report.html").read_text()
    assert page.index("Rank-1 %, euclidean distance") < page.index("Rank-1 %, cosine distance")


def test_what_does_not_go_together_is_said(
    embeddings: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(monkeypatch, embeddings, "--pack", embeddings.parent) == 1
    assert "need a checkpoint" in capsys.readouterr().err
    assert call(monkeypatch, embeddings, "--protocol", "sustech") == 1
    assert "did you mean 'sustech1k'?" in capsys.readouterr().err


def test_embeddings_of_one_modality_are_scored_within_it(
    embeddings: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arrays = dict(np.load(embeddings))
    del arrays["range_view"]
    np.savez(embeddings, **arrays)
    result = scored(monkeypatch, capsys, embeddings)
    assert {row.key[:2] for row in result.rows} == {(Modality.SILHOUETTE, Modality.SILHOUETTE)}
