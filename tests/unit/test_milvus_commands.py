"""The gallery's commands with the URL of a gallery in Milvus (Lite here)."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from gait.cli import run
from gait.modality import Modality
from gallery import build, expire, identify, info, remove
from gallery import list as listing
from gallery.gallery import open_gallery
from gallery.record import clock
from tests.galleries import AUTHORISED, TINY, walk

pytest.importorskip("pymilvus", reason="needs pymilvus and milvus-lite, the extra `milvus`")
pytestmark = pytest.mark.serving

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs a command's `main` with arguments; returns exit code, stdout and stderr."""

    def call(module: ModuleType, *arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", [module.__name__, *map(str, arguments)])
        with pytest.raises(SystemExit) as exit_:
            run(module.main)
        streams = capsys.readouterr()
        return int(exit_.value.code or 0), streams.out, streams.err

    return call


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """Three people with a silhouette file each."""
    root = tmp_path / "files"
    for person in range(3):
        (root / f"p{person}").mkdir(parents=True)
        np.save(root / f"p{person}" / "a.npy", walk(person, 5, Modality.SILHOUETTE).frames)
    return root


def test_a_gallery_in_milvus_from_its_making_to_its_end(
    tmp_path: Path, files: Path, command: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"milvus+lite:{tmp_path}/milvus.db/people"
    building = (*AUTHORISED, "--bundle", TINY, "--out", url, "--json", files)
    code, out, err = command(build, *building)
    assert code == 0, err
    with open_gallery(url, readonly=True):  # Milvus Lite need not start anew for each command
        code, out, _ = command(build, *building)
        facts = json.loads(out)
        assert (facts["gallery"], facts["enrolled"], facts["present"]) == (url, 0, 3)
        asking = ("--gallery", url, "--json")
        code, out, err = command(identify, *asking, "--bundle", TINY, files / "p1" / "a.npy")
        assert code == 0, err
        best = json.loads(out)["candidates"][0]
        assert (best["subject"], best["template"]) == ("p1", 2)
        assert best["similarity"] == pytest.approx(1, abs=1e-4)
        for module, arguments in ((identify, (files / "p1" / "a.npy",)), (info, ())):
            code, out, err = command(module, *asking, *arguments)
            assert (code, out) == (1, "")
            assert "--bundle" in err
            assert "Traceback" not in err
        code, out, err = command(info, *asking, "--bundle", TINY)
        facts = json.loads(out)
        assert (facts["index"], facts["master_key"], facts["subjects"]) == ("milvus flat", None, 3)
        receipt = tmp_path / "receipt.json"
        code, out, err = command(remove, "--gallery", url, "--receipt", receipt, "p0")
        assert code == 0, err
        assert "not encrypted" in out
        assert receipt.exists()
        _, out, _ = command(listing, *asking)
        assert [row["name"] for row in json.loads(out)] == ["p1", "p2"]
        code, _, err = command(remove, "--gallery", url, "p0")
        assert (code, err.split("]")[0]) == (1, "error [gallery.subject_not_found")
        monkeypatch.setattr(clock, "now", lambda: 2**36)
        code, out, err = command(expire, *asking)
        assert code == 0, err
        assert [r["templates"] for r in json.loads(out)] == [[2], [3]]
        _, out, _ = command(listing, *asking)
        assert json.loads(out) == []
