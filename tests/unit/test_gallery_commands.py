"""The gallery's commands, as a person runs them."""

import errno
import json
import os
import sys
from collections.abc import Callable
from dataclasses import fields
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gait.cli import run
from gait.errors import StorageError
from gait.modality import Modality
from gallery import build, expire, identify, info, keys, remove
from gallery import list as listing
from gallery.calibrate import summary, undecided
from gallery.command_line.labelled import (
    identify_labelled,
    labelled_sources,
    labelled_table,
    outcomes,
)
from gallery.command_line.network import Network, Points
from gallery.command_line.receipts import as_json, room_for
from gallery.decision.fitting import calibrate
from gallery.opening import create_gallery, open_gallery
from gallery.record import clock
from gallery.template import NAME_LIMIT, Receipt, iso_time
from tests.galleries import AUTHORISED, TINY, other_bundle, walk
from tests.walking_people import labelled

pytestmark = pytest.mark.serving

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs a command's `main` with arguments; returns exit code, stdout and stderr."""

    def call(module: Any, *arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", [module.__name__, *map(str, arguments)])
        with pytest.raises(SystemExit) as exit_:
            run(module.main)
        streams = capsys.readouterr()
        return int(exit_.value.code or 0), streams.out, streams.err

    return call


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """Four people with a silhouette and a range-view file each."""
    root = tmp_path / "files"
    for person in range(4):
        (root / f"p{person}").mkdir(parents=True)
        for modality in Modality:
            np.save(root / f"p{person}" / f"{modality}.npy", walk(person, 5, modality).frames)
    return root


@pytest.fixture
def built(tmp_path: Path, files: Path, command: Run) -> Path:
    """A gallery of these people."""
    out = tmp_path / "gallery"
    code, _, _ = command(build, *AUTHORISED, "--bundle", TINY, "--out", out, files)
    assert code == 0
    return out


def test_build_says_what_it_did_and_goes_on(built: Path, files: Path, command: Run) -> None:
    np.save(files / "p0" / "more.npy", walk(0, 7, Modality.SILHOUETTE, seed=1).frames)
    (files / "p1" / "broken.npy").write_bytes(b"?")
    code, out, err = command(build, *AUTHORISED, "--bundle", TINY, "--out", built, files)
    assert (code, err) == (0, "")
    assert "1 enrolled, 8 there already, 1 rejected" in out
    assert "rejected  p1/broken.npy  [decode.format]" in out
    assert "4 subjects, 9 templates" in out


def test_build_in_json(tmp_path: Path, files: Path, command: Run) -> None:
    out = tmp_path / "lidar"
    arguments = ("--bundle", TINY, "--out", out, "--modality", "range_view", "--json", files)
    code, said, _ = command(build, *AUTHORISED, *arguments, "--subjects", "p1", "p2")
    facts = json.loads(said)
    assert code == 0
    assert (facts["enrolled"], facts["range_views"], facts["silhouettes"]) == (2, 2, 0)
    assert [r["code"] for r in facts["rejected"]] == ["clip.modality"] * 2


def test_build_with_nothing_usable_fails_after_the_reasons(tmp_path: Path, command: Run) -> None:
    folder = tmp_path / "files" / "a"
    folder.mkdir(parents=True)
    (folder / "clip.npy").write_bytes(b"?")
    code, out, err = command(
        build, *AUTHORISED, "--bundle", TINY, "--out", tmp_path / "gallery", folder.parent
    )
    assert code == 1
    assert "[decode.format]" in out
    assert err.startswith("error [gallery.invalid]: none of 1 clips")


def test_a_gallery_that_no_service_will_serve_is_noted(
    tmp_path: Path, files: Path, command: Run
) -> None:
    enrolled = (*AUTHORISED, "--bundle", TINY, files, "--subjects", "p1", "--out")
    wrong = tmp_path / "galleries" / "Site-7"
    code, _, err = command(build, *enrolled, wrong)
    assert code == 0
    assert f"note: the service will not serve {wrong}: a gallery's name is 1..58 of a-z" in err
    for right in (tmp_path / "galleries" / "site-7", tmp_path / "elsewhere" / "Site-7"):
        assert "note:" not in command(build, *enrolled, right)[2]


def test_a_damaged_bundle_keeps_nobody_from_being_erased(
    built: Path, command: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    (built / "bundle" / "manifest.json").write_text("{")
    assert command(remove, "--gallery", built, "p0")[0] == 0
    monkeypatch.setattr(clock, "now", lambda: 2**35)
    receipts = json.loads(command(expire, "--gallery", built, "--trust-clock", "--json")[1])
    assert [r["subject"] for r in receipts] == ["p1", "p2", "p3"]


def test_build_with_another_bundle_is_refused(
    built: Path, files: Path, tmp_path: Path, command: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = other_bundle(tmp_path / "other")
    monkeypatch.setattr("gallery.network.encoder._check_golden", lambda *_: None)
    monkeypatch.setattr(
        "gallery.network.encoder.Session", lambda *_: type("S", (), {"provider": "x"})
    )
    code, _, err = command(build, *AUTHORISED, "--bundle", other, "--out", built, files)
    assert code == 1
    assert err.startswith("error [gallery.contract]")


def test_identify_prints_a_table(built: Path, files: Path, command: Run) -> None:
    code, out, err = command(
        identify, "--quality", "off", "--gallery", built, files / "p2" / "silhouette.npy"
    )
    assert (code, err) == (0, "")
    clip, _, head, first, *rest = out.splitlines()
    assert clip.startswith("silhouette clip, 5 of 5 frames, npy, quality 0.00, ")
    assert head.split() == ["rank", "subject", "similarity", "modality", "template", "source"]
    assert first.split() == ["1", "p2", "1.0000", "silhouette", "6", "p2/silhouette.npy"]
    assert len(rest) == 3


def test_identify_in_json_searches_both_or_one_modality(
    built: Path, files: Path, command: Run
) -> None:
    clip = files / "p3" / "range_view.npy"
    _, out, _ = command(
        identify, "--quality", "off", "--gallery", built, clip, "--json", "--top-k", 2
    )
    facts = json.loads(out)
    assert (facts["modality"], facts["frames_used"]) == ("range_view", 5)
    assert facts["candidates"][0]["subject"] == "p3"
    assert len(facts["candidates"]) == 2
    arguments = ("--gallery", built, clip, "--json", "--gallery-modality", "silhouette")
    _, out, _ = command(identify, "--quality", "off", *arguments)
    candidates = json.loads(out)["candidates"]
    assert {c["modality"] for c in candidates} == {"silhouette"}
    assert candidates == sorted(candidates, key=lambda c: -c["similarity"])


@pytest.mark.parametrize(
    ("clip", "says"),
    [("nothing.npy", "there is no file"), ("p0/broken.npy", "error [decode.format]")],
)
def test_identify_says_what_is_wrong_with_a_clip(
    built: Path, files: Path, command: Run, clip: str, says: str
) -> None:
    (files / "p0" / "broken.npy").write_bytes(b"?")
    code, out, err = command(identify, "--quality", "off", "--gallery", built, files / clip)
    assert (code, out) == (1, "")
    assert says in err
    assert err.count("\n") == 1


def test_options_that_a_service_passes_over_are_refused(files: Path, command: Run) -> None:
    clip, wrong = files / "p0" / "silhouette.npy", ["--bundle", "/nonexistent"]
    wrong += ["--match-fpir", "0.5", "--possible-fpir", "0.6", "--own-calibration"]
    wrong += ["--quality", "strict", "--variant", "fp32", "--frames", "3", "--threads", "1"]
    wrong += ["--device", "cpu"]
    code, out, err = command(identify, clip, "--gallery", "http://127.0.0.1:9/x", *wrong)
    assert (code, out) == (1, "")
    assert err.startswith("error [config.invalid]: got --bundle, ")
    for option in [each for each in wrong if each.startswith("--")]:
        assert option in err
    assert "a service decides by its own network and settings; leave it out" in err


def test_every_option_but_those_of_a_request_is_one_a_service_passes_over() -> None:
    sent = {"clip", "gallery", "top_k", "modality", "gallery_modality", "all_candidates", "json"}
    sent |= {each.name for each in fields(Points)}
    of_groups = {each.name for group in (Points, Network) for each in fields(group)}
    every = {each.name for each in fields(identify.Arguments)} - {"points", "network"} | of_groups
    assert every == sent | identify.OURS | identify.SERVICES


@pytest.mark.parametrize("option", ["--purpose", "--key-file"])
def test_options_for_a_service_are_refused_by_a_search_here(
    built: Path, files: Path, command: Run, option: str
) -> None:
    clip = files / "p0" / "silhouette.npy"
    code, _, err = command(identify, clip, "--gallery", built, option, "x")
    assert code == 1
    assert err.startswith(f"error [config.invalid]: got {option}, without effect on {built}: ")


@pytest.mark.parametrize(
    ("content", "says"),
    [(None, "cannot read {} (No such file or directory)"), (b"", "{} holds no line of text"),
     (b"\xff", "{} holds no line of text"), (b"a\nb", "{} holds no line of text")],
)  # fmt: skip
def test_a_key_file_that_holds_no_key_is_named_with_its_option(
    files: Path, tmp_path: Path, command: Run, content: bytes | None, says: str
) -> None:
    clip, key = files / "p0" / "silhouette.npy", tmp_path / "key"
    if content is not None:
        key.write_bytes(content)
    asked = ("--gallery", "http://127.0.0.1:9/x", "--purpose", "test", "--key-file", key)
    code, _, err = command(identify, clip, *asked)
    assert code == 1
    assert err.startswith(f"error [config.invalid]: --key-file: {says.format(key)}")


def test_list_remove_and_info(built: Path, command: Run) -> None:
    assert "removed   p0: 2 templates (1, 2)\n" in command(remove, "--gallery", built, "p0")[1]
    code, _, err = command(remove, "--gallery", built, "p0")
    assert code == 1
    assert err == "error [gallery.subject_not_found]: the gallery has no subject 'p0'\n"
    assert [line.split()[0] for line in command(listing, "--gallery", built)[1].splitlines()] == [
        "name",
        "p1",
        "p2",
        "p3",
    ]
    templates = json.loads(command(listing, "--gallery", built, "--subject", "p1", "--json")[1])
    assert [(t["modality"], t["frames"]) for t in templates] == [
        ("range_view", 5),
        ("silhouette", 5),
    ]
    (third,) = json.loads(command(listing, "--gallery", built, "--template", 3, "--json")[1])
    assert (third["id"], third["subject"]) == (3, "p1")
    facts = json.loads(command(info, "--gallery", built, "--json")[1])
    assert (facts["subjects"], facts["silhouettes"], facts["range_views"]) == (3, 3, 3)
    assert facts["trained_on"] == "simulated people"
    assert facts["contract"] in command(info, "--gallery", built)[1]
    assert facts["calibration"].startswith("none: similarities only rank people")


def test_info_says_whose_calibration_decides_and_what(built: Path, command: Run) -> None:
    with open_gallery(built) as gallery:
        made = calibrate(
            labelled(60, clips=2), contract=gallery.contract, simulated=True, data="site 7"
        )
        gallery.set_calibration(made)
        size = 2 * gallery.counts().subjects
    facts = json.loads(command(info, "--gallery", built, "--json")[1])
    assert facts["calibration"] == "the gallery's, on 60 simulated people of site 7"
    assert facts["calibration_sha256"] == made.sha256
    assert facts["decides_at_fpir_0.01"] == "among up to 183 people"
    threshold = made.pair(Modality.SILHOUETTE, "mixed", 1).threshold(0.01, size)
    assert facts["decides_silhouette"].startswith(f"match from {threshold.similarity:.4f}, ")
    assert (
        f"in a gallery of {size} (each counted for each sensor); this gallery's own"
        in facts["decides_silhouette"]
    )


def test_a_list_of_nobody_is_a_head_alone(tmp_path: Path, command: Run) -> None:
    create_gallery(tmp_path / "gallery", TINY).close()
    out = command(listing, "--gallery", tmp_path / "gallery")[1]
    assert out.split() == ["name", "created", "silhouettes", "range_views"]


def test_a_folder_that_is_no_gallery_is_said(tmp_path: Path, command: Run) -> None:
    for module in (listing, info):
        code, _, err = command(module, "--gallery", tmp_path)
        assert code == 1
        assert "there is no gallery at" in err


@pytest.mark.parametrize(
    ("option", "value", "says"),
    [
        ("--threads", 0, "got 0 threads, need 1..1024"),
        ("--threads", 99999999999, "need 1..1024"),
        ("--batch", 0, "got batches of 0 clips"),
        ("--subjects", "nobody*", "of the selection: subjects nobody*"),
    ],
)
def test_options_out_of_range_are_said(
    tmp_path: Path, files: Path, command: Run, option: str, value: object, says: str
) -> None:
    arguments = ("--bundle", TINY, "--out", tmp_path / "gallery", files, option, value)
    code, _, err = command(build, *AUTHORISED, *arguments)
    assert code == 1
    assert says in err


def test_a_clip_that_the_service_refuses_is_not_enrolled(files: Path, command: Run) -> None:
    for folder in files.iterdir():
        for clip in folder.iterdir():
            clip.unlink()
    np.save(files / "p0" / "long.npy", walk(0, 3001, Modality.SILHOUETTE).frames)
    code, out, _ = command(
        build, *AUTHORISED, "--bundle", TINY, "--out", files.parent / "gallery", files
    )
    assert code == 1
    assert "[decode.limit] got 3001 frames, at most 3000" in out


def test_labelled_folders_are_searched_and_counted(
    built: Path, files: Path, tmp_path: Path, command: Run
) -> None:
    with open_gallery(built) as gallery:
        made = calibrate(labelled(60), contract=gallery.contract, simulated=True, data="people")
        gallery.set_calibration(made)
    (files / "p0").rename(files / "stranger")  # who is found as p0
    (files / "p1" / "0007").mkdir()
    (files / "p1" / "silhouette.npy").rename(files / "p1" / "0007" / "walk.npy")
    (files / "p3" / "broken.npy").write_bytes(b"?")
    searched = (identify, files, "--gallery", built, "--quality", "off")
    code, out, _ = command(*searched, "--json")
    found = json.loads(out)
    told = {each["clip"]: (each["decision"], each["subject"]) for each in found["clips"]}
    assert code == 0
    assert told["p1/0007/walk.npy"] == ("match", "p1")
    assert told["stranger/silhouette.npy"] == ("match", "p0")
    assert told["p3/broken.npy"] == ("rejected", None)
    counts = [(*each.values(),) for each in found["outcomes"] if each["clips"]]
    assert counts == [("match", "right", 6, 3), ("match", "wrong", 2, 1), ("rejected", "", 1, 1)]
    lines = command(*searched)[1].splitlines()
    assert [line.split() for line in lines[-7:-5]] == [
        ["match", "right", "6", "3"],
        ["match", "wrong", "2", "1"],
    ]
    assert any(line.startswith("stranger") and line.endswith("wrong") for line in lines)


def test_a_template_is_removed_and_its_receipt_kept(
    built: Path, tmp_path: Path, command: Run
) -> None:
    kept = tmp_path / "receipt.json"
    arguments = ("--gallery", built, "--template", 3, "--json", "--receipt", kept)
    code, out, _ = command(remove, *arguments)
    (receipt,) = json.loads(out)
    assert code == 0
    assert json.loads(kept.read_text()) == [receipt]
    assert (receipt["subject"], receipt["templates"]) == ("p1", [3])
    assert receipt["gallery"] == json.loads(command(info, "--gallery", built, "--json")[1])["id"]
    code, _, err = command(remove, "--gallery", built, "p2", "--receipt", kept)
    assert code == 1
    assert "cannot write the receipt" in err
    assert "p2" in command(listing, "--gallery", built)[1], "erased without a receipt"


def test_only_the_picture_of_a_template_is_removed(
    tmp_path: Path, files: Path, command: Run
) -> None:
    made = tmp_path / "pictures"
    pictured = ("--bundle", TINY, "--out", made, "--keep-pictures", files)
    assert command(build, *AUTHORISED, *pictured, "--subjects", "p1")[0] == 0
    code, out, _ = command(remove, "--gallery", made, "p1", "--picture", 2)
    assert (code, out.splitlines()[0]) == (0, "removed   p1: the picture of template 2")
    with open_gallery(made) as left:
        assert [(each.id, each.picture) for each in left.templates("p1")] == [(1, True), (2, False)]
    code, _, err = command(remove, "--gallery", made, "p1", "--picture", 2)
    assert (code, err.startswith("error [gallery.picture_not_found]")) == (1, True)


@pytest.mark.parametrize(
    "arguments", [(), ("p0", "--template", 1), ("--template", 1, "--picture", 1)]
)
def test_remove_needs_a_subject_or_a_template(
    built: Path, command: Run, arguments: tuple[object, ...]
) -> None:
    code, _, err = command(remove, "--gallery", built, *arguments)
    assert code == 1
    assert err.startswith("error [config.invalid]")


def test_what_has_expired_is_erased_by_command(
    built: Path, command: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert command(expire, "--gallery", built)[1] == "nothing has expired\n"
    monkeypatch.setattr(clock, "now", lambda: 2**35)
    facts = json.loads(command(info, "--gallery", built, "--json")[1])
    assert (facts["silhouettes"], facts["expired"]) == (4, 8)
    _, out, err = command(expire, "--gallery", built)
    assert (out, "days ahead" in err) == ("nothing has expired\n", True)
    receipts = json.loads(command(expire, "--gallery", built, "--trust-clock", "--json")[1])
    assert [r["subject"] for r in receipts] == ["p0", "p1", "p2", "p3"]
    assert json.loads(command(listing, "--gallery", built, "--json")[1]) == []


def test_the_master_key_is_made_and_rotated_by_command(
    built: Path, tmp_path: Path, command: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    new = tmp_path / "new.key"
    made = json.loads(command(keys, "new", new, "--json")[1])
    code, out, _ = command(keys, "rotate", "--gallery", built, "--new-key", new, "--json")
    assert code == 0
    assert json.loads(out)["keys"] == 4
    code, _, err = command(info, "--gallery", built)
    assert code == 1
    assert f"was made with master key {made['id']}" in err
    assert err.count("\n") == 1
    monkeypatch.delenv("DIFFCROSSGAIT_MASTER_KEY")
    monkeypatch.setenv("DIFFCROSSGAIT_MASTER_KEY_FILE", str(new))
    assert json.loads(command(info, "--gallery", built, "--json")[1])["master_key"] == made["id"]
    code, _, err = command(keys, "new", new)
    assert code == 1
    assert "never overwritten" in err


def test_a_removal_that_fails_leaves_no_receipt_in_its_own_way(
    built: Path, tmp_path: Path, command: Run
) -> None:
    kept = tmp_path / "receipt.json"
    code, _, err = command(remove, "--gallery", built, "p9", "--receipt", kept)
    assert (code, kept.exists()) == (1, False), err
    assert command(remove, "--gallery", built, "p2", "--receipt", kept)[0] == 0
    assert json.loads(kept.read_text())[0]["subject"] == "p2"


def _full_disk_at(call: int, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = count(1)

    def fsync(_: int) -> None:
        if next(calls) >= call:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", fsync)


@pytest.mark.parametrize("module", [remove, expire])
def test_nobody_is_erased_where_a_receipt_has_no_room(
    built: Path, tmp_path: Path, command: Run, monkeypatch: pytest.MonkeyPatch, module: Any
) -> None:
    monkeypatch.setattr(clock, "now", lambda: 2**35)
    which = ("p1",) if module is remove else ("--trust-clock",)
    _full_disk_at(1, monkeypatch)
    code, _, err = command(
        module, "--gallery", built, *which, "--receipt", tmp_path / "receipt.json"
    )
    assert code == 1
    assert "so nothing was erased: [Errno 28]" in err
    assert not (tmp_path / "receipt.json").exists()
    assert json.loads(command(info, "--gallery", built, "--json")[1])["subjects"] == 4


@pytest.mark.parametrize(
    ("module", "people"), [(remove, ["p1"]), (expire, ["p0", "p1", "p2", "p3"])]
)
def test_a_receipt_that_cannot_be_kept_is_printed_and_the_erasure_said(
    built: Path,
    tmp_path: Path,
    command: Run,
    monkeypatch: pytest.MonkeyPatch,
    module: Any,
    people: list[str],
) -> None:
    monkeypatch.setattr(clock, "now", lambda: 2**35)
    which = ("p1",) if module is remove else ("--trust-clock",)
    _full_disk_at(2, monkeypatch)
    code, out, err = command(
        module, "--gallery", built, *which, "--receipt", tmp_path / "receipt.json"
    )
    assert code == 1
    assert [each["subject"] for each in json.loads(out)] == people
    assert "WERE erased" in err


@pytest.mark.parametrize("kept", [True, False])
def test_a_receipt_is_kept_or_printed_when_the_log_cannot_be_emptied(
    built: Path, tmp_path: Path, command: Run, monkeypatch: pytest.MonkeyPatch, kept: bool
) -> None:
    def busy(_: object) -> None:
        raise StorageError("is erased but for its log")

    monkeypatch.setattr("gallery.record.record.finish_erasure", busy)
    file = tmp_path / "receipt.json"
    code, out, err = command(
        remove, "--gallery", built, "p1", *(("--receipt", file) if kept else ())
    )
    assert (code, "erased but for its log" in err) == (1, True)
    (receipt,) = json.loads(file.read_text() if kept else out)
    assert (receipt["subject"], receipt["destruction"]) == ("p1", "deleted")


def test_a_receipt_takes_no_more_room_than_is_kept_for_it() -> None:
    longest, ids = "\U0001f600" * NAME_LIMIT, tuple(range(2**63 - 9, 2**63))
    receipt = Receipt("0" * 32, longest, ids, "0" * 32, 2**63, iso_time(0), "overwritten", ids)
    assert len(as_json([receipt] * 3)) < room_for(3, 3 * 2 * len(ids))


@pytest.mark.parametrize("expires", ["tomorrow", "2030-13-01", "2030-01-01T00:00:00", "2001-01-01"])
def test_an_authorisation_needs_a_day_to_come(
    files: Path, tmp_path: Path, command: Run, expires: str
) -> None:
    arguments = ("--authorisation", "x", "--expires", expires, "--bundle", TINY)
    code, _, err = command(build, *arguments, "--out", tmp_path / "gallery", files)
    assert code == 1
    assert "expir" in err


@pytest.fixture
def recording(tmp_path: Path, files: Path) -> Path:
    """A folder as capture.run leaves it: p1 in two clips, somebody else, and what shows nobody."""
    out = tmp_path / "recording"
    shown = [(2, "p1", 0), (1, "p3", 0), (2, "p1", 1), (3, "", 0)]
    clips = []
    for row, (person, who, seed) in enumerate(shown):
        file = out / f"000{row}" / "walk.npz"
        file.parent.mkdir(parents=True)
        if who:
            np.savez(file, walk(int(who[1]), 5, Modality.SILHOUETTE, seed=seed).frames)
        else:
            file.write_bytes(b"?")
        times = {"begins": 10.0 - row, "ends": 20.0 + row}
        clips.append({"person": person, "file": f"000{row}/walk.npz", **times})
    (out / "tracks.json").write_text(json.dumps({"clips": clips}))
    return out


def test_identify_decides_of_each_person_of_a_recording(
    built: Path, recording: Path, command: Run
) -> None:
    arguments = (identify, "--quality", "off", "--gallery", built, recording)
    code, out, err = command(*arguments)
    assert (code, err) == (0, "")
    head, *lines = out.splitlines()
    assert head.split() == [
        "person",
        "decision",
        "subject",
        "similarity",
        "begins",
        "ends",
        "clips",
    ]
    assert [line.split()[0] for line in lines] == ["3", "2", "1"]  # as they came
    assert "rejected" in lines[0]
    assert "0003: decode.format" in lines[0]
    assert lines[1].split()[2:9] == ["p1", "1.0000", "8.0", "s", "22.0", "s", "0000"]
    assert lines[2].split()[2] == "p3"
    people = json.loads(command(*arguments, "--json")[1])["people"]
    assert [len(each["clips"]) for each in people] == [1, 2, 1]
    assert people[1]["clips"][0]["candidates"][0]["subject"] == "p1"


def test_clips_of_a_recording_that_were_renamed_or_deleted_are_named(
    built: Path, recording: Path, command: Run
) -> None:
    (recording / "0001").rename(recording / "anna")
    (recording / "0003" / "walk.npz").unlink()
    arguments = (identify, "--quality", "off", "--gallery", built, recording, "--json")
    code, out, err = command(*arguments)
    assert [each["person"] for each in json.loads(out)["people"]] == [2]
    assert (code, err) == (
        0,
        f"2 of 4 clips of {recording / 'tracks.json'} are left out, their folders were deleted or "
        "renamed: 0001 0003\n",
    )


def test_deleted_clips_of_a_recording_are_left_out_and_a_damaged_list_is_named(
    built: Path, recording: Path, command: Run
) -> None:
    arguments = (identify, "--quality", "off", "--gallery", built, recording)
    for row in (0, 1, 3):
        (recording / f"000{row}" / "walk.npz").unlink()
    assert [line.split()[0] for line in command(*arguments)[1].splitlines()] == ["person", "2"]
    (recording / "0002" / "walk.npz").unlink()
    assert "holds none of the clips" in command(*arguments)[2]
    (recording / "tracks.json").write_text('{"clips": [{}]}')
    code, _, err = command(*arguments)
    assert (code, err.startswith("error [data.layout]")) == (1, True)


@pytest.mark.parametrize(("people", "told"), [(60, True), (98, True), (99, False)])
def test_a_calibration_says_that_it_switches_verifying_off(people: int, told: bool) -> None:
    made = calibrate(labelled(people, clips=1), contract="c", simulated=True, data="people")
    said = f"a rate of 0.10% among 1 enrolled people cannot be told from {people} people"
    assert any(said in each and "/verify" in each for each in undecided(made)) == told
    assert (said in summary(made)) == told
    assert len(undecided(made)) == told


def test_a_calibration_of_one_sensor_says_that_the_other_is_undecided() -> None:
    clips = labelled(120, clips=1)
    one = clips.only(clips.modalities == Modality.SILHOUETTE)
    said = undecided(calibrate(one, contract="c", simulated=True, data="people"))
    assert [each.split(":")[0] for each in said] == [
        "silhouette clips of people enrolled by range_view",
        "range_view clips of people enrolled by silhouette",
        "range_view clips of people enrolled by range_view",
    ]


def test_of_strangers_nobody_is_right_and_who_is_found_by_nobody_is_missed(files: Path) -> None:
    answers: dict[str, dict[str, Any]] = {
        "p0": {"decision": "no_match", "candidates": []},
        "p1": {"decision": None, "undecided": "why", "candidates": [{"subject": "p1"}]},
        "p2": {"decision": "possible", "candidates": [{"subject": "p3", "similarity": 0.5}]},
        "p3": {"decision": "possible", "candidates": [{"subject": "p3", "similarity": 0.5}]},
    }
    clips = identify_labelled(labelled_sources(files), lambda file: answers[file.parent.name])
    assert [(*each.values(),) for each in outcomes(clips) if each["clips"]] == [
        ("possible", "right", 2, 1),
        ("possible", "wrong", 2, 1),
        ("no_match", "missed", 2, 1),
        ("undecided", "", 2, 1),
    ]
    assert "why" in labelled_table(clips)


def test_a_tree_of_pickles_is_not_searched_for(tmp_path: Path, command: Run, built: Path) -> None:
    tree = tmp_path / "tree" / "p0" / "nm" / "000" / "000.pkl"
    tree.parent.mkdir(parents=True)
    tree.write_bytes(b"")
    code, _, err = command(identify, tmp_path / "tree", "--gallery", built)
    assert (code, "is a tree of pickles, need clip files" in err) == (1, True)
