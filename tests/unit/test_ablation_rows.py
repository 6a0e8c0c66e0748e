"""Rows: what each changes, by which names they are called, and that every preset can run them."""

import pytest

from bench.ablation.page import PRESETS
from bench.ablation.rows import GROUPS, LITERAL_DIFFUSION, ROWS, chosen, configured
from gait.errors import ConfigError
from train.presets import differences, load_config, parse_config, read_recipe

AS_THE_PRESET = {("benchmark", "full-3000"), ("benchmark_sensors", "full-within")}


@pytest.mark.parametrize("name", PRESETS)
@pytest.mark.parametrize("row", ROWS.values(), ids=str)
def test_every_row_differs_from_the_preset_in_what_it_says(name: str, row: object) -> None:
    row = ROWS[getattr(row, "name")]  # noqa: B009
    preset = load_config(name)
    changed = {text.partition(" ")[0] for text in differences(preset, configured(preset, row, 0))}
    said = {f"{section}.{field}" for section, fields in row.changes.items() for field in fields}
    assert changed <= said
    assert {field.partition(".")[0] for field in said} <= {
        *("diffusion", "rival", "model", "augment", "optim", "walkers")
    }
    assert changed or row.name == "full" or (name, row.name) in AS_THE_PRESET


def test_no_two_rows_train_the_same() -> None:
    preset = load_config("benchmark_2")  # the new one trains for 3000 iterations anyway
    configs = [configured(preset, row, 0).model_dump_json() for row in ROWS.values()]
    assert len(set(configs)) == len(configs)


def test_rows_are_compared_with_rows_of_the_same_people() -> None:
    preset = load_config("benchmark")
    for row in ROWS.values():
        for other in (row.base, row.full):
            ours, theirs = (configured(preset, r, 0) for r in (row, ROWS[other]))
            assert ours.walkers == theirs.walkers


def test_a_row_is_listed_once() -> None:
    assert sum(map(len, GROUPS.values())) == len(ROWS)


def test_names_of_groups_stand_for_their_rows() -> None:
    found = [row.name for row in chosen(["p1", "phases"])]
    assert found == ["p1", "base", "p12", "p13", "p3", "p23", "full"]


def test_an_unknown_row_is_an_error_with_a_suggestion() -> None:
    with pytest.raises(ConfigError, match="did you mean 'no-token'"):
        chosen(["no-tokn"])


def test_the_seed_is_the_runs() -> None:
    assert configured(load_config("benchmark"), ROWS["base"], 7).seed == 7


def test_the_literal_rows_are_the_literal_recipe() -> None:
    literal, ours = (parse_config(read_recipe(name), name) for name in ("literal", "ours"))
    differ = {text.partition(" ")[0] for text in differences(ours, literal)}
    assert differ == {
        *(f"diffusion.{field}" for field in LITERAL_DIFFUSION),
        *("model.initialisation", "model.centred", "evaluation.distance"),
    }
    preset = load_config("benchmark")
    full = configured(preset, ROWS["full-literal"], 0)
    assert full.diffusion == literal.diffusion
    assert full.model.initialisation == literal.model.initialisation
    for row in GROUPS["literal"]:
        plain = configured(preset, ROWS[row.name.removesuffix("-literal")], 0)
        changed = differences(plain, configured(preset, row, 0))
        assert {text.partition(" ")[0] for text in changed} <= differ
