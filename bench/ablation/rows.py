"""The rows of the ablation: each is the preset with some fields changed."""

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from gait.errors import ConfigError
from train.config import TrainConfig
from train.presets import parse_config

Changes = Mapping[str, Mapping[str, Any]]
"""Section → field → value."""


@dataclass(frozen=True)
class Row:
    """One way to train.

    Args:
        name: on the command line and in file names.
        what: in a table.
        changes: from the preset, which is the full method.
        paper: Rank-1 in percent that the paper reports on SUSTech1K, if it has this row. Its tables
            of T, τ1 and τ2 are of the other direction, in which its full method has 58.7.
        base, full: the rows it is compared with; their people must be the same.
    """

    name: str
    what: str
    changes: Changes = field(default_factory=dict)
    paper: str | None = None
    base: str = "base"
    full: str = "full"


def _diffusion(**fields: Any) -> Changes:
    return {"diffusion": fields}


BASE, FULL, FIRST = "base", "full", "p1"
NO_DIFFUSION = _diffusion(phases=[])

PHASES = (
    Row(BASE, "no diffusion", NO_DIFFUSION, "54.7"),
    Row(FIRST, "phase 1", _diffusion(phases=[1]), "60.6"),
    Row("p12", "phases 1, 2", _diffusion(phases=[1, 2]), "63.1"),
    Row("p13", "phases 1, 3", _diffusion(phases=[1, 3]), "62.5"),
    Row("p3", "phase 3", _diffusion(phases=[3])),
    Row("p23", "phases 2, 3", _diffusion(phases=[2, 3]), "61.8"),
    Row(FULL, "all three phases", paper="63.8"),
)
PARTS = (
    Row("no-shared-noise", "without shared noise", _diffusion(shared_noise=False), "61.8"),
    Row("no-heads", "without decoupled heads", _diffusion(decoupled_heads=False), "62.7"),
    Row("no-token", "without the modal token", _diffusion(modal_token=False), "60.3"),
    Row("no-attention", "without axial attention", _diffusion(axial_attention=False), "62.0"),
    Row("independent", "a denoiser for each modality", _diffusion(denoiser="independent"), "63.3"),
    Row("heavy", "a heavy denoiser", _diffusion(denoiser="heavy"), "59.1"),
    Row("no-denoiser", "no denoiser: clean latents aligned", _diffusion(denoiser="none")),
)
SETTINGS = (
    Row("scaled", "β scaled by 1000/T", _diffusion(schedule="linear_scaled")),
    Row("cosine", "cosine schedule", _diffusion(schedule="cosine")),
    Row("t50", "T = 50, β scaled", _diffusion(schedule="linear_scaled", steps=50), "58.2 of 58.7"),
    Row(
        "t200", "T = 200, β scaled", _diffusion(schedule="linear_scaled", steps=200), "58.6 of 58.7"
    ),
    Row("tau1-90", "τ1 = 0.90", _diffusion(tau1=0.90), "58.3 of 58.7"),
    Row("tau1-98", "τ1 = 0.98", _diffusion(tau1=0.98), "58.5 of 58.7"),
    Row("tau2-40", "τ2 = 0.40", _diffusion(tau2=0.40), "58.1 of 58.7"),
    Row("tau2-60", "τ2 = 0.60", _diffusion(tau2=0.60), "58.4 of 58.7"),
    Row("lambda1-03", "λ1 = 0.3", _diffusion(lambda1=0.3)),
    Row("lambda1-1", "λ1 = 1", _diffusion(lambda1=1.0)),
    Row("lambda23-1", "λ2 = λ3 = 1", _diffusion(lambda2=1.0, lambda3=1.0)),
    Row("lambda23-10", "λ2 = λ3 = 10", _diffusion(lambda2=10.0, lambda3=10.0)),
    Row("detached", "targets detached", _diffusion(detach_targets=True)),
    Row("as-they-are", "latents not standardised", _diffusion(standardise_latent=False)),
    Row(
        "ill-posed",
        "detached, not standardised, λ1 = 1, λ2 = λ3 = 0.1",
        _diffusion(
            detach_targets=True,
            standardise_latent=False,
            lambda1=1.0,
            lambda2=0.1,
            lambda3=0.1,
        ),
    ),
    Row(
        "unbounded",
        "β scaled, 1/√ᾱ not bounded",
        _diffusion(schedule="linear_scaled", max_inverse_signal=None),
    ),
)
UNDECAYED = tuple(
    Row(
        f"{name}-undecayed",
        f"{what}, no weight decay on the branch",
        _diffusion(phases=phases, weight_decay=0.0),
        full=FULL if len(phases) == 3 else "full-undecayed",
    )
    for name, what, phases in (
        ("p1", "phase 1", [1]),
        ("p13", "phases 1, 3", [1, 3]),
        ("p23", "phases 2, 3", [2, 3]),
        (FULL, "all three phases", [1, 2, 3]),
    )
)
TRIPLETS = (
    Row(
        "base-within",
        "no diffusion, triplets within modalities",
        {**NO_DIFFUSION, "model": {"within_modality_triplets": True}},
        full="full-within",
    ),
    Row(
        "full-within",
        "all three phases, triplets within modalities",
        {"model": {"within_modality_triplets": True}},
        base="base-within",
    ),
)
SHORTER = tuple(
    row
    for n in (2000, 3000)
    for shorter in ({"optim": {"iterations": n}},)
    for row in (
        Row(f"base-{n}", f"no diffusion, {n} iterations", {**NO_DIFFUSION, **shorter}),
        Row(f"full-{n}", f"all three phases, {n} iterations", shorter, base=f"base-{n}"),
    )
)
RIVALS = (
    *SHORTER,
    Row(
        "no-denoiser-3000",
        "no denoiser, 3000 iterations",
        {**_diffusion(denoiser="none"), "optim": {"iterations": 3000}},
        base="base-3000",
        full="full-3000",
    ),
    Row(
        "base-decay-002",
        "no diffusion, weight decay 0.002",
        {**NO_DIFFUSION, "optim": {"weight_decay": 2e-3}},
    ),
    Row(
        "base-lr-0015",
        "no diffusion, learning rate 0.0015",
        {**NO_DIFFUSION, "optim": {"lr": 1.5e-3}},
    ),
    Row(
        "full-lr-0015",
        "all three phases, learning rate 0.0015",
        {"optim": {"lr": 1.5e-3}},
        base="base-lr-0015",
    ),
)
OTHERS = (
    Row(
        "base-others",
        "no diffusion, other people",
        {**NO_DIFFUSION, "walkers": {"seed": 7}},
        base="base-others",
        full="full-others",
    ),
    Row(
        "full-others",
        "all three phases, other people",
        {"walkers": {"seed": 7}},
        base="base-others",
        full="full-others",
    ),
)
CONTROLS = tuple(
    Row(
        f"{name}-{carrier}",
        f"{what}, identity from {carrier} only",
        {"diffusion": {"phases": phases}, "walkers": {"identity": carrier}},
        base=f"base-{carrier}",
        full=f"full-{carrier}",
    )
    for carrier in ("shape", "motion")
    for name, what, phases in (
        ("base", "no diffusion", []),
        ("full", "all three phases", [1, 2, 3]),
    )
)
GROUPS: Mapping[str, Sequence[Row]] = {
    "phases": PHASES,
    "parts": PARTS,
    "settings": SETTINGS,
    "undecayed": UNDECAYED,
    "triplets": TRIPLETS,
    "rivals": RIVALS,
    "others": OTHERS,
    "controls": CONTROLS,
}
"""Groups of rows, each a table; a group's name stands for its rows on the command line."""

ROWS = {row.name: row for group in GROUPS.values() for row in group}


def chosen(names: Sequence[str]) -> list[Row]:
    """The rows of some names of rows and groups, each once, in the order given.

    Raises:
        ConfigError: no such row or group.
    """
    rows: dict[str, Row] = {}
    for name in names:
        if name not in ROWS and name not in GROUPS:
            known = [*GROUPS, *ROWS]
            near = difflib.get_close_matches(name, known, 1)
            raise ConfigError(
                f"got row {name!r}, need one of {', '.join(known)}"
                + (f" (did you mean {near[0]!r}?)" if near else "")
            )
        found = GROUPS[name] if name in GROUPS else [ROWS[name]]
        rows |= {row.name: row for row in found}
    return list(rows.values())


def configured(preset: TrainConfig, row: Row, seed: int) -> TrainConfig:
    """What a row trains.

    Raises:
        ConfigError: the row does not go with the preset.
    """
    values = preset.model_dump(mode="json")
    for section, fields in row.changes.items():
        values[section] |= fields
    return parse_config(values | {"seed": seed}, f"{preset.name}, row {row.name}")
