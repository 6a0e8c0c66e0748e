"""Settings that cannot act beside others: `train.run` names those that somebody changed, on the
command line or in a file of one's own.

They are no errors: a preset names every field, also those that its method does not use.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

from gait.modality import Modality
from train.config import DenoiserKind, DiffusionConfig, RivalMethod, TrainConfig
from train.presets import changed_fields

SHARING = RivalMethod.SHARED_BACKBONE, RivalMethod.LATE_LAYERS
WITH_PROTOTYPES = RivalMethod.SHARED_ATTENTION, RivalMethod.SEMANTIC_PARTS
BRANCH = tuple(f"diffusion.{name}" for name in DiffusionConfig.model_fields if name != "phases")
OF_DENOISING = (
    "modal_token", "axial_attention", "attention_heads", "block", "normalisation", "time_embedding",
    "steps", "schedule", "tau1", "tau2", "shared_noise", "max_inverse_signal", "lambda2",
)  # fmt: skip
"""Fields of the branch that only noise and a denoiser make something of."""


class Rule(NamedTuple):
    """When some fields cannot act.

    Args:
        idle: whether they cannot, in a configuration.
        why: in words.
        fields: by their paths.
    """

    idle: Callable[[TrainConfig], bool]
    why: str
    fields: tuple[str, ...]


RULES = (
    Rule(lambda c: not c.diffusion.phases, "diffusion.phases is empty", BRANCH),
    Rule(
        lambda c: c.diffusion.denoiser == DenoiserKind.NONE,
        "diffusion.denoiser is none",
        tuple(f"diffusion.{name}" for name in OF_DENOISING),
    ),
    *(
        Rule(
            lambda c, phase=phase: phase not in c.diffusion.phases,  # type: ignore[misc]
            f"diffusion.phases is without {phase}",
            (f"diffusion.lambda{phase}",),
        )
        for phase in (1, 2, 3)
    ),
    Rule(
        lambda c: c.diffusion.phases == (1,),
        "diffusion.phases is 1 alone",
        ("diffusion.tau2", "diffusion.detach_targets", "diffusion.max_inverse_signal"),
    ),
    Rule(lambda c: c.diffusion.phases == (3,), "diffusion.phases is 3 alone", ("diffusion.tau1",)),
    Rule(
        lambda c: not c.diffusion.axial_attention,
        "diffusion.axial_attention is off",
        ("diffusion.attention_heads",),
    ),
    Rule(lambda c: c.rival.method is None, "there is no rival.method", ("rival.weight",)),
    Rule(
        lambda c: c.rival.method in SHARING,
        "this rival.method has no loss of its own",
        ("rival.weight",),
    ),
    Rule(
        lambda c: c.rival.method != RivalMethod.INFO_NCE,
        "it is of rival.method info_nce",
        ("rival.temperature",),
    ),
    Rule(
        lambda c: c.rival.method not in WITH_PROTOTYPES,
        f"it is of rival.method {' and '.join(WITH_PROTOTYPES)}",
        ("rival.prototypes",),
    ),
    Rule(
        lambda c: c.model.projection is None,
        "there is no model.projection",
        ("model.projection_of",),
    ),
    Rule(
        lambda c: Modality.RANGE_VIEW not in c.model.modalities,
        "model.modalities is without range views",
        ("model.range_input",),
    ),
    Rule(
        lambda c: len(c.model.modalities) == 1,
        "all triplets of one modality are within it",
        ("model.within_modality_triplets",),
    ),
    Rule(
        lambda c: c.model.range_input == "points" and c.model.modalities == (Modality.RANGE_VIEW,),
        "points have no picture to convolve or cut",
        ("model.convolutions", "model.blocks", "model.columns", "model.pyramid"),
    ),
    Rule(lambda c: not c.augment.share, "augment.share is 0", ("augment.ramp",)),
    Rule(
        lambda c: c.optim.schedule != "steps",
        "it is of optim.schedule steps",
        ("optim.milestones", "optim.gamma"),
    ),
    Rule(
        lambda c: c.optim.schedule != "one_cycle",
        "it is of optim.schedule one_cycle",
        ("optim.warmup",),
    ),
    Rule(
        lambda c: any(m >= c.optim.iterations for m in c.optim.milestones),
        "some lie at or beyond the last of optim.iterations",
        ("optim.milestones",),
    ),
)


def no_effect(beginning: TrainConfig, config: TrainConfig) -> list[str]:
    """The fields that somebody changed and that cannot act, each with the first reason why.

    Args:
        beginning: what held before anybody changed it (`train.presets.load_beginning`).
        config: what is trained.
    """
    reasons: dict[str, str] = {}
    for field, why in _idle(beginning, config):
        reasons.setdefault(field, why)
    return [f"{field} ({why})" for field, why in reasons.items()]


def _idle(beginning: TrainConfig, config: TrainConfig) -> Iterator[tuple[str, str]]:
    changed = changed_fields(beginning, config)
    for rule in RULES:
        if rule.idle(config):
            yield from ((field, rule.why) for field in rule.fields if field in changed)
