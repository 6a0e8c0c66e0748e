"""The evaluation command, as a person runs it."""

import io
import json
import re
import shutil
import sys
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import gait.cli
from gait.metrics import Distance
from gait.modality import Modality
from tests.packs import write_pack
from tests.training_setup import tiny_config
from train.checkpoint import known_people, load_checkpoint
from train.data.pack import INDEX, Pack
from train.data.split import split_people
from train.evaluate import command
from train.loop.learner import Machine
from train.loop.training_run import BEST, LAST, TrainingRun
from train.protocols.result import ProtocolResult

Call = Callable[..., str]
Scored = Callable[..., ProtocolResult]


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Call:
    """Runs the command; what it printed, or if it fails with code 1 what it complains of."""

    def run(*arguments: object, fails: bool = False) -> str:
        monkeypatch.setattr(sys, "argv", ["evaluate", *map(str, arguments)])
        with pytest.raises(SystemExit) as exit_:
            gait.cli.run(command)
        assert int(exit_.value.code or 0) == fails
        said = capsys.readouterr()
        return said.err if fails else said.out

    return run


@pytest.fixture
def scored(call: Call) -> Scored:
    """Runs the command; the result."""
    return lambda *arguments: ProtocolResult.from_json(call(*arguments, "--bootstrap", 5, "--json"))


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


def test_prints_a_table_and_compares(embeddings: Path, tmp_path: Path, call: Call) -> None:
    kept = tmp_path / "result.json"
    arguments = (embeddings, "--bootstrap", 20, "--simulated", "--out", kept)
    assert "SUSTech1K protocol, simulated" in call(*arguments)
    assert "[+0.0, +0.0]" in call(*arguments, "--against", kept)


def test_prints_json(embeddings: Path, call: Call) -> None:
    arguments = (embeddings, "--protocol", "freegait", "--gallery", "complement", "--json")
    content = json.loads(call(*arguments, "--bootstrap", 5))
    assert content["protocol"] == "FreeGait"
    assert "OpenGait" in content["gallery_rule"]


def test_a_gallery_that_a_protocol_lacks_is_refused(embeddings: Path, call: Call) -> None:
    said = call(embeddings, "--gallery", "complement", "--bootstrap", 5, fails=True)
    assert "got gallery complement for SUSTech1K's protocol, which has one" in said


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
def test_other_files_end_with_one_line(content: bytes, tmp_path: Path, call: Call) -> None:
    path = tmp_path / "embeddings.npz"
    path.write_bytes(content)
    assert call(path, fails=True).startswith("error [evaluation.invalid]")


def test_missing_arrays_and_pickles_are_named(tmp_path: Path, call: Call) -> None:
    path = tmp_path / "embeddings.npz"
    np.savez(path, silhouette=np.zeros((1, 1, 1)))
    assert "'subjects'" in call(path, fails=True)
    np.savez(path, subjects=np.array(["ann"]))
    assert "'range_view'" in call(path, fails=True)
    np.savez(path, silhouette=np.array([{}], dtype=object))
    assert "need an .npz of plain arrays" in call(path, fails=True)
    np.save(tmp_path / "one.npy", np.zeros(3))
    assert "single array" in call(tmp_path / "one.npy", fails=True)
    assert "storage.failed" in call(tmp_path / "none.npz", fails=True)


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


def test_a_checkpoint_is_scored_by_either_protocol_gallery_and_distance(
    checkpoint: Path, pack: Path, scored: Scored
) -> None:
    given = (checkpoint, "--pack", pack)
    own = scored(*given)
    assert (own.protocol, own.simulated) == ("SUSTech1K", True)
    assert own.distance is Distance.EUCLIDEAN, "it was not centred"
    cosine = scored(*given, "--distance", "cosine")
    assert (cosine.distance, cosine.rows) == (Distance.COSINE, own.rows)
    listed = scored(*given, "--protocol", "freegait")
    rest = scored(*given, "--protocol", "freegait", "--gallery", "complement")
    assert listed.protocol == rest.protocol == "FreeGait"
    assert "GALLERY_SET" in listed.gallery_rule
    assert listed.rows != rest.rows, "the gallery matters"


def test_embeddings_that_it_writes_are_scored_alike(
    checkpoint: Path, pack: Path, tmp_path: Path, scored: Scored
) -> None:
    """By the protocol and distance of the checkpoint, and as simulated people."""
    kept = tmp_path / "kept.npz"
    first = scored(checkpoint, "--pack", pack, "--embeddings", kept)
    assert scored(kept) == first
    assert (first.distance, first.simulated) == (Distance.EUCLIDEAN, True)
    arrays = dict(np.load(kept))
    np.savez(kept, **{**arrays, "protocol": np.array("freegait"), "simulated": np.array(False)})
    other = scored(kept)
    assert (other.protocol, other.simulated) == ("FreeGait", False)
    assert other.rows == scored(checkpoint, "--pack", pack, "--protocol", "freegait").rows
    assert scored(kept, "--distance", "cosine", "--simulated").distance is Distance.COSINE


def test_a_distance_that_there_is_not_is_named(embeddings: Path, call: Call) -> None:
    np.savez(embeddings, **dict(np.load(embeddings)), distance=np.array("manhattan"))
    assert "says distance 'manhattan', need one of euclidean, cosine" in call(
        embeddings, fails=True
    )


def test_a_report_of_a_checkpoint_is_written_where_it_is_wanted(
    checkpoint: Path, pack: Path, tmp_path: Path, scored: Scored
) -> None:
    folder = tmp_path / "report"
    result = scored(checkpoint, "--pack", pack, "--report", folder)
    kept = ProtocolResult.from_json((folder / "results.json").read_bytes())
    assert [row.scores for row in kept.rows] == [row.scores for row in result.rows]
    page = (folder / "report.html").read_text()
    assert page.index("Rank-1 %, euclidean distance") < page.index("Rank-1 %, cosine distance")


@pytest.mark.parametrize("gallery", ["list", "complement"])
def test_a_report_shows_the_gallery_that_is_scored(
    checkpoint: Path, pack: Path, tmp_path: Path, scored: Scored, gallery: str
) -> None:
    """In its strips too, and by another protocol than the pack's."""
    given = ("--protocol", "freegait", "--gallery", gallery, "--report", tmp_path)
    scored(checkpoint, "--pack", pack, *given)
    walks = [record for record in Pack.open(pack).records if record.split == "test"]
    page = (tmp_path / "report.html").read_text()
    shown = set(re.findall(r"<figcaption>probe 01-nm, view \w+; gallery(.*?) walks", page))
    if gallery == "list":
        assert shown == {" 00-nm, view 000, 4"}, "one of each person"
    else:
        probes = sum(walk.role == "probe" for walk in walks)
        assert shown == {f", all views, {len(walks) - probes}"}


def test_what_does_not_go_together_is_said(embeddings: Path, call: Call) -> None:
    assert "need a checkpoint" in call(embeddings, "--pack", embeddings.parent, fails=True)
    assert "did you mean 'sustech1k'?" in call(embeddings, "--protocol", "sustech", fails=True)


def test_where_a_result_goes_is_asked_before_all_work(
    embeddings: Path, tmp_path: Path, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("train.evaluate.score_file", None)
    inside = embeddings / "where.json"
    assert f"cannot write {inside}" in call(embeddings, "--out", inside, fails=True)
    assert f"cannot write {tmp_path}: it is a" in call(embeddings, "--out", tmp_path, fails=True)
    assert f"cannot write {inside}" in call(embeddings, "--embeddings", inside, fails=True)
    assert f"cannot write {embeddings}" in call(embeddings, "--report", embeddings, fails=True)
    assert "storage.failed" in call(embeddings, "--against", tmp_path / "none.json", fails=True)


def test_a_result_is_kept_though_nothing_can_be_printed_or_compared(
    embeddings: Path, tmp_path: Path, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    other, out = tmp_path / "other.json", tmp_path / "new" / "out.json"
    given = (embeddings, "--bootstrap", 5)
    call(*given, "--protocol", "freegait", "--out", other)
    assert "need the same to compare" in call(*given, "--against", other, "--out", out, fails=True)
    assert ProtocolResult.from_json(out.read_bytes()).protocol == "SUSTech1K"
    out.unlink()

    def closed(*_: object) -> None:
        raise BrokenPipeError

    monkeypatch.setattr("builtins.print", closed)
    monkeypatch.setattr(sys, "argv", ["evaluate", *map(str, given), "--out", str(out)])
    with pytest.raises(BrokenPipeError):
        command()
    assert ProtocolResult.from_json(out.read_bytes()).protocol == "SUSTech1K"


def test_a_run_folder_stands_for_its_best_checkpoint(
    checkpoint: Path, pack: Path, tmp_path: Path, scored: Scored, call: Call
) -> None:
    given = ("--pack", pack)
    assert scored(checkpoint.parent, *given) == scored(checkpoint.parent / BEST, *given)
    assert f"{tmp_path / BEST}" in call(tmp_path, *given, fails=True)


def test_models_are_compared_each_by_its_own_distance_first(
    checkpoint: Path, pack: Path, tmp_path: Path, call: Call
) -> None:
    given, kept = (checkpoint, "--pack", pack, "--bootstrap", 20), tmp_path / "kept.json"
    before = ProtocolResult.from_json(call(*given, "--json", "--out", kept))
    lines = call(*given, "--distance", "cosine", "--against", kept).splitlines()
    assert lines[0].endswith("before goes by euclidean distance, after by cosine distance")
    ways = [line.split(", ")[1] for line in lines[2:]]
    assert list(dict.fromkeys(ways)) == ["euclidean → cosine", "euclidean", "cosine"]
    probe, gallery = Modality
    first, second = (
        before.score(probe=probe, gallery=gallery, distance=distance).value
        for distance in (Distance.EUCLIDEAN, Distance.COSINE)
    )
    (line,) = (each for each in lines if f"{probe} → {gallery}, {ways[0]}, Overall, rank1 " in each)
    said = line.rpartition("rank1")[2].split()[:3]
    assert said == [f"{first:.1f}", f"{second:.1f}", f"{second - first:+.1f}"]


def test_embeddings_of_one_modality_are_scored_within_it(embeddings: Path, scored: Scored) -> None:
    arrays = dict(np.load(embeddings))
    del arrays["range_view"]
    np.savez(embeddings, **arrays)
    result = scored(embeddings)
    assert {row.key[:2] for row in result.rows} == {(Modality.SILHOUETTE, Modality.SILHOUETTE)}


def test_other_people_of_the_same_ids_are_not_paired(
    checkpoint: Path, pack: Path, tmp_path: Path, call: Call
) -> None:
    """Every simulated pack numbers its people alike."""
    other = write_pack(tmp_path / "other", lengths=(9, 9), seed=1, roles=True)
    kept, how = tmp_path / "kept.json", ("--bootstrap", 20)
    call(checkpoint, "--pack", pack, *how, "--out", kept)
    again = call(checkpoint, "--pack", pack, *how, "--against", kept)
    assert "paired:" not in again
    assert "[+0.0, +0.0]" in again
    strangers = call(checkpoint, "--pack", other, *how, "--against", kept)
    assert "not paired: the walks have the same ids, but their frames are others" in strangers
    assert "[" not in strangers


def test_embeddings_that_it_writes_are_paired_by_their_frames(
    checkpoint: Path, pack: Path, tmp_path: Path, call: Call
) -> None:
    file, kept, how = tmp_path / "kept.npz", tmp_path / "kept.json", ("--bootstrap", 20)
    call(checkpoint, "--pack", pack, *how, "--embeddings", file, "--out", kept)
    assert "[+0.0, +0.0]" in call(file, *how, "--against", kept)
    arrays = dict(np.load(file))
    del arrays["frames"]
    np.savez(file, **arrays)
    said = call(file, *how, "--against", kept)
    assert "not paired: one of them does not say from which frames" in said
    assert "[" not in said


def split_anew(pack: Path, to: Path, **changes: object) -> Path:
    """The same frames: who was trained on is tested, and the others are trained on."""
    shutil.copytree(pack, to)
    index = json.loads((to / INDEX).read_text())
    for record in index["records"]:
        record["split"] = "train" if record["split"] == "test" else "test"
    (to / INDEX).write_text(json.dumps(index | changes))
    return to


def test_people_who_were_trained_on_are_not_tested_without_a_word(
    checkpoint: Path,
    pack: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def said(given: Path) -> tuple[str, str, str]:
        out = tmp_path / "out"
        words = [checkpoint, "--pack", given, "--report", out, "--bootstrap", 5]
        monkeypatch.setattr(sys, "argv", ["evaluate", *map(str, words)])
        command()
        page, result = (out / "report.html").read_text(), (out / "results.json").read_text()
        return capsys.readouterr().err, page, result

    warning = "4 of the 6 people tested have ids that the checkpoint was trained on"
    anew = said(split_anew(pack, tmp_path / "anew"))
    assert anew[0].startswith(f"warning: {warning}")
    assert all(warning in text for text in anew)
    assert "6 simulated people, " in anew[1]
    own = said(pack)
    assert not any("have ids that" in text for text in own)
    assert "4 unseen simulated people, " in own[1]
    others = write_pack(tmp_path / "others", seed=1, lengths=(9, 9))
    strangers = said(split_anew(others, tmp_path / "strangers"))
    assert not any("have ids that" in text for text in strangers), "simulated ids say nothing"


def test_ids_of_real_people_of_one_layout_say_who_was_trained_on(
    checkpoint: Path, pack: Path, tmp_path: Path
) -> None:
    real = replace(load_checkpoint(checkpoint), simulated=False, pack=None)
    others = write_pack(tmp_path / "others", seed=1)
    anew = Pack.open(split_anew(others, tmp_path / "anew", simulated=False))
    assert len(known_people(real, anew)) == 4
    assert not known_people(replace(real, simulated=True), anew)
    other = anew.index.model_copy(update={"layout": "freegait"})
    assert not known_people(real, replace(anew, index=other))
