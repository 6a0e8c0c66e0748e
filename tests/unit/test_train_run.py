"""The command line of training: presets, overrides, typos, and refusals in plain words."""

import json
import sys
from pathlib import Path

import pytest
import torch

from gait.cli import run
from gait.errors import CheckpointError, ConfigError, GaitError, PackError
from gait.range_style import RangeStyle
from tests.packs import drawn_as, write_pack
from tests.training_command import trained
from tests.training_setup import tiny_config, write_tiny_yaml
from train.checkpoint import file_hash, load_checkpoint
from train.config import TrainConfig
from train.data.split import split_people
from train.loop.training_run import LAST
from train.machine.distributed import Ranks
from train.report.metrics_log import read_metrics
from train.resuming import lengthened, not_lengthened
from train.run import (
    Command,
    begin,
    clear,
    default_preset,
    main,
    open_pack,
    parse,
    resume_point,
)


def test_a_preset_is_changed_field_by_field() -> None:
    command = parse(["sustech1k", "--optim.lr", "1e-3", "--diffusion.phases", "1", "2"])
    assert command.config.name == "sustech1k"
    assert command.config.optim.lr == 1e-3
    assert command.config.optim.iterations == 40_000
    assert command.config.diffusion.phases == (1, 2)
    assert command.folder == Path("runs/sustech1k")


def test_the_base_without_diffusion_is_configuration() -> None:
    assert parse(["demo", "--diffusion.phases"]).config.diffusion.phases == ()


def test_choices_are_written_as_in_a_configuration_file() -> None:
    command = parse(["demo", "--diffusion.denoiser", "none", "--evaluation.distance", "euclidean"])
    assert command.config.diffusion.denoiser == "none"
    assert command.config.distance == "euclidean"


@pytest.mark.parametrize(("cuda", "name"), [(True, "simulated"), (False, "demo")])
def test_without_arguments_the_machine_decides(
    monkeypatch: pytest.MonkeyPatch, cuda: bool, name: str
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    assert default_preset() == name
    assert parse([]).config.name == name


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["demo", "--optim.lrr", "1"], "--optim.lr"),
        (["demo", "--modle.margin", "1"], "--model.margin"),
        (["demo", "--pakc", "x"], "--pack"),
        (["demo", "--optim.lr", "fast"], "optim.lr"),
        (["demo", "--optim.lr", "-1"], "greater than 0"),
        (["demo", "--optim.schedule", "cosine"], "one_cycle"),
        (["demo", "extra"], "extra"),
    ],
)
def test_a_bad_flag_is_a_usage_error_that_helps(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        parse(arguments)
    assert caught.value.code == 2
    assert said in capsys.readouterr().err


def test_fields_that_do_not_go_together_are_refused() -> None:
    with pytest.raises(ConfigError, match="milestones"):
        parse(["demo", "--optim.milestones", "5", "3"])
    with pytest.raises(ConfigError, match="parts"):
        parse(["demo", "--model.parts", "7"])


def test_help_names_the_presets(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        parse(["--help"])
    assert caught.value.code == 0
    said = capsys.readouterr().out
    assert "python -m train.run [PRESET]" in said
    assert "demo, freegait, freegait_aligned, freegait_ours, simulated, sustech1k" in said


@pytest.fixture
def command(tmp_path: Path) -> Command:
    pack = write_pack(tmp_path / "pack")
    return parse(
        [str(write_tiny_yaml(tmp_path)), "--pack", str(pack), "--out", str(tmp_path / "out")]
    )


def test_a_preset_for_real_data_needs_a_pack() -> None:
    with pytest.raises(ConfigError, match=r"sustech1k needs a packed dataset: give --pack"):
        open_pack(parse(["sustech1k"]))


def test_a_pack_of_another_layout_is_refused(tmp_path: Path) -> None:
    pack = write_pack(tmp_path / "pack")
    with pytest.raises(PackError, match="sustech1k pack, freegait is for freegait"):
        open_pack(parse(["freegait", "--pack", str(pack)]))


def test_what_is_no_pack_is_said(tmp_path: Path) -> None:
    with pytest.raises(PackError, match="not a pack"):
        open_pack(parse(["demo", "--pack", str(tmp_path)]))


def test_the_resolved_configuration_is_saved(command: Command) -> None:
    pack = open_pack(command)
    split = split_people(pack.records, command.config)
    assert resume_point(command, pack, split, Ranks()) is None
    begin(command, Ranks())
    saved = parse([str(command.folder / "config.yaml")]).config
    assert saved == command.config


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--start", "typo.pt"], "no checkpoint at typo.pt"),
        (["--start", "OUT/last.pt"], "which removes the run in"),
        (["--augment.share", "0.5"], "need bins"),
    ],
)
def test_a_restart_that_is_refused_removes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: list[str], said: str
) -> None:
    pack, out = drawn_as(write_pack(tmp_path / "pack"), RangeStyle.SCATTER), tmp_path / "out"
    words = [str(write_tiny_yaml(tmp_path)), "--pack", str(pack), "--out", str(out)]
    words += ["--optim.iterations", "2"]
    trained(monkeypatch, *words)
    before = {path: path.read_bytes() for path in out.iterdir() if path.is_file()}
    with pytest.raises(GaitError, match=said):
        trained(monkeypatch, *words, "--restart", *(o.replace("OUT", str(out)) for o in options))
    assert {path: path.read_bytes() for path in out.iterdir() if path.is_file()} == before


def test_a_restart_begins_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "out"
    words = [str(write_tiny_yaml(tmp_path)), "--pack", str(write_pack(tmp_path / "pack"))]
    words += ["--out", str(out), "--optim.iterations", "2"]
    trained(monkeypatch, *words)
    trained(monkeypatch, *words, "--restart", "--seed", "1")
    assert load_checkpoint(out / "last.pt").config.seed == 1
    assert parse([str(out / "config.yaml")]).config.seed == 1


def test_restarting_removes_only_what_a_run_left(tmp_path: Path) -> None:
    for name in ("last.pt", "best.pt", "metrics.jsonl", "report.html", "notes.txt"):
        (tmp_path / name).write_text("x")
    clear(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_too_few_people_end_with_one_line(
    command: Command, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [str(command.folder.parent / "tiny.yaml"), "--pack", str(command.pack)]
    monkeypatch.setattr(sys, "argv", ["run", *words, "--batch.subjects", "8"])
    with pytest.raises(SystemExit) as caught:
        run(main)
    assert caught.value.code == 1
    said = capsys.readouterr().err.splitlines()[-1]
    assert said.startswith("error [config.invalid]: got 6 training people")


def test_a_finished_run_is_lengthened_as_if_it_had_been_longer(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = [str(command.folder.parent / "tiny.yaml"), "--pack", str(command.pack)]
    words += ["--optim.schedule", "steps", "--optim.milestones", "5"]
    once, twice = tmp_path / "once", tmp_path / "twice"
    trained(monkeypatch, *words, "--out", str(once), "--optim.iterations", "8")
    trained(monkeypatch, *words, "--out", str(twice), "--optim.iterations", "4")
    trained(monkeypatch, *words, "--out", str(twice), "--optim.iterations", "8")
    one, two = (load_checkpoint(folder / LAST) for folder in (once, twice))
    assert one.iteration == two.iteration == 8
    assert one.config == two.config == parse([str(twice / "config.yaml")]).config
    assert all(torch.equal(one.model[name], two.model[name]) for name in one.model)
    steps = [[row for row in read_metrics(folder) if "total" in row] for folder in (once, twice)]
    assert steps[0] == steps[1]
    assert json.loads((twice / "results.json").read_text()) == json.loads(
        (once / "results.json").read_text()
    )


def test_a_run_is_not_lengthened_where_the_rate_would_have_been_another(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = [str(command.folder.parent / "tiny.yaml"), "--pack", str(command.pack)]
    words += ["--out", str(command.folder)]
    trained(monkeypatch, *words, "--optim.iterations", "2")
    said = r"optim.iterations \(2 → 4\) \(steps .* optim.schedule one_cycle spreads its rates"
    with pytest.raises(ConfigError, match=said):
        trained(monkeypatch, *words, "--optim.iterations", "4")
    with pytest.raises(ConfigError, match=r"optim.iterations \(2 → 1\)"):
        trained(monkeypatch, *words, "--optim.iterations", "1")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--diffusion.phases", "--rival.method", "two_stage_distillation"], "rival.method two_st"),
        (["--augment.share", "0.5", "--augment.ramp", "0.5"], "augment.ramp 0.5 lets"),
    ],
)
def test_a_run_is_not_lengthened_where_its_steps_depend_on_its_length(
    command: Command, options: list[str], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = [str(command.folder.parent / "tiny.yaml"), "--pack", str(command.pack), *options]
    words += ["--out", str(command.folder), "--optim.schedule", "steps"]
    trained(monkeypatch, *words, "--optim.iterations", "2")
    with pytest.raises(ConfigError, match=f"steps already done would have been others: {said}"):
        trained(monkeypatch, *words, "--optim.iterations", "4")
    trained(monkeypatch, *words, "--optim.iterations", "2")  # not lengthened it goes on


def test_a_share_that_does_not_rise_may_be_lengthened(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = [str(command.folder.parent / "tiny.yaml"), "--pack", str(command.pack)]
    words += ["--optim.schedule", "steps", "--augment.share", "0.5", "--augment.ramp", "0"]
    once, twice = tmp_path / "once", tmp_path / "twice"
    trained(monkeypatch, *words, "--out", str(once), "--optim.iterations", "4")
    for iterations in ("2", "4"):
        trained(monkeypatch, *words, "--out", str(twice), "--optim.iterations", iterations)
    one, two = (load_checkpoint(folder / LAST).model for folder in (once, twice))
    assert all(torch.equal(one[name], two[name]) for name in one)


def test_milestones_may_move_where_no_step_is_done_yet() -> None:
    def steps(*milestones: int, iterations: int = 20) -> TrainConfig:
        optim = {"schedule": "steps", "milestones": milestones, "iterations": iterations}
        return tiny_config(optim=optim)

    old = steps(5, 15)
    for new in (steps(5, 18), steps(5, 18, iterations=30), steps(5, 10), steps(5)):
        assert lengthened(old, new, 10) == new
    for new in (steps(4, 15), steps(5, 9), steps(15)):
        assert lengthened(old, new, 10) == old
        (why,) = not_lengthened(old, new, 10)
        assert why == "optim.milestones before step 10 lowered its rate"
    shorter = lengthened(old, steps(5, 15, iterations=12), 10)
    assert shorter == old


def test_people_who_give_no_test_are_trained_on_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pack, out = write_pack(tmp_path / "pack", views=("000",)), tmp_path / "out"
    words = (str(write_tiny_yaml(tmp_path)), "--pack", str(pack), "--out", str(out))
    trained(monkeypatch, *words, "--optim.iterations", "3", "--run.validate_every", "1")
    said = capsys.readouterr()
    assert said.out == ""
    assert "its people give no test: got 4 gallery clips" in said.err
    assert "seen from one side, so nobody can look for them from another" in said.err
    best = load_checkpoint(out / "best.pt")
    assert (best.iteration, best.best) == (3, None), "no score that would mean nothing"


def test_too_few_people_for_a_projection_are_trained_on_without_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pack, out = write_pack(tmp_path / "pack"), tmp_path / "out"
    words = [str(write_tiny_yaml(tmp_path)), "--pack", str(pack), "--out", str(out)]
    words += ["--optim.iterations", "1", "--model.projection", "40"]
    for _ in range(2):  # the second time it goes on from the end
        trained(monkeypatch, *words)
        assert "not projected to 40 numbers: that needs more people" in capsys.readouterr().err
    assert load_checkpoint(out / "best.pt").config.model.projection is None


@pytest.fixture
def words(command: Command) -> list[str]:
    """Two steps of the tiny run, in a folder."""
    yaml, out = command.folder.parent / "tiny.yaml", command.folder
    return [str(yaml), "--out", str(out), "--optim.iterations", "2"]


def test_a_run_does_not_go_on_with_another_pack(
    command: Command, words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The ids of simulated people are alike in all packs."""
    trained(monkeypatch, *words, "--pack", str(command.pack))
    kept = load_checkpoint(command.folder / LAST)
    moved = tmp_path / "moved"
    Path(command.pack or "").rename(moved)
    trained(monkeypatch, *words, "--pack", str(moved))  # wherever it lies
    for name, said, how in (
        ("frames", r"the pack \(its frames are others\); give", {"seed": 1, "lengths": (9, 9)}),
        ("walks", r"the pack \(its walks are others\), the pack", {"types": ("00-nm", "01-nm")}),
    ):
        other = write_pack(tmp_path / name, **how)
        with pytest.raises(ConfigError, match=said):
            trained(monkeypatch, *words, "--pack", str(other))
    assert load_checkpoint(command.folder / LAST).pack == kept.pack


def test_a_run_of_an_older_version_goes_on_and_says_what_it_cannot_know(
    command: Command,
    words: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    words += ["--pack", str(command.pack), "--optim.schedule", "steps"]
    trained(monkeypatch, *words, "--optim.milestones", "15")
    last, first = command.folder / LAST, command.folder.parent / "first.pt"
    words += ["--optim.milestones", "15", "--start", str(first)]
    first.write_bytes(last.read_bytes())
    content = torch.load(last, weights_only=True)
    del content["pack"], content["start"]
    torch.save(content, last)
    capsys.readouterr()
    for iterations in ("3", "4"):  # what it cannot know stays unknown
        trained(monkeypatch, *words, "--optim.iterations", iterations)
        assert "note: an older version wrote it" in capsys.readouterr().err
        assert load_checkpoint(last).iteration == int(iterations)


def test_what_a_run_begins_with_is_kept_and_cannot_change(
    command: Command,
    words: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    words += ["--pack", str(command.pack)]
    first, other = command.folder / LAST, tmp_path / "other.pt"
    trained(monkeypatch, *words)
    other.write_bytes(first.read_bytes())
    with pytest.raises(ConfigError, match=r"other.pt \(it began without one\)"):
        trained(monkeypatch, *words, "--start", str(other))
    out = tmp_path / "second"
    words += ["--out", str(out)]
    trained(monkeypatch, *words, "--start", str(other))
    start = load_checkpoint(out / LAST).start
    assert start is not None
    assert (start.file, start.sha256) == ("other.pt", file_hash(first))
    assert 0 < start.taken < start.every
    begun = f"{start.taken:,} of {start.every:,} numbers of other.pt"
    assert begun in (out / "report.html").read_text()
    assert begun in json.loads((out / "results.json").read_text())["notes"][0]
    trained(monkeypatch, *words, "--start", str(other))
    capsys.readouterr()
    trained(monkeypatch, *words)
    assert f"it began with {begun}" in capsys.readouterr().err
    with pytest.raises(CheckpointError, match=r"no checkpoint at .*nowhere.pt"):
        trained(monkeypatch, *words, "--start", str(tmp_path / "nowhere.pt"))
    with pytest.raises(ConfigError, match=r"best.pt \(it began with [\d,]+ of [\d,]+ numbers of"):
        trained(monkeypatch, *words, "--start", str(out / "best.pt"))
