"""Presets and YAML: what is written is what runs, and a typo is an error with a suggestion."""

from pathlib import Path

import pytest
import yaml

from bench.ablation.rows import ROWS
from gait.errors import ConfigError
from tests.training_setup import tiny_config
from train.config import DiffusionConfig, TrainConfig
from train.noise_schedule import signal_retention
from train.presets import (
    FOLDER,
    differences,
    load_config,
    parse_config,
    preset_names,
    read_recipe,
    recipe_names,
)


def test_the_presets_are_there() -> None:
    assert preset_names() == [
        "benchmark",
        "benchmark_2",
        "benchmark_gpu",
        "benchmark_sensors",
        "demo",
        "freegait",
        "freegait_aligned",
        "freegait_ours",
        "simulated",
        "sustech1k",
        "sustech1k_aligned",
        "sustech1k_ours",
        "walkers",
    ]
    assert [load_config(name).name for name in preset_names()] == preset_names()


@pytest.mark.parametrize("recipe", recipe_names())
@pytest.mark.parametrize("layout", ["sustech1k", "freegait"])
def test_all_recipes_have_the_papers_sizes_and_schedule(layout: str, recipe: str) -> None:
    config = load_config(layout if recipe == "literal" else f"{layout}_{recipe}")
    batch, optim = config.batch, config.optim
    assert (batch.subjects, batch.sequences, batch.frames) == (8, 8, 10)
    assert (optim.iterations, optim.milestones, optim.gamma) == (40_000, (15_000, 30_000), 0.1)
    assert (optim.lr, optim.weight_decay, optim.schedule) == (3e-4, 5e-4, "steps")
    assert config.diffusion.phases == ((1, 3) if recipe == "aligned" else (1, 2, 3))
    assert config.model.channels == (64, 128, 256, 512)
    assert not config.model.within_modality_triplets
    assert not config.data.simulated
    assert config.data.layout == layout


@pytest.mark.parametrize("name", recipe_names())
def test_a_recipe_names_every_field_so_that_no_default_changes_it(name: str) -> None:
    recipe = read_recipe(name)
    sections = {"model", "diffusion", "rival", "batch", "augment", "optim", "evaluation"}
    assert set(recipe) == sections
    for section, fields in recipe.items():
        assert set(fields) == set(type(getattr(TrainConfig(), section)).model_fields), section


def test_every_section_is_in_the_recipes_or_says_nothing_of_learning() -> None:
    elsewhere = {"name", "seed", "data", "walkers", "run"}
    assert set(TrainConfig.model_fields) == set(read_recipe("ours")) | elsewhere


@pytest.mark.parametrize("name", preset_names())
def test_presets_do_not_depend_on_defaults(name: str) -> None:
    content = yaml.safe_load((FOLDER / f"{name}.yaml").read_text())
    recipe, config = read_recipe(content["recipe"]), load_config(name)
    for section, fields in recipe.items():
        own = content.get(section, {})
        assert getattr(config, section) == type(getattr(config, section))(**(fields | own))


@pytest.mark.parametrize("steps", [50, 100, 200])
def test_the_literal_schedule_ends_in_noise_and_scales_with_its_steps(steps: int) -> None:
    diffusion = load_config("sustech1k").diffusion
    config = DiffusionConfig(**{**diffusion.model_dump(), "steps": steps})
    retention = signal_retention(config.schedule, config.steps)
    assert retention[-1] < 1e-4
    small, medium, large = (phase.stop / steps for phase in config.intervals)
    assert (small, medium, large) == pytest.approx((0.08, 0.27, 1.01), abs=0.02)


def test_the_literal_recipe_adds_nothing_to_the_papers_latents() -> None:
    config = load_config("sustech1k")
    assert not config.diffusion.standardise_latent
    assert config.diffusion.max_inverse_signal is None
    assert not config.model.centred
    assert config.distance == "euclidean"
    assert load_config("sustech1k_ours").distance == "cosine"
    diffusion, model = config.diffusion, config.model
    assert (diffusion.lambda1, diffusion.lambda2, diffusion.lambda3) == (1, 1, 1)
    assert (model.initialisation, model.frame_pooling) == ("opengait", "max")
    assert (model.parts, model.columns, model.pyramid) == (16, 1, False)
    assert not diffusion.detach_targets


def test_the_aligned_recipe_is_ours_without_a_denoiser() -> None:
    """Phase 2 is left out, which is zero there: test_regularizer.py."""
    ours, aligned = load_config("sustech1k_ours"), load_config("sustech1k_aligned")
    changes = {**ROWS["no-denoiser-lambda-1"].changes["diffusion"], "phases": (1, 3)}
    diffusion = ours.diffusion.model_copy(update=changes)
    expected = ours.model_copy(update={"name": aligned.name, "diffusion": diffusion})
    assert aligned == expected


def test_a_file_of_ones_own_may_name_a_recipe(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("recipe: literal\noptim: {iterations: 7}\n")
    config = load_config(str(path))
    assert config.optim == load_config("sustech1k").optim.model_copy(update={"iterations": 7})
    path.write_text("recipe: literel\n")
    with pytest.raises(ConfigError, match="did you mean 'literal'"):
        load_config(str(path))


@pytest.mark.parametrize("name", ["benchmark", "benchmark_gpu", "demo", "simulated"])
def test_simulated_presets_train_the_whole_method(name: str) -> None:
    config = load_config(name)
    assert config.data.simulated
    assert config.data.validation_subjects > 0
    assert config.diffusion.phases == (1, 2, 3)
    test = config.walkers.partition["TEST_SET"]
    assert len(test) >= 32


@pytest.mark.parametrize("name", ["simulated", "benchmark_gpu"])
def test_one_gpu_trains_on_250_people(name: str) -> None:
    config = load_config(name)
    held = config.data.validation_subjects
    assert len(config.walkers.partition["TRAIN_SET"]) - held == 250


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"optim": {"lrr": 1}}, "optim.lrr: unknown field (did you mean 'lr'?)"),
        ({"modell": {}}, "modell: unknown field (did you mean 'model'?)"),
        ({"batch": {"frames": 0}}, "batch.frames: Input should be greater than 0, got 0"),
        ({"model": {"chanels": [1]}}, "did you mean 'channels'"),
        ({"walkers": {"subject": 3}}, "walkers.subject: unknown field (did you mean 'subjects'?)"),
        ([1], "whole"),
        ({"optim": {"milestones": [3, 2]}}, "rising"),
    ],
)
def test_a_bad_configuration_is_named_by_its_path(content: object, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_config(content, "here.yaml")
    assert said in str(caught.value)


def test_an_unknown_preset_is_refused_with_a_suggestion() -> None:
    with pytest.raises(ConfigError, match="did you mean 'demo'"):
        load_config("deemo")


def test_a_yaml_file_is_a_preset(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("name: mine\noptim: {lr: 3e-4}\n")
    assert load_config(str(path)).optim.lr == 3e-4


@pytest.mark.parametrize("text", ["a: [", "a: b: c", "\x00"])
def test_what_is_not_yaml_is_said(tmp_path: Path, text: str) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=r"mine\.yaml"):
        load_config(str(path))


def test_an_empty_yaml_file_is_the_default(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("")
    assert load_config(str(path)) == TrainConfig()


def test_a_configuration_survives_json() -> None:
    config = load_config("demo")
    assert TrainConfig.model_validate(config.model_dump(mode="json")) == config


def test_differences_name_fields_and_ignore_the_machine() -> None:
    old, new = tiny_config(), tiny_config(optim={"lr": 0.1}, run={"log_every": 7})
    new = new.model_copy(update={"name": "renamed"})
    assert differences(old, old) == []
    assert differences(old, new) == ["optim.lr (0.003 → 0.1)"]


def test_models_are_compared_by_what_fits_them() -> None:
    assert load_config("demo").distance == "cosine"
    assert tiny_config(model={"centred": False}).distance == "euclidean"
    chosen = tiny_config(model={"centred": False}, evaluation={"distance": "cosine"})
    assert chosen.distance == "cosine"


@pytest.mark.parametrize(("said", "meant"), [(True, "all"), (False, "nothing"), ("denoiser",) * 2])
def test_old_files_say_whether_to_compile_all(said: object, meant: str) -> None:
    assert parse_config({"run": {"compile": said}}, "old").run.compile == meant


def test_a_key_that_a_file_says_twice_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("recipe: ours\noptim:\n  lr: 0.1\n  lr: 0.2\n")
    with pytest.raises(ConfigError, match=r"mine.yaml says a key twice: got 'lr' in lines 3 and 4"):
        load_config(str(path))
    path.write_text("optim: {lr: 0.1}\nmodel: {}\noptim: {lr: 0.2}\n")
    with pytest.raises(ConfigError, match="got 'optim' in lines 1 and 3"):
        load_config(str(path))
    path.write_text("optim: &rates {lr: 0.1}\nbatch: {subjects: 2}\nwalkers: {seed: 2}\n")
    assert load_config(str(path)).optim.lr == 0.1
