"""The front: which networks are on it, and that costs are those of the networks that ship."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bench.ablation.front import SHIPPED, Point, front, gflop, main, point
from bench.ablation.rows import ROWS, configured
from gait.errors import ConfigError, EvaluationError
from gait.own_bundle import own_bundle
from tests.records import write_record
from train.checkpoint import load_checkpoint
from train.config import ModelConfig
from train.presets import load_config

SMALL = ModelConfig(channels=(4, 8), strides=(2, 2), blocks=(1, 1), stem_stride=4, parts=4)
ONE = Point("one", "", 1, 1.0, 1.0, None, 50.0, 40.0, (50.0, 50.0))


def test_on_the_front_is_what_nothing_cheaper_equals() -> None:
    better, dearer, worse = (
        replace(ONE, name=name, gflop=cost, held=held)
        for name, cost, held in (("better", 2.0, 60.0), ("dearer", 3.0, 60.0), ("worse", 1.5, 49.0))
    )
    assert front([ONE, better, dearer, worse]) == {"one", "better"}
    assert front([ONE, replace(ONE, name="equal")]) == {"one", "equal"}
    faster = replace(better, milliseconds=0.5)
    assert front([ONE, faster], "milliseconds") == {"better"}, "by another cost"


def test_what_is_called_shipped_has_the_layers_of_the_packages_model() -> None:
    shipped = load_checkpoint(own_bundle() / "network.pt").config.model
    row = configured(load_config("benchmark"), ROWS[SHIPPED], 0).model
    layers = {"channels", "strides", "blocks", "stem_stride", "convolutions", "width", "parts"}
    assert row.model_dump(include=layers) == shipped.model_dump(include=layers)


def test_times_are_the_median_over_turns() -> None:
    preset = load_config("benchmark")
    runs = {3: write_record(preset, "net-narrow", 3, np.full(8, 50.0))}
    taken = {"base": [2.0, 4.0, 9.0], "net-narrow": [1.0, 3.0, 3.0]}
    found = point("net-narrow", runs, SMALL, taken)
    assert (found.milliseconds, found.times) == (3.0, 0.5)


def test_operations_are_counted_for_thirty_frames() -> None:
    # Stem 16×16 of 9·(1 and 3 channels)·4; block one 8×8 of 9·4·4 twice and 4·4; two 4×4 of
    # 9·4·8, 9·8·8 and 4·8; the 1×1 head and four parts once for the clip.
    frame = 256 * 9 * 2 * 4 + 64 * (2 * 9 * 16 + 16) + 16 * (9 * 32 + 9 * 64 + 32)
    clip = 30 * frame + 16 * 64 + 4 * 8 * 256
    assert gflop(SMALL) == pytest.approx(2 * clip / 1e9)


def test_the_table_and_the_picture_are_of_what_was_trained(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    preset = load_config("benchmark")
    with pytest.raises(EvaluationError, match="no network is trained yet"):
        main(results=tmp_path)
    (tmp_path / preset.name).mkdir()
    for name, found in (("base", 50.0), ("net-narrow", 51.0), ("net-width-48", 40.0)):
        record = write_record(preset, name, 3, np.full(8, found))
        (tmp_path / preset.name / f"{name}-3.json").write_text(record.to_json())
    main(results=tmp_path, turns=1, threads=1, out=tmp_path / "front.png")
    *lines, empty, seeds = capsys.readouterr().out.splitlines()[2:]
    assert (empty, seeds) == ("", "Seeds 3.")
    cells = {line.split(" | ")[0].strip("| "): line.strip("| ").split(" | ") for line in lines}
    assert list(cells) == ["net-narrow", "net-width-48", "base"]
    assert cells["net-narrow"][4] == "1.00", "the best is itself"
    assert cells["net-narrow"][7:-1] == ["51.0", "+0.0", "51.0, 51.0", "51.0", "yes"]
    assert cells["net-width-48"][8] == "-11.0"
    assert "yes" not in cells["base"]
    assert cells["base"][6] == "1.00"
    assert float(cells["base"][4]) > 1
    assert (tmp_path / "front.png").read_bytes().startswith(b"\x89PNG")
    for seed, found in ((4, 90.0), (5, 60.0)):
        record = write_record(preset, "base", seed, np.full(8, found))
        (tmp_path / preset.name / f"base-{seed}.json").write_text(record.to_json())
    main(results=tmp_path, turns=1, threads=1)
    (again,) = (line for line in capsys.readouterr().out.splitlines() if line.startswith("| base"))
    assert "| 1 |" in again, "by the seed that all have"
    assert "| 50.0 |" in again
    main(results=tmp_path, turns=1, threads=1, seeds=(4, 5))
    alone, _, seeds = capsys.readouterr().out.splitlines()[2:]
    assert seeds == "Seeds 4, 5. Without all of them: net-narrow, net-width-48."
    assert "| 2 |" in alone
    assert "| 75.0 | +0.0 | 60.0, 90.0 |" in alone
    (tmp_path / preset.name / "base-3.json").unlink()
    with pytest.raises(EvaluationError, match="share no seed"):
        main(results=tmp_path, turns=1, threads=1)
    main(results=tmp_path, turns=1, threads=1, seeds=(3,))
    *rows, _, _ = capsys.readouterr().out.splitlines()[2:]
    assert {row.split(" | ")[6] for row in rows} == {"–"}, "no base to be compared with"
    with pytest.raises(EvaluationError, match="with all of the seeds 3, 9"):
        main(results=tmp_path, seeds=(3, 9))
    with pytest.raises(ConfigError, match="0 turns"):
        main(results=tmp_path, turns=0)
