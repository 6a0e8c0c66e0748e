"""The grid: interrupted anywhere it ends with the same records, and no run is made twice."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from filelock import FileLock

import bench.ablation.__main__ as command
import train.loop.training_run
from bench.ablation import running
from bench.ablation.__main__ import main
from bench.ablation.page import read_runs
from bench.ablation.record import RunRecord
from bench.ablation.rows import ROWS
from bench.ablation.running import commit, run_trial
from bench.ablation.table import ACROSS, tables
from bench.ablation.trial import Trial
from gait.errors import ConfigError, EvaluationError, PackError
from gait.metrics import Distance
from tests.packs import write_pack
from tests.training_setup import tiny_config, write_tiny_yaml
from train.checkpoint import Checkpoint, save_checkpoint
from train.data.pack import Pack
from train.loop.learner import Machine
from train.machine.device import set_threads

PRESET = tiny_config(optim={"iterations": 6}, run={"checkpoint_every": 2, "validate_every": 1000})
MACHINE = Machine(torch.device("cpu"))


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """As the command sets it: threads that wait for each other are slow on a busy machine."""
    before = torch.get_num_threads()
    set_threads(PRESET.run)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def pack(tmp_path_factory: pytest.TempPathFactory) -> Pack:
    return Pack.open(write_pack(tmp_path_factory.mktemp("pack") / "pack"))


def some_trials(folder: Path) -> list[Trial]:
    return [
        Trial(PRESET, ROWS[row], seed, folder / "runs", folder / "results")
        for seed in (0, 1)
        for row in ("base", "full")
    ]


def killed_in_training(monkeypatch: pytest.MonkeyPatch, iteration: int) -> None:
    """The process dies right after the checkpoint of an iteration."""

    def save_and_die(path: Path, checkpoint: Checkpoint) -> None:
        save_checkpoint(path, checkpoint)
        if checkpoint.iteration == iteration:
            raise KeyboardInterrupt

    monkeypatch.setattr(train.loop.training_run, "save_checkpoint", save_and_die)


def test_killed_and_started_again_the_records_and_the_table_are_the_same(
    pack: Pack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_once, again = some_trials(tmp_path / "at-once"), some_trials(tmp_path / "again")
    for trial in at_once:
        assert run_trial(trial, pack, MACHINE)
    for iteration in (2, 4):
        with monkeypatch.context() as patch:
            killed_in_training(patch, iteration)
            with pytest.raises(KeyboardInterrupt):
                run_trial(again[1], pack, MACHINE)
    with monkeypatch.context() as patch:
        patch.setattr(running, "evaluate", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            run_trial(again[0], pack, MACHINE)
    assert not list((tmp_path / "again" / "results").rglob("*.json"))
    for trial in again:
        assert run_trial(trial, pack, MACHINE)
    for one, two in zip(at_once, again, strict=True):
        assert one.path.read_text() == two.path.read_text()
    texts = [tables(read_runs(PRESET, tmp_path / n / "results")) for n in ("at-once", "again")]
    assert texts[0] == texts[1]
    assert "all three phases" in texts[0]


def test_a_finished_run_is_not_made_again(
    pack: Pack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trial = some_trials(tmp_path)[0]
    assert run_trial(trial, pack, MACHINE)
    monkeypatch.setattr(running, "_train", lambda *_: pytest.fail("trained again"))
    assert run_trial(trial, pack, MACHINE)


def test_a_run_another_process_works_on_is_left_to_it(pack: Pack, tmp_path: Path) -> None:
    trial = some_trials(tmp_path)[0]
    trial.folder.mkdir(parents=True)
    with FileLock(trial.folder / ".lock"):
        assert not run_trial(trial, pack, MACHINE)
    assert not trial.path.exists()


def test_the_lock_of_a_killed_process_holds_nobody_up(pack: Pack, tmp_path: Path) -> None:
    trial = some_trials(tmp_path)[0]
    trial.folder.mkdir(parents=True)
    code = (
        "import sys, time, filelock\n"
        "lock = filelock.FileLock(sys.argv[1])\n"
        "lock.acquire()\n"
        "print('held', flush=True)\n"
        "time.sleep(600)\n"
    )
    arguments = [sys.executable, "-c", code, str(trial.folder / ".lock")]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "held\n"
            assert not run_trial(trial, pack, MACHINE)
        finally:
            process.kill()
    assert run_trial(trial, pack, MACHINE)


def test_a_record_says_what_was_run_on_whom(pack: Pack, tmp_path: Path) -> None:
    trial = some_trials(tmp_path)[1]
    run_trial(trial, pack, MACHINE)
    record = RunRecord.read(trial.path)
    assert record == RunRecord.model_validate_json(record.to_json())
    assert (record.row, record.seed, record.simulated) == ("full", 0, True)
    assert record.config == trial.config
    assert record.people == ("0006", "0007", "0008", "0009")
    assert set(record.validation) == {"silhouette → range_view", "range_view → silhouette"}
    assert {"ce", "p1_identity", "total"} <= set(record.losses)
    assert len(trial.path.read_text()) < 30_000


@pytest.mark.parametrize(("row", "own"), [("base", "cosine"), ("base-literal", "euclidean")])
def test_people_are_scored_by_both_distances_and_a_row_goes_by_its_own(
    row: str, own: str, pack: Pack, tmp_path: Path
) -> None:
    trial = Trial(PRESET, ROWS[row], 0, tmp_path / "runs", tmp_path / "results")
    run_trial(trial, pack, MACHINE)
    record = RunRecord.read(trial.path)
    assert record.config.distance == own
    assert {scores.distance for scores in record.people_scores} == set(Distance)
    for pair in ACROSS:
        alone = [s for s in record.people_scores if (s.probe, s.gallery) == pair]
        for scores in alone:
            protocol = record.score(*pair, scores.condition, scores.distance)
            assert np.mean(np.array(scores.rank1, float)) == pytest.approx(protocol.rank1, abs=0.01)
        (found,) = (s for s in alone if (s.condition, s.distance) == ("Overall", own))
        assert record.alone(*pair, "Overall").tolist() == list(found.rank1)


def test_a_record_of_before_holds_cosine_alone(pack: Pack, tmp_path: Path) -> None:
    trial = some_trials(tmp_path)[0]
    run_trial(trial, pack, MACHINE)
    content = json.loads(trial.path.read_text())
    content["people_scores"] = [
        {name: value for name, value in scores.items() if name != "distance"}
        for scores in content["people_scores"]
        if scores["distance"] == "cosine"
    ]
    old = RunRecord.model_validate_json(json.dumps(content))
    record = RunRecord.read(trial.path)
    for pair in ACROSS:
        assert old.alone(*pair, "Overall").tolist() == record.alone(*pair, "Overall").tolist()


def test_a_record_of_other_settings_or_people_is_refused(pack: Pack, tmp_path: Path) -> None:
    trial = some_trials(tmp_path)[0]
    run_trial(trial, pack, MACHINE)
    text = trial.path.read_text()
    trial.path.write_text(text.replace('"lr": 0.003', '"lr": 0.004'))
    with pytest.raises(ConfigError, match=r"optim\.lr \(0\.004 → 0\.003\)"):
        run_trial(trial, pack, MACHINE)
    trial.path.write_text(text)
    of_another_machine = Pack.open(write_pack(tmp_path / "rounded", seed=1))
    assert of_another_machine.simulated
    assert run_trial(trial, of_another_machine, MACHINE)
    others = Pack.open(write_pack(tmp_path / "others", test=5))
    with pytest.raises(ConfigError, match="the people"):
        run_trial(trial, others, MACHINE)


@pytest.mark.parametrize("damage", ["", "{}", '{"format": 2}', "half"])
def test_a_damaged_record_is_an_error_that_names_it(
    damage: str, pack: Pack, tmp_path: Path
) -> None:
    trial = some_trials(tmp_path)[0]
    run_trial(trial, pack, MACHINE)
    text = trial.path.read_text()
    trial.path.write_text(text[: len(text) // 2] if damage == "half" else damage)
    with pytest.raises(EvaluationError, match=r"base-0\.json is no record"):
        run_trial(trial, pack, MACHINE)


def words(folder: Path, pack: Pack, *more: str) -> list[str]:
    yaml = write_tiny_yaml(folder, optim={"iterations": 2}, run={"validate_every": 1000})
    places = ["--results", str(folder / "results"), "--runs", str(folder / "runs")]
    return ["ablation", "--preset", str(yaml), "--pack", str(pack.path), *places, *more]


def test_the_command_runs_what_is_missing_and_prints_its_table(
    pack: Pack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for rows, seeds, runs in ((["base"], ["0"], 1), (["base", "p1"], ["0", "1"], 3), ([], [], 0)):
        more = ["--rows", *rows, "--seeds", *seeds] if rows else ["--table"]
        monkeypatch.setattr(sys, "argv", words(tmp_path, pack, *more))
        main()
        printed = capsys.readouterr()
        assert "| base | no diffusion |" in printed.out
        assert printed.err.count("run ") == runs
    for more, shown in (
        (["--table"], ["base 0 1", "p1 0 1"]),
        (["--table", "--rows", "p1"], ["p1 0 1"]),
        (["--table", "--seeds", "1"], ["base 1", "p1 1"]),
        (["--rows", "p1", "--seeds", "0"], ["p1 0"]),
        (["--table", "--rows", "full"], []),
    ):
        monkeypatch.setattr(sys, "argv", words(tmp_path, pack, *more))
        main()
        assert rows_shown(capsys.readouterr().out) == shown
    against = ["--against", "base", "--rows", "p1", "--seeds", "0", "1"]
    monkeypatch.setattr(sys, "argv", words(tmp_path, pack, *against))
    main()
    assert "| p1 | 0 1 | " in capsys.readouterr().out
    monkeypatch.setattr(sys, "argv", words(tmp_path, pack, "--list"))
    main()
    lines = capsys.readouterr().out.splitlines()
    assert any(line.split()[0] == "p1" and line.endswith("seeds done: 0 1") for line in lines)


def rows_shown(text: str) -> list[str]:
    """The rows of the first table of each group, and their seeds."""
    tables = [part for part in text.split("\n\n") if part.startswith("| row |  | seeds")]
    cells = [line.split(" | ") for table in tables for line in table.splitlines()[2:]]
    return [f"{line[0][2:]} {line[2]}" for line in cells]


def test_what_is_written_is_of_all_rows_whichever_are_shown(
    tmp_path: Path, pack: Pack, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[object] = []
    monkeypatch.setattr(command, "write_pages", given.append)
    monkeypatch.setattr(sys, "argv", words(tmp_path, pack, "--table", "--rows", "p1", "--write"))
    main()
    assert given == [tmp_path / "results"]


def test_a_preset_of_real_people_is_not_given_simulated_ones(
    tmp_path: Path, pack: Pack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    at = words(tmp_path, pack, "--rows", "base").index("--pack")
    line = words(tmp_path, pack, "--rows", "base")
    monkeypatch.setattr(sys, "argv", [*line[:at], *line[at + 2 :], "--preset", "sustech1k"])
    with pytest.raises(ConfigError, match="sustech1k needs a packed dataset: give --pack"):
        main()
    assert not (tmp_path / "work").exists()


def test_a_pack_of_another_layout_is_refused_before_any_work(
    tmp_path: Path, pack: Pack, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = Pack.open(write_pack(tmp_path / "other", layout="freegait"))
    monkeypatch.setattr(sys, "argv", words(tmp_path, other, "--rows", "base"))
    with pytest.raises(PackError, match="is a freegait pack, tiny is for sustech1k"):
        main()
    monkeypatch.setattr(
        sys, "argv", [*words(tmp_path, pack, "--rows", "base"), "--preset", "freegait"]
    )
    with pytest.raises(ConfigError, match="the preset freegait of layout freegait, need sustech1k"):
        main()
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--rows"], "no row or no seed"),
        (["--table", "--rows", "bose"], "did you mean 'base'"),
        (["--rows", "bose"], "did you mean 'base'"),
        (["--rows", "base-shape"], "people of their own"),
        (["--against", "phases"], "got the group phases, need one row"),
        (["--against", "bose"], "did you mean 'base'"),
        (["--against", "base"], "base has no run yet"),
        (["--rows", "base", "--seeds", "-1"], "greater than or equal to 0"),
    ],
)
def test_what_cannot_be_run_is_an_error_before_any_work(
    more: list[str], said: str, pack: Pack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", words(tmp_path, pack, *more))
    with pytest.raises(ConfigError, match=said):
        main()
    assert not (tmp_path / "runs").exists()


def test_a_record_under_another_name_is_refused(pack: Pack, tmp_path: Path) -> None:
    trial = some_trials(tmp_path)[0]
    run_trial(trial, pack, MACHINE)
    trial.path.rename(trial.path.with_name("full-0.json"))
    with pytest.raises(EvaluationError, match="base-0"):
        read_runs(PRESET, trial.results)


def test_without_git_a_record_names_no_commit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert commit() is None
