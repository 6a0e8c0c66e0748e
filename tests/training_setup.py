"""The smallest whole training run, shared by tests of the loop."""

from pathlib import Path
from typing import Any

import yaml

from train.config import TrainConfig

TINY: dict[str, Any] = {
    "name": "tiny",
    "data": {"validation_subjects": 2},
    "model": {
        "channels": [4, 4, 8, 8],
        "stem_stride": 4,
        "parts": 4,
        "embedding": 8,
        "within_modality_triplets": True,
    },
    "diffusion": {
        "attention_heads": 2,
        "time_embedding": 8,
        "lambda1": 1.0,
        "lambda2": 0.1,
        "lambda3": 0.1,
    },
    "batch": {"subjects": 2, "sequences": 2, "frames": 3},
    "optim": {"iterations": 20, "lr": 0.003, "schedule": "one_cycle"},
    "run": {
        "device": "cpu",
        "precision": "fp32",
        "threads": 1,
        "log_every": 1,
        "checkpoint_every": 5,
        "validate_every": 10,
    },
}


def tiny_config(**changes: dict[str, Any]) -> TrainConfig:
    """The tiny configuration with some fields of some sections changed."""
    sections = {name: {**TINY.get(name, {}), **fields} for name, fields in changes.items()}
    return TrainConfig.model_validate({**TINY, **sections})


def write_tiny_yaml(folder: Path, **changes: dict[str, Any]) -> Path:
    """The same as a YAML file."""
    path = folder / "tiny.yaml"
    path.write_text(yaml.safe_dump(tiny_config(**changes).model_dump(mode="json")))
    return path
