"""Settings that cannot act are named, and indeed do nothing."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.packs import write_pack
from tests.training_command import trained
from tests.training_setup import tiny_config, write_tiny_yaml
from train.config import TrainConfig
from train.data.batches import MappedFrames, TrainBatch, batches
from train.data.pack import Pack
from train.data.sampler import PKSampler
from train.loop.learner import Learner, Machine
from train.machine.distributed import Ranks
from train.no_effect import RULES, no_effect
from train.presets import load_beginning, load_config, preset_names, recipe_names
from train.run import save_config

CPU = torch.device("cpu")
Changes = dict[str, dict[str, Any]]
NONE: Changes = {"diffusion": {"denoiser": "none"}}
ALONE: Changes = {"diffusion": {"phases": []}}
SHARED: Changes = {**ALONE, "rival": {"method": "late_layers"}}
ONE: Changes = {**ALONE, "model": {"modalities": ["silhouette"]}}
POINTS: Changes = {**ALONE, "model": {"modalities": ["range_view"], "range_input": "points"}}
STEPS: Changes = {"optim": {"schedule": "steps", "iterations": 2}}

IDLE = [
    (ALONE, "diffusion.denoiser", "heavy"),
    (ALONE, "diffusion.steps", 120),
    (NONE, "diffusion.modal_token", False),
    (NONE, "diffusion.axial_attention", False),
    (NONE, "diffusion.block", "bottleneck"),
    (NONE, "diffusion.normalisation", "layer"),
    (NONE, "diffusion.time_embedding", 16),
    (NONE, "diffusion.schedule", "cosine"),
    (NONE, "diffusion.steps", 200),
    (NONE, "diffusion.tau2", 0.6),
    (NONE, "diffusion.shared_noise", False),
    (NONE, "diffusion.max_inverse_signal", 1.0),
    (NONE, "diffusion.lambda2", 9.0),
    ({"diffusion": {"phases": [1, 3]}}, "diffusion.lambda2", 9.0),
    ({"diffusion": {"phases": [1]}}, "diffusion.tau2", 0.6),
    ({"diffusion": {"phases": [1]}}, "diffusion.detach_targets", True),
    ({"diffusion": {"phases": [1]}}, "diffusion.max_inverse_signal", 1.0),
    ({"diffusion": {"phases": [3]}}, "diffusion.tau1", 0.9),
    ({"diffusion": {"axial_attention": False}}, "diffusion.attention_heads", 4),
    (ALONE, "rival.weight", 2.0),
    (SHARED, "rival.weight", 2.0),
    (SHARED, "rival.temperature", 1.0),
    (SHARED, "rival.prototypes", 3),
    ({}, "model.projection_of", "maps"),
    (ONE, "model.range_input", "mask"),
    (ONE, "model.within_modality_triplets", False),
    (POINTS, "model.convolutions", "separable"),
    (POINTS, "model.blocks", [1, 1, 1, 2]),
    ({}, "augment.ramp", 0.1),
    ({}, "optim.milestones", [1]),
    ({}, "optim.gamma", 0.5),
    (STEPS, "optim.warmup", 0.5),
    (STEPS, "optim.milestones", [2]),
]


@pytest.fixture(scope="module")
def stream(tmp_path_factory: pytest.TempPathFactory) -> list[TrainBatch]:
    pack = Pack.open(write_pack(tmp_path_factory.mktemp("packs") / "pack"))
    records = pack.records
    sampler = PKSampler([r.subject for r in records], [r.length for r in records], 2, 2, 3)
    return list(batches(MappedFrames(pack, records), sampler, Ranks(), CPU, 1, 2))


def with_field(changes: Changes, path: str, value: object) -> TrainConfig:
    section, name = path.split(".")
    return tiny_config(**{**changes, section: {**changes.get(section, {}), name: value}})


def weights(config: TrainConfig, stream: list[TrainBatch]) -> dict[str, Tensor]:
    """After two steps."""
    learned = Learner(config, [f"{i:04d}" for i in range(10)], Machine(CPU))
    for iteration, batch in enumerate(stream, 1):
        learned.step(iteration, batch)
    return learned.network.state_dict()


@pytest.mark.parametrize(("changes", "path", "value"), IDLE)
def test_what_is_named_does_nothing(
    changes: Changes, path: str, value: object, stream: list[TrainBatch]
) -> None:
    plain, changed = tiny_config(**changes), with_field(changes, path, value)
    (said,) = no_effect(plain, changed)
    assert said.startswith(f"{path} (")
    one, two = (weights(config, stream) for config in (plain, changed))
    assert one.keys() == two.keys()
    assert all(torch.equal(one[name], two[name]) for name in one)


@pytest.mark.parametrize("path", ["model.columns", "model.pyramid"])
def test_what_cuts_a_picture_is_named_for_points_alone(path: str) -> None:
    value = 2 if path == "model.columns" else True
    assert no_effect(tiny_config(**POINTS), with_field(POINTS, path, value))
    assert not no_effect(tiny_config(), with_field({}, path, value))


def test_every_rule_is_tried() -> None:
    tried = {(path, tiny_config(**changes).model_dump_json()) for changes, path, _ in IDLE}
    configs = [(path, TrainConfig.model_validate_json(text)) for path, text in tried]
    for rule in RULES:
        if rule.fields[0].startswith("diffusion.lambda"):
            continue  # three alike, of which one is tried
        assert any(path in rule.fields and rule.idle(config) for path, config in configs), rule.why


def test_all_fields_are_fields() -> None:
    known = TrainConfig().model_dump()
    for rule in RULES:
        for path in rule.fields:
            section, name = path.split(".")
            assert name in known[section]


@pytest.mark.parametrize("name", preset_names())
def test_a_preset_as_it_is_is_not_remarked_on(name: str) -> None:
    assert no_effect(load_beginning(name), load_config(name)) == []


@pytest.mark.parametrize("name", preset_names())
def test_nor_is_the_file_that_a_run_of_it_leaves(name: str, tmp_path: Path) -> None:
    save_config(tmp_path, load_config(name))
    file = str(tmp_path / "config.yaml")
    assert no_effect(load_beginning(file), load_config(file)) == []


def said_of(file: Path, text: str) -> list[str]:
    file.write_text(text)
    return no_effect(load_beginning(str(file)), load_config(str(file)))


def test_what_a_file_of_ones_own_says_for_nothing_is_named(tmp_path: Path) -> None:
    text = "diffusion: {phases: [], lambda2: 9.0}\naugment: {ramp: 0.1, share: 0.0}\n"
    assert said_of(tmp_path / "own.yaml", text) == [
        "diffusion.lambda2 (diffusion.phases is empty)",
        "augment.ramp (augment.share is 0)",
    ]


@pytest.mark.parametrize("recipe", recipe_names())
def test_what_its_recipe_says_is_not(tmp_path: Path, recipe: str) -> None:
    file = tmp_path / "own.yaml"
    assert said_of(file, f"recipe: {recipe}\ndiffusion: {{phases: []}}\n") == []
    text = f"recipe: {recipe}\ndiffusion: {{phases: [], steps: 70}}\n"
    assert said_of(file, text) == ["diffusion.steps (diffusion.phases is empty)"]


def test_the_command_says_it_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pack = write_pack(tmp_path / "pack")
    words = [str(write_tiny_yaml(tmp_path)), "--pack", str(pack), "--out", str(tmp_path / "out")]
    words += ["--optim.iterations", "1", "--rival.weight", "2", "--augment.ramp", "0.1"]
    trained(monkeypatch, *words)
    lines = [x for x in capsys.readouterr().err.splitlines() if x.startswith("no effect here")]
    assert lines == [
        "no effect here: rival.weight (there is no rival.method), augment.ramp (augment.share is 0)"
    ]
