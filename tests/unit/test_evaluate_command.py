"""The evaluation command, as a person runs it."""

import io
import json
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import tyro

import gait.cli
from train.evaluate import main


def call(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    monkeypatch.setattr(sys, "argv", ["evaluate", *map(str, arguments)])
    with pytest.raises(SystemExit) as exit_:
        gait.cli.run(lambda: tyro.cli(main))
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
    assert "'range_view'" in capsys.readouterr().err
    np.savez(path, silhouette=np.array([{}], dtype=object))
    assert call(monkeypatch, path) == 1
    assert "need an .npz of plain arrays" in capsys.readouterr().err
    np.save(tmp_path / "one.npy", np.zeros(3))
    assert call(monkeypatch, tmp_path / "one.npy") == 1
    assert "single array" in capsys.readouterr().err
    assert call(monkeypatch, tmp_path / "none.npz") == 1
    assert "storage.failed" in capsys.readouterr().err
