"""The rows of the ablation: each is the preset with some fields changed."""

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from gait.errors import ConfigError
from train.config import TrainConfig
from train.presets import parse_config, read_recipe

Changes = Mapping[str, Mapping[str, Any]]
"""Section → field → value."""


@dataclass(frozen=True)
class Row:
    """One way to train.

    Args:
        name: on the command line and in file names.
        what: in a table.
        changes: from the preset, which is the full method.
        paper: Rank-1 in percent that the paper reports on SUSTech1K, if it has this row, from
            LiDAR to camera; of the parts by the order of its columns (`bench.ablation.page`). Its
            tables of T, τ1 and τ2 are of the other direction, in which its full method has 58.7.
        base, full: the rows it is compared with; their people must be the same.
        earlier: of presets whose records are of something else than the row is now: what in a
            table, where the paper's figure is then left out.
    """

    name: str
    what: str
    changes: Changes = field(default_factory=dict)
    paper: str | None = None
    base: str = "base"
    full: str = "full"
    earlier: Mapping[str, str] = field(default_factory=dict)

    def said(self, preset: str) -> tuple[str, str]:
        """What it is in a table of a preset, and the paper's figure."""
        if preset in self.earlier:
            return self.earlier[preset], "–"
        return self.what, self.paper or "–"


def _row(name: str, what: str, paper: str | None = None, **diffusion: Any) -> Row:
    """A row that changes the diffusion branch alone."""
    return Row(name, what, {"diffusion": diffusion} if diffusion else {}, paper)


def _pair(suffix: str, what: str, changes: Changes, *, apart: bool = False) -> tuple[Row, Row]:
    """Base and full with the same further changes; full is compared with this base.

    Args:
        suffix: of both names.
        what: in a table, after "no diffusion" and "all three phases".
        changes: of both, in other sections than the diffusion branch.
        apart: whether they are of other people, and compared with each other alone.
    """
    base, full = f"{BASE}-{suffix}", f"{FULL}-{suffix}"
    first, second = (base, full) if apart else (BASE, FULL)
    return (
        Row(base, f"no diffusion, {what}", {**NO_DIFFUSION, **changes}, base=first, full=second),
        Row(full, f"all three phases, {what}", changes, base=base, full=second),
    )


def _joined(*changes: Changes) -> Changes:
    """Several changes as one, the later ones last."""
    joined: dict[str, Mapping[str, Any]] = {}
    for each in changes:
        joined |= {section: {**joined.get(section, {}), **own} for section, own in each.items()}
    return joined


BASE, FULL, FIRST = "base", "full", "p1"
NO_DIFFUSION: Changes = {"diffusion": {"phases": []}}

PHASES = (
    _row(BASE, "no diffusion", "54.7", phases=[]),
    _row(FIRST, "phase 1", "60.6", phases=[1]),
    _row("p12", "phases 1, 2", "63.1", phases=[1, 2]),
    _row("p13", "phases 1, 3", "62.5", phases=[1, 3]),
    _row("p3", "phase 3", phases=[3]),
    _row("p23", "phases 2, 3", "61.8", phases=[2, 3]),
    _row(FULL, "all three phases", "63.8"),
)
SMALLER_HEAVY = (
    "an earlier, smaller heavy denoiser (at full size 1.19 × the network; the paper's: 2.6 ×)"
)
PARTS = (
    _row("no-shared-noise", "without shared noise", "61.8", shared_noise=False),
    _row("no-heads", "without decoupled heads", "62.7", decoupled_heads=False),
    _row("no-token", "without the modal token", "60.3", modal_token=False),
    _row("no-attention", "without axial attention", "62.0", axial_attention=False),
    _row("independent", "a denoiser for each modality", "63.3", denoiser="independent"),
    replace(_row("heavy", "a heavy denoiser", "59.1", denoiser="heavy"),
            earlier={"benchmark_2": SMALLER_HEAVY}),
    _row("no-denoiser", "no denoiser: clean latents aligned", denoiser="none"),
)  # fmt: skip
ALIGNMENT = (
    _row("no-denoiser-lambda-03", "no denoiser, λ3 = 0.3", denoiser="none", lambda3=0.3),
    _row("no-denoiser-lambda-1", "no denoiser, λ3 = 1", denoiser="none", lambda3=1.0),
    _row("no-denoiser-lambda-10", "no denoiser, λ3 = 10", denoiser="none", lambda3=10.0),
)
"""Without a denoiser phase 2 is zero, and λ3 alone weighs the alignment."""


def _network(name: str, what: str, **model: Any) -> Row:
    """A row of another network without the diffusion branch."""
    return Row(f"net-{name}", f"base, {what}", {**NO_DIFFUSION, "model": model})


_WIDE = (32, 64, 128, 256)
_FINE: Mapping[str, Any] = {"stem_stride": 2, "strides": (1, 2, 2, 2), "parts": 4}
_SHALLOW: Mapping[str, Any] = {"channels": (16, 32, 128), "blocks": (1, 1, 1)}
_MAPS_8: Mapping[str, Any] = {"stem_stride": 2, "strides": (1, 2, 2), "parts": 4}
NETWORKS = (
    _network("narrow", "channels 8 16 32 64", channels=(8, 16, 32, 64)),
    _network("wide", "channels 32 64 128 256", channels=_WIDE),
    _network("fine", "a stem of stride 2, maps of 4×4", **_FINE),
    _network("finer", "a stem of stride 2, maps of 8×8", stem_stride=2, parts=4),
    _network("shallow", "three stages", **_SHALLOW, strides=(1, 2, 2)),
    _network("shallow-fine", "three stages, a stem of stride 2, maps of 4×4", **_SHALLOW,
             stem_stride=2, strides=(2, 2, 2), parts=4),
    _network("shallow-finer", "three stages, a stem of stride 2, maps of 8×8", **_SHALLOW,
             **_MAPS_8),
    _network("shallow-finer-separable", "three stages, a stem of stride 2, maps of 8×8, separable",
             **_SHALLOW, **_MAPS_8, convolutions="separable"),
    _network("shallow-finer-wide-separable",
             "three stages of channels 32 64 256, a stem of stride 2, maps of 8×8, separable",
             **{**_SHALLOW, "channels": (32, 64, 256)}, **_MAPS_8, convolutions="separable"),
    _network("shallow-finest-separable",
             "three stages, a stem of stride 2, maps of 16×16, separable", **_SHALLOW,
             stem_stride=2, strides=(1, 1, 2), parts=4, convolutions="separable"),
    _network("deep", "two blocks in the last two stages", blocks=(1, 1, 2, 2)),
    _network("separable", "separable convolutions", convolutions="separable"),
    _network("wide-separable", "channels 32 64 128 256, separable", channels=_WIDE,
             convolutions="separable"),
    _network("fine-separable", "a stem of stride 2, maps of 4×4, separable", **_FINE,
             convolutions="separable"),
    _network("finer-separable", "a stem of stride 2, maps of 8×8, separable", stem_stride=2,
             parts=4, convolutions="separable"),
    _network("width-48", "48 columns seen", width=48),
    _network("width-32", "32 columns seen", width=32),
)  # fmt: skip
"""Networks for the front of accuracy against operations (bench.ablation.front)."""


DENOISERS = (
    _row("bottleneck", "denoiser of bottlenecks", block="bottleneck"),
    _row("layer-norm", "denoiser with layer norms", normalisation="layer"),
    _row("bottleneck-layer-norm", "denoiser of bottlenecks with layer norms", block="bottleneck",
         normalisation="layer"),
)  # fmt: skip
SCALED = "scaled"


def _scaled(name: str, what: str, paper: str | None = None, **diffusion: Any) -> Row:
    """A row that differs in one thing from the full method with scaled β, and is compared with it:
    scaling alone makes phase 3 thirteen times as strong (the mean of (1 − ᾱ)/ᾱ)."""
    return replace(_row(name, what, paper, schedule="linear_scaled", **diffusion), full=SCALED)


SETTINGS = (
    _row(SCALED, "β scaled by 1000/T", schedule="linear_scaled"),
    _row("cosine", "cosine schedule", schedule="cosine"),
    _scaled("t50", "T = 50, β scaled", "58.2 of 58.7", steps=50),
    _scaled("t200", "T = 200, β scaled", "58.6 of 58.7", steps=200),
    _row("tau1-90", "τ1 = 0.90", "58.3 of 58.7", tau1=0.90),
    _row("tau1-98", "τ1 = 0.98", "58.5 of 58.7", tau1=0.98),
    _row("tau2-40", "τ2 = 0.40", "58.1 of 58.7", tau2=0.40),
    _row("tau2-60", "τ2 = 0.60", "58.4 of 58.7", tau2=0.60),
    _row("lambda1-03", "λ1 = 0.3", lambda1=0.3),
    _row("lambda1-1", "λ1 = 1", lambda1=1.0),
    _row("lambda23-1", "λ2 = λ3 = 1", lambda2=1.0, lambda3=1.0),
    _row("lambda23-10", "λ2 = λ3 = 10", lambda2=10.0, lambda3=10.0),
    _row("detached", "targets detached", detach_targets=True),
    _row("as-they-are", "latents not standardised", standardise_latent=False),
    _row("ill-posed", "detached, not standardised, λ1 = 1, λ2 = λ3 = 0.1", detach_targets=True,
         standardise_latent=False, lambda1=1.0, lambda2=0.1, lambda3=0.1),
    _scaled("unbounded", "β scaled, 1/√ᾱ not bounded", max_inverse_signal=None),
)  # fmt: skip
_UNDECAYED = "no weight decay on the branch"
_NO_ATTENTION = _row("no-attention-undecayed", f"without axial attention, {_UNDECAYED}",
                     axial_attention=False, weight_decay=0.0)  # fmt: skip
UNDECAYED = (
    *(
        replace(
            _row(f"{row.name}-undecayed", f"{row.what}, {_UNDECAYED}", weight_decay=0.0,
                 phases=row.changes.get("diffusion", {}).get("phases", [1, 2, 3])),
            full=FULL if row.name == FULL else "full-undecayed",
        )
        for row in PHASES
        if row.name in ("p1", "p13", "p23", FULL)
    ),
    replace(_NO_ATTENTION, full="full-undecayed"),
)  # fmt: skip
"""With weight decay queries and keys fade, and attention is a mean over the rows of a column."""
INITIALISATION = (
    *_pair("opengait", "OpenGait's first weights of part embeddings and classifier",
           {"model": {"initialisation": "opengait"}}),
    *_pair("opengait-whole", "OpenGait's first weights of every layer",
           {"model": {"initialisation": "opengait_whole"}}),
)  # fmt: skip
PYRAMID = _pair("pyramid", "strips of all scales", {"model": {"pyramid": True}})


def _recipe_changes(old: str, new: str) -> Changes:
    """The fields in which a recipe differs from another, with its values."""
    before, after = read_recipe(old), read_recipe(new)
    changed = {
        section: {name: value for name, value in fields.items() if value != before[section][name]}
        for section, fields in after.items()
    }
    return {section: fields for section, fields in changed.items() if fields}


LITERAL_CHANGES = _recipe_changes("ours", "literal")
"""From a preset of our recipe to the literal one, with the preset's sizes."""
LITERAL = tuple(
    Row(f"{row.name}-literal", f"literal, {row.what}", _joined(LITERAL_CHANGES, row.changes),
        row.paper, base="base-literal", full="full-literal")
    for row in (*PHASES, *PARTS, *SETTINGS)
    if row.name in (BASE, "p1", "p12", "p13", "p23", FULL, "no-shared-noise", "no-heads",
                    "no-token", "no-attention", "independent", "heavy", "t50", "t200", "tau1-90",
                    "tau1-98", "tau2-40", "tau2-60")
)  # fmt: skip
"""The literal recipe: embeddings as they are, by Euclidean distance."""


def _literal(name: str, what: str, **diffusion: Any) -> Row:
    """A row of the literal recipe with another choice where our copy of the paper is silent."""
    return Row(f"literal-{name}", f"literal, all three phases, {what}",
               _joined(LITERAL_CHANGES, {"diffusion": diffusion}), base="base-literal",
               full="full-literal")  # fmt: skip


LITERAL_CHOICES = (
    _literal("linear", "β not scaled", schedule="linear"),
    _literal("lambda23-01", "λ2 = λ3 = 0.1", lambda2=0.1, lambda3=0.1),
    _literal("lambda23-001", "λ2 = λ3 = 0.01", lambda2=0.01, lambda3=0.01),
)
"""By β that are not scaled the timesteps that the paper shows lie one in each phase; and Eq. 17
then does not outweigh all other terms, as with a small λ3."""
WITHIN: Changes = {"model": {"within_modality_triplets": True}}
_BASE_WITHIN, _FULL_WITHIN = _pair("within", "triplets within modalities", WITHIN)
TRIPLETS = (replace(_BASE_WITHIN, full=_FULL_WITHIN.name), _FULL_WITHIN)
SHORTER: Changes = {"optim": {"iterations": 3000}}
STILL_SHORTER: Changes = {"optim": {"iterations": 2000}}
HALF_RATE: Changes = {"optim": {"lr": 1.5e-3}}
"""Half of that of the presets for two cores. Version 3 trains for 3000 iterations by default."""
OTHER_TRAINING: Mapping[str, tuple[str, Changes]] = {
    "2000": ("2000 iterations", STILL_SHORTER),
    "lr-0015": ("learning rate 0.0015", HALF_RATE),
}
"""How every method is trained besides, to see which suits it: what ends its row's name there, what
it is in a table, and the changes."""
CLEAN: Changes = {"diffusion": {"denoiser": "none", "lambda3": 1.0}}
"""The recipe `aligned`."""
TUNING = (
    *_pair("2000", "2000 iterations", STILL_SHORTER),
    *_pair("3000", "3000 iterations", SHORTER),
    Row("no-denoiser-3000", "no denoiser, 3000 iterations",
        {"diffusion": {"denoiser": "none"}, **SHORTER}, base="base-3000", full="full-3000"),
    Row("base-decay-002", "no diffusion, weight decay 0.002",
        {**NO_DIFFUSION, "optim": {"weight_decay": 2e-3}}),
    *_pair("lr-0015", "learning rate 0.0015", HALF_RATE),
    Row("no-denoiser-lambda-1-2000", "no denoiser, λ3 = 1, 2000 iterations",
        {**CLEAN, **STILL_SHORTER}, base="base-2000", full="full-2000"),
    Row("no-denoiser-lambda-1-lr-0015", "no denoiser, λ3 = 1, learning rate 0.0015",
        {**CLEAN, **HALF_RATE}, base="base-lr-0015", full="full-lr-0015"),
)  # fmt: skip


def _on(network: str, name: str, what: str, changes: Changes) -> Row:
    """A row of a method on a network of the front, compared with that network without it."""
    own = next(row for row in NETWORKS if row.name == f"net-{network}")
    return Row(f"{name}-{network}", f"{what}, {own.what.partition(', ')[2]}",
               {**changes, "model": own.changes["model"]}, base=own.name,
               full=f"full-{network}")  # fmt: skip


ON_THE_FRONT = (
    _on("fine-separable", "full", "all three phases", {}),
    _on("fine-separable", "aligned", "clean latents aligned (λ3 = 1)", CLEAN),
)  # fmt: skip
"""Whether aligning helps a network that finds more by itself."""


def _rival(method: str, what: str, paper: str | None = None) -> Row:
    """A row of another way to align, with the paper's figure for it from its Table 2."""
    changes = {**NO_DIFFUSION, "rival": {"method": method}}
    return Row(method.replace("_", "-"), what, changes, paper)


PICTURES = Row(
    "pictures-changed",
    "no diffusion, pictures changed as for channel augmentation",
    {**NO_DIFFUSION, "rival": {"method": "channel_augmentation", "weight": 0.0}},
)
"""What the changed pictures alone are worth. Its records are older than `augment.erased 0.5`; a
test shows that both train the same network."""
_ERASED: Changes = {"augment": {"erased": 0.5}}
ERASED = (
    Row("full-erased", "all three phases, pictures changed", _ERASED, base=PICTURES.name),
    Row("no-denoiser-erased", "clean latents aligned (λ3 = 1), pictures changed",
        {**CLEAN, **_ERASED}, base=PICTURES.name),
)  # fmt: skip
"""Whether the branch helps a base whose pictures are changed, which it is compared with."""
RIVALS = (
    _rival("shared_backbone", "one backbone, after LidarGait", "18.3"),
    _rival("late_layers", "later layers shared, after MMGait"),
    _rival("info_nce", "contrast of pairs, after CL-Gait", "53.3"),
    _rival("shared_attention", "prototypes' attention, after CrossGait", "56.4"),
    _rival("channel_augmentation", "channel augmentation, after CAJ", "12.3"),
    _rival("semantic_parts", "parts by prototypes, after SAAI", "26.1"),
    _rival("implicit_knowledge", "implicit knowledge, after IDKL", "54.8"),
    _rival(
        "two_stage_distillation", "a fused teacher, then distillation: ours, after TSKD", "47.2"
    ),
    PICTURES,
)
SHARED = "shared-backbone"


def _sharing(name: str, what: str, own: int, changes: Changes) -> Row:
    """A row of shared layers with something else that aligns; compared with shared layers alone."""
    base = SHARED if own == 0 else "late-layers"
    return Row(name, what, {**changes, "model": {"own_layers": own}}, base=base)


_CONTRAST: Changes = {**NO_DIFFUSION, "rival": {"method": "info_nce"}}
SHARING = (
    _sharing("shared-full", "one backbone, all three phases", 0, {}),
    _sharing("shared-no-denoiser", "one backbone, clean latents aligned", 0,
             {"diffusion": {"denoiser": "none"}}),
    _sharing("shared-info-nce", "one backbone, contrast of pairs", 0, _CONTRAST),
    _sharing("late-full", "later layers shared, all three phases", 2, {}),
    _sharing("late-info-nce", "later layers shared, contrast of pairs", 2, _CONTRAST),
)  # fmt: skip
RIVALS_TUNED = tuple(
    Row(f"{row.name}-{suffix}", f"{row.what}; {what}", {**row.changes, **changes},
        base=f"base-{suffix}", full=f"full-{suffix}")
    for suffix, (what, changes) in OTHER_TRAINING.items()
    for row in RIVALS if row != PICTURES
)  # fmt: skip
_BASE_MASK, _FULL_MASK = _pair("mask", "range views as masks", {"model": {"range_input": "mask"}})
_POINTS = Row("base-points", "no diffusion, range views as points",
              {**NO_DIFFUSION, "model": {"range_input": "points"}}, "11.9")  # fmt: skip
INPUTS = (replace(_BASE_MASK, paper="28.2"), _FULL_MASK, _POINTS)


def _added(name: str, what: str, *changes: Changes) -> Row:
    """The full method with what helps before other sensors than those of the training."""
    return Row(name, f"all three phases, {what}", _joined(*changes))


_CHANGED: Changes = {"augment": {"share": 0.35, "ramp": 0.2}}
_MEAN: Changes = {"model": {"frame_pooling": "mean"}}
_COLUMNS: Changes = {"model": {"columns": 4}}
SENSORS = (
    _added("changed-clips", "a third of the clips changed", _CHANGED),
    _added("frames-mean", "mean over frames", _MEAN),
    _added("frames-upper", "mean of the upper half of the frames",
           {"model": {"frame_pooling": "upper_half"}}),
    _added("frames-generalised", "generalised mean over frames",
           {"model": {"frame_pooling": "generalised_mean"}}),
    _added("columns", "four columns in a strip", _COLUMNS),
    _added("changed-mean-columns", "clips changed, mean, columns", _CHANGED, _MEAN, _COLUMNS),
)  # fmt: skip
"""For benchmark_sensors; the last one has all that the package's model was trained with."""
STYLES = _pair("scatter", "range views as scatter plots", {"walkers": {"range_style": "scatter"}},
               apart=True)  # fmt: skip
"""The same people, whose range views are drawn as SUSTech1K's own files."""
OTHERS = _pair("others", "other people", {"walkers": {"seed": 7}}, apart=True)
CONTROLS = tuple(
    row
    for carrier in ("shape", "motion")
    for row in _pair(
        carrier, f"identity from {carrier} only", {"walkers": {"identity": carrier}}, apart=True
    )
)
GROUPS: Mapping[str, Sequence[Row]] = {
    "phases": PHASES,
    "parts": PARTS,
    "alignment": ALIGNMENT,
    "denoisers": DENOISERS,
    "networks": NETWORKS,
    "on-the-front": ON_THE_FRONT,
    "settings": SETTINGS,
    "undecayed": UNDECAYED,
    "initialisation": INITIALISATION,
    "scales": PYRAMID,
    "literal": LITERAL,
    "literal-choices": LITERAL_CHOICES,
    "triplets": TRIPLETS,
    "tuning": TUNING,
    "rivals": RIVALS,
    "sharing": SHARING,
    "erased": ERASED,
    "rivals-tuned": RIVALS_TUNED,
    "inputs": INPUTS,
    "sensors": SENSORS,
    "styles": STYLES,
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


def original(preset: TrainConfig, row: Row) -> Row:
    """The first row that trains the same with a preset, which may be what a row changes it to."""
    values = preset.model_dump(mode="json")

    def changed(each: Row) -> Changes:
        found = {
            section: {name: x for name, x in fields.items() if x != values[section].get(name)}
            for section, fields in each.changes.items()
        }
        return {section: fields for section, fields in found.items() if fields}

    return next(each for each in ROWS.values() if changed(each) == changed(row))


def configured(preset: TrainConfig, row: Row, seed: int) -> TrainConfig:
    """What a row trains.

    Raises:
        ConfigError: the row does not go with the preset.
    """
    values = preset.model_dump(mode="json")
    for section, fields in row.changes.items():
        values[section] |= fields
    return parse_config(values | {"seed": seed}, f"{preset.name}, row {row.name}")
