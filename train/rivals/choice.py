"""From a configuration to a rival."""

from typing import assert_never

from train.config import ModelConfig, RivalConfig, RivalMethod
from train.rivals.channel_augmentation import ChannelAugmentation
from train.rivals.implicit_knowledge import ImplicitKnowledge
from train.rivals.info_nce import InfoNCE
from train.rivals.rival import Rival
from train.rivals.semantic_parts import SemanticParts
from train.rivals.shared_attention import SharedAttention
from train.rivals.two_stage_distillation import TwoStageDistillation


def make_rival(config: RivalConfig, model: ModelConfig, subjects: int) -> Rival | None:
    """The rival's losses and heads; None without a rival, or for one that has shared layers alone.

    Args:
        config: which rival.
        model: the network it is trained with.
        subjects: number of training subjects N.
    """
    match config.method:
        case None | RivalMethod.SHARED_BACKBONE | RivalMethod.LATE_LAYERS:
            return None
        case RivalMethod.INFO_NCE:
            return InfoNCE(config.temperature)
        case RivalMethod.SHARED_ATTENTION:
            return SharedAttention(model, subjects, config.prototypes)
        case RivalMethod.CHANNEL_AUGMENTATION:
            return ChannelAugmentation()
        case RivalMethod.SEMANTIC_PARTS:
            return SemanticParts(model, subjects, config.prototypes)
        case RivalMethod.IMPLICIT_KNOWLEDGE:
            return ImplicitKnowledge(model, subjects)
        case RivalMethod.TWO_STAGE_DISTILLATION:
            return TwoStageDistillation(model, subjects)
    assert_never(config.method)
