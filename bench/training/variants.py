"""The rows of the training bench: the default, and what differs from it in one thing."""

from collections.abc import Iterable, Mapping

import torch

from gait.errors import ConfigError
from train.config import DenoiserBlock, DenoiserKind, Normalisation, TrainConfig
from train.machine.device import pick_precision

DEFAULT, PLAIN, BASE, COMPILED = "default", "plain", "base", "compiled graph"
NO_DENOISER = "no denoiser"

EAGER: Mapping[str, object] = {
    "precision": "fp32",
    "compile": "nothing",
    "channels_last": False,
    "one_call": False,
    "fused": False,
    "graph": False,
    "cudnn_benchmark": False,
}
"""The plain path: eager, NCHW, float32, nothing joined."""


OTHER_DENOISERS: Mapping[str, Mapping[str, object]] = {
    "bottleneck": {"block": DenoiserBlock.BOTTLENECK},
    "layer norm": {"normalisation": Normalisation.LAYER},
    "bottleneck, layer norm": {
        "block": DenoiserBlock.BOTTLENECK,
        "normalisation": Normalisation.LAYER,
    },
}
"""Denoisers that may cost less. They learn something else than the default."""
OTHERS = (BASE, NO_DENOISER, *OTHER_DENOISERS)
"""Rows of other methods than the default's: none of them is its fastest way."""


def variants(config: TrainConfig, device: torch.device) -> dict[str, TrainConfig]:
    """Each row's configuration by name, the default first.

    `plain` has every ingredient off, `base` is the default without the diffusion branch, `no
    denoiser` aligns clean latents in its place, and `compiled graph` has on what is off until a GPU
    has shown that it helps; every other row is the default with one ingredient turned over. Rows
    with a graph are for CUDA alone. There is no row without cuDNN's search: within a process it
    takes what another row's search has found.
    """
    run = config.run
    half = pick_precision(run, device) != torch.float32
    resident = run.frames == "device" or (run.frames == "auto" and device.type == "cuda")
    rows: dict[str, Mapping[str, object]] = {
        DEFAULT: {},
        PLAIN: EAGER,
        _turned("autocast", half): {"precision": "fp32" if half else "bf16"},
        _turned("resident pack", resident): {"frames": "host" if resident else "device"},
    }
    switches = ["channels_last", "one_call", "fused"]
    if device.type == "cuda":
        switches += ["graph"]
        rows[COMPILED] = {"compile": "all", "graph": True}
    for name in switches:
        now = bool(getattr(run, name))
        rows[_turned(name, now)] = {name: not now}
    for what in ("nothing", "denoiser", "all"):
        if what != run.compile and (config.diffusion.phases or what != "denoiser"):
            rows[f"compile {what}"] = {"compile": what}
    found = {name: changed(config, "run", changes) for name, changes in rows.items()}
    if config.diffusion.phases:
        found[BASE] = changed(config, "diffusion", {"phases": ()})
        for name, changes in OTHER_DENOISERS.items():
            found[name] = changed(config, "diffusion", changes)
        if set(config.diffusion.phases) != {2}:  # which compares nothing without a denoiser
            found[NO_DENOISER] = changed(config, "diffusion", {"denoiser": DenoiserKind.NONE})
    return found


def _turned(name: str, now: bool) -> str:
    return f"{name} {'off' if now else 'on'}"


def changed(config: TrainConfig, section: str, changes: Mapping[str, object]) -> TrainConfig:
    """The configuration with some fields of a section changed."""
    fields = getattr(config, section).model_copy(update=changes)
    return config.model_copy(update={section: fields})


def rows_named(rows: Mapping[str, TrainConfig], names: Iterable[str]) -> dict[str, TrainConfig]:
    """The rows of some names, and the default, which all are compared with.

    Raises:
        ConfigError: there is no such row.
    """
    wanted = [DEFAULT, *names]
    unknown = sorted(set(wanted) - set(rows))
    if unknown:
        raise ConfigError(f"got row {unknown[0]!r}, need some of {', '.join(map(repr, rows))}")
    return {name: config for name, config in rows.items() if name in wanted}
