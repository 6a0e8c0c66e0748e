"""Tables come from the records: the numbers in them, what is paired, and what is missing."""

from pathlib import Path

import numpy as np
import pytest

from bench.ablation.bootstrap import estimate
from bench.ablation.page import (
    BEGIN,
    END,
    IN_DOCS,
    PAGE,
    SHOWN,
    evidence_text,
    methods_text,
    read_runs,
    results_text,
    with_results,
)
from bench.ablation.paper import CONDITIONS, TABLES
from bench.ablation.record import RunRecord
from bench.ablation.rows import ROWS
from bench.ablation.table import (
    ACROSS,
    against_table,
    by_condition_tables,
    by_row,
    conditions_table,
    distances_table,
    gain,
    phases_table,
    score,
    single_table,
    tables,
    tuned_table,
)
from gait.errors import ConfigError, EvaluationError
from gait.modality import Modality
from tests.records import write_record
from train.presets import load_config

PRESET = load_config(SHOWN)
RESULTS = PAGE.parents[1] / "results"
RNG = np.random.default_rng(0)
PEOPLE = RNG.uniform(30, 70, 40)


def records() -> list[RunRecord]:
    """Base 0 1 2 and full 0 1; full is 5 points above base for each person, and phase 1 equal."""
    noise = {seed: RNG.normal(0, 1, 40).round(2) for seed in range(3)}
    return [
        *(write_record(PRESET, "base", s, PEOPLE.round(2) + noise[s]) for s in range(3)),
        *(write_record(PRESET, "full", s, PEOPLE.round(2) + noise[s] + 5) for s in range(2)),
        write_record(PRESET, "p1", 1, PEOPLE.round(2) + noise[1]),
    ]


def test_differences_pair_seeds_and_people() -> None:
    runs = by_row(records())
    found = gain(runs["base"], runs["full"], ACROSS)
    assert found is not None
    assert found.seeds == 2
    assert (found.value, found.low, found.high) == pytest.approx((5, 5, 5))
    none = gain(runs["base"], runs["p1"], ACROSS)
    assert none is not None
    assert (none.value, none.low, none.high) == pytest.approx((0, 0, 0))


def test_without_a_common_seed_there_is_no_difference() -> None:
    runs = by_row(records())
    assert gain({2: runs["base"][2]}, runs["full"], ACROSS) is None


def test_a_score_is_the_mean_over_seeds_and_people() -> None:
    runs = by_row(records())
    expected = estimate(np.array([r.alone(*ACROSS[0], "Overall") for r in runs["full"].values()]))
    assert score(runs["full"], ACROSS) == pytest.approx(expected)


def test_people_without_a_probe_are_left_out_of_both() -> None:
    one, two = (write_record(PRESET, row, 0, PEOPLE) for row in ("base", "full"))
    lacking = tuple(s.model_copy(update={"rank1": (None, *s.rank1[1:])}) for s in one.people_scores)
    found = gain({0: one.model_copy(update={"people_scores": lacking})}, {0: two}, ACROSS)
    assert found is not None
    assert found.value == pytest.approx(0)


def test_the_tables_text() -> None:
    text = tables(by_row(records()))
    assert "| full | all three phases | 0 1 |" in text
    assert "| p1 | base, full | +0.0 [+0.0, +0.0] | +0.0 [+0.0, +0.0] | +0.0 [+0.0, +0.0] |" in text
    assert "| full | base, full | **+5.0 [+5.0, +5.0]** |" in text
    starts = ("| base | base, full |", "| full | base, full |")
    lines = [line for line in text.splitlines() if line.startswith(starts)]
    assert [line.split(" | ")[-1] for line in lines] == ["-5.0 |", "– |"]
    assert "Not run yet: p12, p13, p3, p23." in text
    assert "### parts" not in text
    assert "| Overall |" in conditions_table(by_row(records()))
    assert conditions_table(by_row(records()[:3])) == ""


def test_records_of_an_earlier_row_are_marked_and_stand_beside_no_figure_of_the_paper() -> None:
    """The heavy denoiser of benchmark_2 was smaller than the one the row is now."""
    before, now = (
        tables(by_row([write_record(load_config(name), "heavy", 0, PEOPLE)]))
        for name in ("benchmark_2", SHOWN)
    )
    assert "| heavy | an earlier, smaller heavy denoiser (at full size 1.19 ×" in before
    assert "59.1" not in before
    assert "| heavy | a heavy denoiser | 0 |" in now
    assert "| 59.1 |" in now


def test_rivals_are_shown_condition_by_condition() -> None:
    found = [*records(), write_record(PRESET, "info-nce", 0, PEOPLE.round(2) + 2)]
    found[-1] = found[-1].model_copy(
        update={"scores": tuple(s.model_copy(update={"rank5": 90.0}) for s in found[-1].scores)}
    )
    runs = by_row(found)
    camera, lidar, gains = by_condition_tables(runs, [ROWS["info-nce"]])
    assert camera.splitlines()[0] == "| camera → LiDAR, Rank-1 | seeds | Overall | Rank-5 |"
    assert lidar.splitlines()[0] == "| LiDAR → camera, Rank-1 | seeds | Overall | Rank-5 |"
    value = score(runs["info-nce"], ACROSS).value
    *_, ours, published = camera.splitlines()
    assert ours == f"| info-nce | 0 | {value:.1f} | 90.0 |"
    assert published == "| *CL-Gait in the paper\\** |  | 55.1 | 77.3 |"
    assert [line.split(" | ")[0] for line in lidar.splitlines()[2:]] == [
        *("| base", "| full", "| *DiffCrossGait in the paper\\**", "| info-nce"),
        "| *CL-Gait in the paper\\**",
    ]
    assert lidar.splitlines()[-1].endswith("| 53.3 | 75.6 |"), "of this direction"
    expected = gain(runs["base"], runs["info-nce"], ACROSS)
    assert expected is not None
    assert gains.splitlines()[-1].startswith(f"| info-nce | base | {expected.value:+.1f} [")
    text = tables(runs)
    assert camera in text
    assert "| info-nce | contrast of pairs, after CL-Gait | 0 |" in text
    assert by_condition_tables(by_row(records()), [])[0] not in tables(by_row(records()))


def test_the_papers_figures_are_those_that_stand_beside_the_rows() -> None:
    camera, lidar = (TABLES[modality] for modality in Modality)
    assert list(camera) == list(lidar)
    for name, published in lidar.items():
        assert f"{published.rank1['Overall']}" == ROWS[name].paper
        assert set(published.rank1) <= set(CONDITIONS)


def test_any_row_can_be_set_against_another() -> None:
    runs = by_row(records())
    text = against_table(runs, ROWS["p1"], [ROWS[name] for name in ("full", "p1", "p12")])
    assert text.splitlines()[2:] == [
        "| full | 1 | +5.0 [+5.0, +5.0] | +5.0 [+5.0, +5.0] | +5.0 [+5.0, +5.0] | +5.0 |",
        "| p1 | 1 | – | – | – | – |",
        "| p12 | none | – | – | – | – |",
    ]
    with pytest.raises(ConfigError, match="full-others is of other people than base"):
        against_table(runs, ROWS["base"], [ROWS["full-others"]])
    with pytest.raises(ConfigError, match="p3 has no run yet"):
        against_table(runs, ROWS["p3"], [ROWS["full"]])


def test_what_a_phase_adds_is_between_rows_that_differ_in_it_alone() -> None:
    found = records()  # the last is p1 with seed 1, of the base's people
    full = np.array(found[4].people_scores[0].rank1)
    text = phases_table(by_row([*found, write_record(PRESET, "p23", 1, full - 2)]))
    lines = [[*line.split(" | ")[:3], line.split(" | ")[5]] for line in text.splitlines()[2:]]
    assert lines == [
        ["| 1", "the base", "1", "+0.0 [+0.0, +0.0] |"],
        ["| 1", "2, 3", "1", "+2.0 [+2.0, +2.0] |"],
    ]
    assert phases_table(by_row(found[:3])) == ""


def test_the_table_within_one_sensor_has_its_gains() -> None:
    text = single_table(by_row(records()))
    assert text.splitlines()[-1].endswith("| **+5.0 [+5.0, +5.0]** | **+5.0 [+5.0, +5.0]** |")
    assert text.splitlines()[2].endswith("| – | – |")


def test_every_row_is_shown_by_either_distance() -> None:
    runs = by_row(records())
    own = np.mean([run.people_scores[0].rank1 for run in runs["full"].values()])
    other, same = (4 * f" {mean:.1f} |" for mean in (own - 1, own))
    head, _, *lines = distances_table(runs).splitlines()
    assert head.index("euclidean, ") < head.index("cosine, ")
    assert f"| full | 0 1 | cosine |{other}{same}" in lines


def write_pair(folder: Path, **of_full: str | bool | int) -> None:
    (folder / PRESET.name).mkdir()
    simulated = {"simulated": of_full.get("simulated", True)}
    for row, changes in (("base", simulated), ("full", of_full)):
        record = write_record(PRESET, row, 0, PEOPLE, **changes)  # type: ignore[arg-type]
        (folder / PRESET.name / f"{row}-0.json").write_text(record.to_json())


def test_runs_of_other_people_do_not_stand_in_one_table(tmp_path: Path) -> None:
    write_pair(tmp_path, walks="b" * 64)
    with pytest.raises(EvaluationError, match="other people"):
        read_runs(PRESET, tmp_path)


def test_real_people_are_told_apart_by_their_frames(tmp_path: Path) -> None:
    write_pair(tmp_path, frames="b" * 64, simulated=False)
    with pytest.raises(EvaluationError, match="other people"):
        read_runs(PRESET, tmp_path)


def test_simulated_people_may_be_of_another_machine_and_the_page_says_so(tmp_path: Path) -> None:
    write_pair(tmp_path, frames="b" * 64)
    assert len(read_runs(PRESET, tmp_path)) == 2
    assert "frames bbbbbbbbbbbb, eeeeeeeeeeee" in results_text(tmp_path)


@pytest.mark.parametrize("simulator", [3, None])
def test_pictures_of_another_simulator_do_not_stand_in_one_table(
    simulator: int | None, tmp_path: Path
) -> None:
    write_pair(tmp_path, simulator=simulator)  # type: ignore[arg-type]
    with pytest.raises(EvaluationError, match="another version of the simulator"):
        read_runs(PRESET, tmp_path)


def test_the_page_says_simulated_and_names_config_and_commit(tmp_path: Path) -> None:
    assert "Not run yet." in results_text(tmp_path)
    (tmp_path / PRESET.name).mkdir()
    for record in records():
        path = tmp_path / PRESET.name / f"{record.row}-{record.seed}.json"
        path.write_text(record.to_json())
    text = results_text(tmp_path)
    assert "**All people are simulated.**" in text
    assert f"configs/{SHOWN}.yaml" in text
    assert "0123456789ab" in text
    short = evidence_text(tmp_path)
    assert "all three phases" in short
    assert f"Simulated people, `configs/{SHOWN}.yaml`, code 0123456789ab" in short


def test_the_documents_are_what_the_command_writes() -> None:
    again = "run python -m bench.ablation --table --write"
    assert PAGE.read_text() == results_text(RESULTS), again
    for page, made in IN_DOCS.items():
        texts = (text(RESULTS) for text in made)
        assert page.read_text() == with_results(page.read_text(), *texts), again


def test_methods_stand_in_the_order_of_what_they_add() -> None:
    lines = [line.split(" | ") for line in methods_text(RESULTS).splitlines()[2:]]
    added = [0.0 if line[3] == "–" else float(line[3].strip("*").split()[0]) for line in lines]
    assert added == sorted(added)
    assert {"| `base`", "| `full`", "| `info-nce`", "| `full-erased`"} <= {
        line[0] for line in lines
    }


def test_a_tuned_method_is_compared_where_it_finds_most_people_held_out() -> None:
    def run(row: str, seed: int, above: float, held: float) -> RunRecord:
        record = write_record(PRESET, row, seed, PEOPLE.round(2) + above)
        return record.model_copy(update={"validation": {"silhouette → range_view": held}})

    runs = by_row(
        [
            *(run("base", seed, 0, 60) for seed in (3, 4)),
            *(run("base-lr-0015", seed, 2, 62) for seed in (3, 4)),
            *(run("full", seed, 5, 70) for seed in (3, 4)),
            run("full-lr-0015", 3, 9, 69),  # finds more of the people tested, who do not choose
            *(run("info-nce", seed, 1, 50) for seed in (3, 4)),
            run("info-nce-2000", 4, 3, 51),
        ]
    )
    text = tuned_table(runs, [ROWS[name] for name in ("base", "full", "info-nce", "late-layers")])
    assert text.splitlines()[2:] == [
        "| `base` | 3 4 | 60.0 | – | **62.0** | – | **-3.0 [-3.0, -3.0]** |",
        "| `full` | 3 | **70.0** | – | 69.0 | **+3.0 [+3.0, +3.0]** | – |",
        "| `info-nce` | 4 | 50.0 | **51.0** | – | +1.0 [+1.0, +1.0] | -2.0 [-2.0, -2.0] |",
    ]


def test_only_the_text_between_the_marks_changes() -> None:
    marked = f"a\n{BEGIN}\nold\n{END}\nb\n{BEGIN}\nolder\n{END}\nc"
    again = f"a\n{BEGIN}\nnew\n{END}\nb\n{BEGIN}\nnewer\n{END}\nc"
    assert with_results(marked, "new", "newer") == again
    for page in ("nothing here", marked, f"{BEGIN}\nwithout an end"):
        with pytest.raises(EvaluationError, match="marks"):
            with_results(page, "new")
