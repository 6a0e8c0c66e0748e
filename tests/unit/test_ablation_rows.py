"""Rows: what each changes, by which names they are called, and that every preset can run them."""

from pathlib import Path

import pytest

from bench.ablation.page import PRESETS
from bench.ablation.rows import GROUPS, ROWS, chosen, configured, original
from bench.ablation.trial import Selection
from gait.errors import ConfigError
from train.presets import FOLDER, differences, load_config

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
        *("diffusion", "rival", "model", "augment", "optim", "walkers", "evaluation")
    }
    assert changed or row.name == "full" or (name, row.name) in AS_THE_PRESET


def test_no_two_rows_train_the_same() -> None:
    preset = load_config("benchmark_2")  # the new one trains for 3000 iterations anyway
    configs = [configured(preset, row, 0).model_dump_json() for row in ROWS.values()]
    assert len(set(configs)) == len(configs)


def test_a_row_that_changes_nothing_with_a_preset_is_not_trained_again() -> None:
    new, old = ("base-3000", "full-3000", "no-denoiser-3000"), ("base", "full", "no-denoiser")
    assert [t.name for t in Selection(rows=new, seeds=(3,)).trials()] == [
        f"{name}-3" for name in old
    ]
    assert [
        t.row.name for t in Selection(rows=new, seeds=(3,), preset="benchmark_2").trials()
    ] == list(new)
    for name in PRESETS:
        preset = load_config(name)
        for row in ROWS.values():
            one, two = (configured(preset, r, 0) for r in (row, original(preset, row)))
            assert one == two


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


@pytest.mark.parametrize("name", PRESETS)
def test_the_literal_rows_are_the_literal_recipe(name: str, tmp_path: Path) -> None:
    """As if the preset's own file named that recipe: not centred, by Euclidean distance."""
    text = (FOLDER / f"{name}.yaml").read_text()
    path = tmp_path / f"{name}.yaml"
    path.write_text(text.replace("recipe: ours", "recipe: literal"))
    literal = load_config(str(path))
    assert literal.distance == "euclidean"
    assert not literal.model.centred
    preset = load_config(name)
    for row in GROUPS["literal"]:
        plain = ROWS[row.name.removesuffix("-literal")]
        assert configured(preset, row, 3) == configured(literal, plain, 3)
        assert (row.base, row.full) == ("base-literal", "full-literal")
    assert configured(preset, ROWS["full-literal"], literal.seed) == literal
    linear = configured(preset, ROWS["literal-linear"], literal.seed).diffusion
    assert linear == literal.diffusion.model_copy(update={"schedule": "linear"})
    for name, weight in (("01", 0.1), ("001", 0.01)):
        weights = {"lambda2": weight, "lambda3": weight}
        found = configured(preset, ROWS[f"literal-lambda23-{name}"], literal.seed).diffusion
        assert found == literal.diffusion.model_copy(update=weights)
    assert {"base-literal", "heavy-literal"} <= {row.name for row in GROUPS["literal"]}


def test_latents_are_aligned_without_a_denoiser_at_weights_of_their_own() -> None:
    weights = {
        row.name: configured(load_config("benchmark"), row, 0).diffusion
        for row in (ROWS["no-denoiser"], *GROUPS["alignment"])
    }
    assert {name: found.lambda3 for name, found in weights.items()} == {
        "no-denoiser": 3.0,
        "no-denoiser-lambda-03": 0.3,
        "no-denoiser-lambda-1": 1.0,
        "no-denoiser-lambda-10": 10.0,
    }
    assert {found.denoiser for found in weights.values()} == {"none"}
