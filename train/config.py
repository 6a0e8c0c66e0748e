"""Every number a training run depends on, as frozen models: a typo or a bad value is an error.

Fields carry constraints; rules between fields raise `ConfigError` themselves.
"""

import math
from enum import StrEnum
from itertools import pairwise
from typing import Annotated, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    field_validator,
    model_validator,
)

from gait.errors import ConfigError
from gait.metrics import Distance
from gait.modality import SIZE, Modality
from train.noise_schedule import BetaSchedule, partition, signal_retention
from train.simulate.config import SimulateConfig


class Config(BaseModel):
    """What all our configs share: frozen, unknown fields refused, no NaN, docstrings as help."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True
    )


class FramePooling(StrEnum):
    """What is taken over the frames of a clip (Eq. 1)."""

    MAX = "max"
    """The paper's."""
    MEAN = "mean"
    """One bad frame no longer decides. Not in the paper."""
    UPPER_HALF = "upper_half"
    """The mean of the larger half of the values of each cell. Not in the paper."""
    GENERALISED_MEAN = "generalised_mean"
    """The cube root of the mean cube. Not in the paper."""


class ModelConfig(Config):
    """The discriminative path and its loss (Eq. 1 to 5). Defaults are the paper's full size.

    Raises:
        ConfigError: lists of unequal length, more own layers than there are, strides that do not
            divide 64, or parts that do not divide the height of the feature map.
    """

    channels: tuple[PositiveInt, ...] = Field(default=(64, 128, 256, 512), min_length=1)
    """Width of each stage of a branch; the stem has the first."""
    modalities: tuple[Modality, ...] = Field(default=tuple(Modality), min_length=1)
    """What is trained on: both modalities, or one alone (then without a diffusion branch)."""
    range_input: Literal["colours", "mask", "points"] = "colours"
    """What the network sees of a range view: its colours; only which pixels are lit, as if it were
    a silhouette; or its lit pixels as a set of points (paper A.3), to which the strides, blocks and
    convolutions of pictures do nothing but give the map its shape."""
    strides: tuple[PositiveInt, ...] = (1, 2, 2, 1)
    """Stride of each stage's first block."""
    blocks: tuple[PositiveInt, ...] = (1, 1, 1, 1)
    """Basic blocks in each stage."""
    stem_stride: PositiveInt = 1
    """Stride of the first convolution."""
    convolutions: Literal["full", "separable"] = "full"
    """What the 3×3 convolutions of the blocks are: full ones, or one for each channel and a 1×1
    across channels, which has some seventh of the weights. The paper's are full."""
    width: PositiveInt = Field(default=SIZE, le=SIZE)
    """Columns of a frame that the network sees, around its middle; the paper's see all 64. Mean
    pictures (`projection_of`) show all columns."""
    own_layers: NonNegativeInt | None = None
    """How many of the first layers, the stem and each stage, each sensor has for itself; both share
    the others, which see them as one batch, and always the 1×1 head after them, even where all
    layers are their own. With 0 silhouettes stand in three channels. If null, each has a whole
    backbone and a head of its own, as in the paper."""
    frame_pooling: FramePooling = FramePooling.MAX
    """What is taken over the frames of a clip (Eq. 1)."""
    parts: PositiveInt = 16
    """Horizontal strips p (Eq. 2)."""
    columns: PositiveInt = 1
    """Cells that a strip is cut into from left to right: its feature keeps where something is. The
    paper has one."""
    pyramid: bool = False
    """Also 1, 2, 4, … strips, up to `parts`: with 16, an embedding of 31 parts. The paper calls its
    pooling multi-scale and gives 16 strips."""
    initialisation: Literal["per_part", "opengait", "opengait_whole"] = "per_part"
    """How the part embeddings and the classifier start: Xavier for each part's matrix, or, as in
    OpenGait, for all parts as one tensor, whose numbers are some 12 times smaller. With
    `opengait_whole` every other layer starts as there too, those of the diffusion branch as well:
    convolutions and linear maps with Xavier and no bias, batch norms around 1."""
    embedding: PositiveInt = 256
    """Size d of one part's embedding (Eq. 3)."""
    margin: float = Field(default=0.2, ge=0)
    """Triplet margin (Eq. 5)."""
    scale: PositiveFloat = 16.0
    """Factor on the cosine logits (Eq. 5)."""
    label_smoothing: float = Field(default=0.1, ge=0, lt=1)
    """Label smoothing of the cross-entropy (Eq. 5)."""
    within_modality_triplets: bool = False
    """Also triplets whose anchor, positive and negative are of one modality. Not in the paper."""
    centred: bool = True
    """Take each modality's mean over training walks away from its embeddings, once trained. Not in
    the paper."""
    projection: PositiveInt | None = None
    """Dimensions of a linear discriminant, fitted to training walks once trained, that takes the
    place of the embedding (`train/model/projection.py`); none if null. Not in the paper."""
    projection_of: Literal["embedding", "maps"] = "embedding"
    """What the discriminant is of: the embedding of Eq. 3, or the map of Eq. 1 and the mean
    picture, which show more and want a thousand people who were not trained on."""

    @property
    def strips(self) -> tuple[int, ...]:
        """Numbers of strips that a feature map is cut into, coarse to fine.

        `parts` divides a power of two, 64, and so is one itself.
        """
        scales = range(self.parts.bit_length()) if self.pyramid else ()
        return tuple(2**scale for scale in scales) or (self.parts,)

    @property
    def embedding_parts(self) -> int:
        """Parts of an embedding: the strips of all scales."""
        return sum(self.strips)

    @property
    def found_shape(self) -> tuple[int, int]:
        """`(p, d)` of what a trained network finds: that of Eq. 3, or its projection."""
        if self.projection is not None:
            return 1, self.projection
        return self.embedding_parts, self.embedding

    @property
    def downsampling(self) -> int:
        """Pixels of a frame per cell of the feature map, along each axis."""
        return self.stem_stride * math.prod(self.strides)

    @property
    def latent_shape(self) -> tuple[int, int, int]:
        """`(c, h, w)` of the feature map, the discriminative map and the clean latent."""
        return self.channels[-1], SIZE // self.downsampling, self.width // self.downsampling

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if len(set(self.modalities)) < len(self.modalities):
            raise ConfigError(f"got modalities {self.modalities}, need each at most once")
        if self.own_layers is not None and (
            len(self.modalities) == 1 or self.range_input == "points"
        ):
            raise ConfigError(
                f"got own_layers {self.own_layers}, need pictures of both sensors, which the "
                "shared layers see"
            )
        if self.range_input == "points" and self.projection and self.projection_of == "maps":
            raise ConfigError(
                "got a projection of maps and range_input points, need a projection of the "
                "embedding: the other is shown mean pictures, which a set of points has not"
            )
        layers = 1 + len(self.channels)
        if self.own_layers is not None and self.own_layers > layers:
            raise ConfigError(
                f"got own_layers {self.own_layers}, need at most the {layers} there are: the stem "
                f"and {layers - 1} stages"
            )
        stages = {len(self.channels), len(self.strides), len(self.blocks)}
        if len(stages) > 1:
            raise ConfigError(
                f"got {len(self.channels)} channels, {len(self.strides)} strides and "
                f"{len(self.blocks)} blocks, need one of each per stage"
            )
        if SIZE % self.downsampling:
            raise ConfigError(
                f"got stem_stride × strides = {self.downsampling}, need a divisor of {SIZE}, "
                "the side of a frame"
            )
        if self.width % self.downsampling or (SIZE - self.width) % 2:
            raise ConfigError(
                f"got a width of {self.width} columns and stem_stride × strides = "
                f"{self.downsampling}, need a multiple of it that is even"
            )
        _, height, width = self.latent_shape
        if height % self.parts:
            raise ConfigError(
                f"got {self.parts} parts for a feature map {height} rows high, "
                "need a number of parts that divides the rows"
            )
        if width % self.columns:
            raise ConfigError(
                f"got {self.columns} columns for a feature map {width} cells wide, "
                "need a number of columns that divides them"
            )
        return self


class DenoiserKind(StrEnum):
    """Which denoiser: the paper's, one of its two ablations (paper Table 7), or a control.

    `none` denoises without error, ε̂ = ε: there is no trajectory, and what Eq. 17 compares are the
    clean latents of both modalities themselves. Not in the paper.
    """

    SHARED = "shared"
    INDEPENDENT = "independent"
    HEAVY = "heavy"
    NONE = "none"


class DenoiserBlock(StrEnum):
    """What the blocks of the light denoiser are made of. The paper does not say."""

    SEPARABLE = "separable"
    """Two depthwise-separable 3×3 convolutions."""
    BOTTLENECK = "bottleneck"
    """Convolutions of 1×1, 3×3 and 1×1 on fewer channels."""


class Normalisation(StrEnum):
    """What is normalised together in the denoiser. The paper does not say."""

    GROUP = "group"
    """Groups of channels, over the whole map."""
    LAYER = "layer"
    """The channels of each cell."""


class DiffusionConfig(Config):
    """The diffusion path (Eq. 6 to 18): training only. `phases=()` is the base without it.

    Raises:
        ConfigError: thresholds or phases out of order, or a phase left without a
            timestep by the schedule (Eq. 12).
    """

    phases: tuple[Literal[1, 2, 3], ...] = (1, 2, 3)
    """Phases in use: 1 small noise, 2 medium, 3 large. Empty: no diffusion branch at all."""
    steps: PositiveInt = 100
    """Diffusion steps T."""
    schedule: BetaSchedule = BetaSchedule.LINEAR
    """Noise schedule. The paper's is not legible in our copy."""
    tau1: float = Field(default=0.95, gt=0, lt=1)
    """Signal retention down to which noise is small (Eq. 12)."""
    tau2: float = Field(default=0.5, gt=0, lt=1)
    """Signal retention down to which noise is medium (Eq. 12)."""
    lambda1: float = Field(default=0.1, ge=0)
    """Weight of phase 1 (Eq. 18)."""
    lambda2: float = Field(default=3.0, ge=0)
    """Weight of phase 2 (Eq. 18)."""
    lambda3: float = Field(default=3.0, ge=0)
    """Weight of phase 3 (Eq. 18)."""
    shared_noise: bool = True
    """The same noise for both modalities of a pair (Eq. 7)."""
    decoupled_heads: bool = True
    """A generative head beside the discriminative one; otherwise one map serves both."""
    modal_token: bool = True
    """The learnable token shared by both modalities in the condition (Eq. 8)."""
    axial_attention: bool = True
    """Attention over rows in the bottleneck (Eq. 11)."""
    denoiser: DenoiserKind = DenoiserKind.SHARED
    """One light denoiser for both modalities, one each (each with a modal token of its own), one
    heavy one, or none."""
    latent_channels: PositiveInt | None = None
    """Channels of the clean latents, made by the generative heads; None: as many as the maps have.
    The denoiser's size goes with their square. Phase 1 of our network needs as many as its maps."""
    block: DenoiserBlock = DenoiserBlock.SEPARABLE
    """What the blocks of a light denoiser are made of."""
    normalisation: Normalisation = Normalisation.GROUP
    """What is normalised together in the denoiser."""
    attention_heads: PositiveInt = 4
    """Heads of the axial attention."""
    time_embedding: int = Field(default=256, gt=0, multiple_of=2)
    """Width of the timestep embedding (Eq. 9) and of the modal token."""
    detach_targets: bool = False
    """Keep gradients out of the targets of Eq. 16 and 17."""
    max_inverse_signal: float | None = Field(default=5.0, ge=1)
    """How much 1/√ᾱ_t may count in Eq. 16 and 17; None: unbounded. Idle with the default schedule,
    where it stays below 1.7."""
    standardise_latent: bool = True
    """Give each number of the clean latents zero mean and unit variance over the walks of a batch,
    both modalities together. Not in the paper."""
    weight_decay: NonNegativeFloat | None = None
    """L2 penalty of the branch's own weights; None: that of all others."""

    @property
    def intervals(self) -> tuple[range, range, range]:
        """Timesteps of the small, medium and large phase (Eq. 12)."""
        return partition(signal_retention(self.schedule, self.steps), self.tau1, self.tau2)

    @model_validator(mode="after")
    def _well_posed(self) -> Self:
        if self.denoiser == DenoiserKind.HEAVY and self.block == DenoiserBlock.BOTTLENECK:
            raise ConfigError("got a heavy denoiser and block bottleneck, need one of the two")
        if list(self.phases) != sorted(set(self.phases)):
            raise ConfigError(f"got phases {self.phases}, need each at most once, in rising order")
        if self.latent_channels is not None and not self.decoupled_heads:
            raise ConfigError(
                f"got latent_channels = {self.latent_channels} without decoupled_heads, "
                "need the heads to make latents of another width"
            )
        if self.denoiser == DenoiserKind.NONE and self.phases == (2,):
            raise ConfigError("got phase 2 alone and no denoiser: it would compare nothing")
        _ = self.intervals
        return self


class RivalMethod(StrEnum):
    """Another way to align both modalities, after a method of the paper's Tables 1 to 3.

    Each is a file of `train/rivals`, which says how it differs from what was published.
    """

    SHARED_BACKBONE = "shared_backbone"
    """One network for both modalities, after LidarGait (`shared_layers.py`)."""
    LATE_LAYERS = "late_layers"
    """First layers of each modality's own, the others shared, after MMGait (`shared_layers.py`)."""
    INFO_NCE = "info_nce"
    """Contrast of pairs, after CL-Gait."""
    SHARED_ATTENTION = "shared_attention"
    """Prototypes that look at both modalities, after CrossGait."""
    CHANNEL_AUGMENTATION = "channel_augmentation"
    """Single channels and erased pieces of pictures, after CAJ."""
    SEMANTIC_PARTS = "semantic_parts"
    """Parts found by prototypes, drawn to their person's centre, after SAAI."""
    IMPLICIT_KNOWLEDGE = "implicit_knowledge"
    """What is special to a modality teaches what is shared, after IDKL."""
    TWO_STAGE_DISTILLATION = "two_stage_distillation"
    """A teacher that sees both modalities teaches each of them, after TSKD."""


class RivalConfig(Config):
    """A rival of the diffusion branch. Nothing of it ships but the sharing of layers."""

    method: RivalMethod | None = None
    """Which one; None: none. It replaces the diffusion branch: give `diffusion.phases` no value."""
    weight: float = Field(default=1.0, ge=0)
    """Factor on the rival's own losses, beside those of Eq. 5."""
    temperature: PositiveFloat = 0.07
    """By which `info_nce` divides cosines at the start; it is learned."""
    prototypes: int = Field(default=8, ge=2)
    """Prototypes of `shared_attention` and `semantic_parts`."""


class BatchConfig(Config):
    """What one optimisation step sees (paper A.2)."""

    subjects: PositiveInt = 8
    """P: people in a batch."""
    sequences: PositiveInt = 8
    """K: walks of each, drawn with replacement where a person has fewer."""
    frames: PositiveInt = 10
    """Frames of each walk, the same ones in both modalities."""


class AugmentConfig(Config):
    """Clips as other sensors would have seen them (`train/augment`). Not in the paper."""

    share: float = Field(default=0.0, ge=0, le=1)
    """Share of the clips of each modality that are changed; 0 changes none."""
    ramp: float = Field(default=0.5, ge=0, le=1)
    """Part of the run in which the share rises from 0."""
    erased: float = Field(default=0.0, ge=0, le=1)
    """Share of the clips that lose a rectangle, and of the range views that show one of their
    channels alone (`train/augment/erased.py`), from the first step."""


class OptimConfig(Config):
    """Adam and its learning rate (paper A.2)."""

    iterations: PositiveInt = 40_000
    """Optimisation steps."""
    lr: PositiveFloat = 3e-4
    """Learning rate: the first of `steps`, the peak of `one_cycle`."""
    weight_decay: NonNegativeFloat = 5e-4
    """L2 penalty, added to the gradient as in Adam of old."""
    schedule: Literal["steps", "one_cycle"] = "steps"
    """`steps` multiplies by `gamma` at each milestone; `one_cycle` rises, then falls to zero."""
    milestones: tuple[PositiveInt, ...] = (15_000, 30_000)
    """Iterations after which `steps` lowers the rate."""
    gamma: Annotated[float, Field(gt=0, le=1)] = 0.1
    """Factor at each milestone."""
    warmup: Annotated[float, Field(gt=0, lt=1)] = 0.2
    """Share of the iterations in which `one_cycle` rises."""

    @model_validator(mode="after")
    def _milestones_rise(self) -> Self:
        if any(a >= b for a, b in pairwise(self.milestones)):
            raise ConfigError(f"got milestones {self.milestones}, need them in rising order")
        return self


class DataConfig(Config):
    """Who is trained on."""

    layout: str = "sustech1k"
    """Of the pack: sustech1k or freegait. It decides the protocol; simulated walkers have
    SUSTech1K's."""
    simulated: bool = False
    """Without a pack, make the walkers that the section `walkers` describes."""
    validation_subjects: NonNegativeInt = 0
    """Training people held out to choose the best checkpoint; 0 takes the last one."""


class EvaluationConfig(Config):
    """How embeddings are compared: in reports, and where the best checkpoint is chosen."""

    distance: Distance | None = None
    """`cosine` or `euclidean`; None: cosine where embeddings are centred, else Euclidean."""


class RunConfig(Config):
    """How the machine is used, not what is learned: a resumed run may change it."""

    device: Literal["auto", "cpu", "cuda"] = "auto"
    """`auto` takes CUDA where there is a device."""
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    """Of the forward pass; losses are fp32. `auto`: bf16 on CUDA (fp16 if old) and on processors
    that multiply it (AMX, AVX512_BF16), else fp32."""
    compile: Literal["nothing", "denoiser", "all"] = "nothing"
    """What torch.compile translates: the denoiser, which is one graph, or the forward pass. It
    needs a C++ compiler. Old files say true or false, for all or nothing."""
    cudnn_benchmark: bool = True
    """On CUDA, whether cuDNN tries its algorithms for each shape and keeps the fastest. A run whose
    other settings are the same may then differ in rounding."""
    channels_last: bool = True
    """Whether weights and maps lie channels last in memory, as matrix units want them; narrow
    networks on a processor do not (`model/layout.py`)."""
    one_call: bool = True
    """Whether the denoiser takes all phases and modalities as one batch; if not, one by one."""
    fused: bool = True
    """Whether one kernel updates all parameters; on CUDA it never waits for the device."""
    graph: bool = False
    """Whether the step is recorded once and replayed as a CUDA graph."""
    frames: Literal["auto", "device", "host"] = "auto"
    """Where the frames lie; `auto` puts them on the GPU if they fit, else they are prefetched."""
    threads: PositiveInt | None = None
    """CPU threads of torch; None takes one for each core this process may use."""
    log_every: PositiveInt = 50
    """Iterations between looks at the losses (each waits for the device once)."""
    checkpoint_every: PositiveInt = 1000
    """Iterations between checkpoints."""
    validate_every: PositiveInt = 2000
    """Iterations between validations."""

    @field_validator("compile", mode="before")
    @classmethod
    def _as_it_was_said_before(cls, compile: object) -> object:
        return {True: "all", False: "nothing"}[compile] if isinstance(compile, bool) else compile


class TrainConfig(Config):
    """A whole training run. `configs/*.yaml` are the presets."""

    name: str = "custom"
    """What this configuration is called in reports."""
    seed: NonNegativeInt = 0
    """With the iteration number, it fixes every random draw."""
    model: ModelConfig = ModelConfig()
    diffusion: DiffusionConfig = DiffusionConfig()
    rival: RivalConfig = RivalConfig()
    data: DataConfig = DataConfig()
    walkers: SimulateConfig = SimulateConfig.model_validate({"points": False})
    batch: BatchConfig = BatchConfig()
    augment: AugmentConfig = AugmentConfig()
    optim: OptimConfig = OptimConfig()
    evaluation: EvaluationConfig = EvaluationConfig()
    run: RunConfig = RunConfig()

    @property
    def distance(self) -> Distance:
        """What validation and reports compare embeddings by."""
        centred = Distance.COSINE if self.model.centred else Distance.EUCLIDEAN
        return self.evaluation.distance or centred

    @property
    def latent_shape(self) -> tuple[int, int, int]:
        """`(c, h, w)` of the clean latents."""
        channels, height, width = self.model.latent_shape
        return self.diffusion.latent_channels or channels, height, width

    @model_validator(mode="after")
    def _latents_that_fit(self) -> Self:
        channels, latent = self.model.channels[-1], self.latent_shape[0]
        if latent != channels and 1 in self.diffusion.phases:
            raise ConfigError(
                f"got {latent} latent channels and maps of {channels}, need as many in phase 1, "
                "whose estimates go through the heads of the maps: leave phase 1 out, or give "
                "latent_channels no value"
            )
        return self

    @model_validator(mode="after")
    def _pairs_to_align(self) -> Self:
        if len(self.model.modalities) == 1 and self.diffusion.phases:
            raise ConfigError(
                f"got diffusion phases {self.diffusion.phases} and {self.model.modalities[0]} "
                "alone, need both modalities to align: give --diffusion.phases without a number"
            )
        return self

    @model_validator(mode="after")
    def _colours_to_change(self) -> Self:
        changes = RivalMethod.CHANNEL_AUGMENTATION
        if self.model.range_input != "colours" and (
            self.augment.erased or self.rival.method == changes
        ):
            raise ConfigError(
                f"got range_input {self.model.range_input} and augment.erased or rival {changes}, "
                "which show single colour channels, need range_input colours: a pixel without "
                "that colour would be no part of the person"
            )
        return self

    @model_validator(mode="after")
    def _one_method(self) -> Self:
        if self.rival.method is None:
            return self
        if self.diffusion.phases:
            raise ConfigError(
                f"got rival {self.rival.method} and diffusion phases {self.diffusion.phases}, need "
                "one of the two: give --diffusion.phases without a number"
            )
        if len(self.model.modalities) == 1:
            raise ConfigError(
                f"got rival {self.rival.method} and {self.model.modalities[0]} alone, need both "
                "modalities to align"
            )
        sharing = RivalMethod.SHARED_BACKBONE, RivalMethod.LATE_LAYERS
        if self.rival.method in sharing and self.model.own_layers is not None:
            raise ConfigError(
                f"got rival {self.rival.method} and own_layers {self.model.own_layers}, need one "
                "of the two, as both say which layers are shared"
            )
        if self.rival.method in sharing and self.model.range_input == "points":
            raise ConfigError(
                f"got rival {self.rival.method} and range_input points, need pictures of both "
                "sensors, which the shared layers see"
            )
        return self
