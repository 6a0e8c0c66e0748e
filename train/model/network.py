"""The whole network: two branches, shared heads, and in training the diffusion branch."""

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gait.errors import ConfigError
from gait.modality import SIZE, Modality
from train.config import DiffusionConfig, FramePooling, ModelConfig, RivalConfig
from train.diffusion.regularizer import TrajectoryRegularizer
from train.diffusion.trajectory import Noise
from train.losses import (
    Gather,
    Losses,
    identity_losses,
    one_modality_triplet,
    part_cross_entropy,
)
from train.model.heads import BNNeck, SeparateFCs
from train.model.initialisation import as_opengait
from train.model.point_net import PointNet
from train.model.pooling import horizontal_pooling, temporal_pooling
from train.model.projection import PICTURE, Projection, maps_and_pictures
from train.model.resnet9 import ResNet9
from train.rivals.choice import make_rival
from train.rivals.rival import Rival, Seen
from train.rivals.shared_layers import OWN_LAYERS, joint_maps, share_layers

NO_RIVAL = RivalConfig()
HALF_LIT = 64 / 255
"""Half of the strongest channel of JET's darkest colour: where a resized mask has its edge."""

Pair = tuple[Tensor, Tensor]
"""Of silhouettes and of range views."""


class Branch(nn.Module):
    """What one modality has for itself: its backbone, its discriminative 1×1 head, its centre.

    The centre `(p, d)` is 0 until `train.loop.embedding_centre` has found it.

    Args:
        modality: whose.
        config: of the network.
        channels: what the backbone takes; None: as many as the network sees of a frame.
    """

    centre: Tensor

    def __init__(
        self, modality: Modality, config: ModelConfig, channels: int | None = None
    ) -> None:
        super().__init__()
        width = config.channels[-1]
        self.modality = modality
        seen = config.range_input if modality == Modality.RANGE_VIEW else "colours"
        self.masked, self.as_points = seen == "mask", seen == "points"
        self.channels = channels or (1 if self.masked else modality.channels)
        self.backbone: ResNet9 | PointNet = (
            PointNet(config) if self.as_points else ResNet9(self.channels, config)
        )
        self.beside = (SIZE - config.width) // 2
        self.frame_pooling = config.frame_pooling
        self.head = nn.Conv2d(width, width, 1)
        self.register_buffer("centre", torch.zeros(config.embedding_parts, config.embedding))
        self.register_load_state_dict_pre_hook(  # type: ignore[no-untyped-call]
            _without_centre
        )

    def features(self, frames: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Eq. 1: `F = TP(E(X))`.

        Args:
            frames: `(n, s, c, 64, 64)` uint8, 0..255.
            lengths: `(n,)` int64 real frames of each clip; None: all of them.

        Returns:
            `(n, c, h, w)`.
        """
        maps = self.maps(frames.flatten(0, 1))
        return self.pooled(maps, frames.shape[:2], lengths)

    def pooled(self, maps: Tensor, clips: torch.Size, lengths: Tensor | None = None) -> Tensor:
        """TP of Eq. 1: maps `(n · s, c, h, w)` of `clips`, `(n, s)` → `(n, c, h, w)`."""
        maps = maps.reshape(*clips, *maps.shape[1:])
        return temporal_pooling(maps, lengths, self.frame_pooling)

    def maps(self, frames: Tensor) -> Tensor:
        """E of Eq. 1: frames `(N, c, 64, 64)` uint8 → `(N, c, h, w)`."""
        return cast(Tensor, self.backbone(self.pixels(frames)))

    def pixels(self, frames: Tensor) -> Tensor:
        """Frames `(N, c, 64, 64)` uint8 as the backbone takes them: 0..1, in its channels and of
        its width."""
        x = frames[..., self.beside : SIZE - self.beside].float() / 255
        if self.as_points:
            return torch.cat([x, _lit(x)], 1)
        if self.masked:
            x = _lit(x)
        return x if x.shape[1] == self.channels else x.expand(-1, self.channels, -1, -1)

    @property
    def resnet(self) -> ResNet9:
        """The backbone of a branch that sees pictures."""
        assert isinstance(self.backbone, ResNet9)
        return self.backbone

    def small_pictures(self, frames: Tensor) -> Tensor:
        """Where somebody is: frames `(N, c, 64, 64)` uint8 → `(N, 1, 32, 32)`, 0..1."""
        x = frames.float() / 255
        if self.modality == Modality.RANGE_VIEW:
            x = _lit(x)
        small: Tensor = F.avg_pool2d(x, x.shape[-1] // PICTURE)
        return small


def _lit(x: Tensor) -> Tensor:
    """Which pixels of range views `(N, 3, 64, 64)`, 0..1, hold something: `(N, 1, 64, 64)`."""
    return (x.amax(dim=1, keepdim=True) >= HALF_LIT).to(x.dtype)


class Encoder(nn.Module):
    """The path of one modality from frames to embedding: all that ships.

    Args:
        branch: what the modality has for itself.
        fcs: the part embedding both modalities share.
        config: how maps are cut.
        projection: of the embedding or in its place, if there is one.
    """

    def __init__(
        self,
        branch: Branch,
        fcs: SeparateFCs,
        config: ModelConfig,
        projection: Projection | None = None,
    ) -> None:
        super().__init__()
        self.branch = branch
        self.fcs = fcs
        self.strips = config.strips
        self.columns = config.columns
        self.projection = projection

    def forward(self, frames: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Eq. 1 to 3, less the centre; or a projection.

        Args:
            frames: `(n, s, c, 64, 64)` uint8, 0..255.
            lengths: `(n,)` int64 real frames of each clip, each 1..s; None: all of them.

        Returns:
            `(n, p, d)`, not normalised; with a projection p is 1.
        """
        if self.projection is None:
            return self.embedding(self.branch.features(frames, lengths))
        return self.projected(self.seen(frames, lengths))

    def embedding(self, features: Tensor) -> Tensor:
        """Eq. 2 and 3, less the centre: the `(n, c, h, w)` map of Eq. 1 → `(n, p, d)`."""
        maps = self.branch.head(features)
        strips = horizontal_pooling(maps, *self.strips, columns=self.columns)
        return cast(Tensor, self.fcs(strips)) - self.branch.centre

    def seen(self, frames: Tensor, lengths: Tensor | None = None) -> Tensor:
        """The description that is projected: `(n, numbers)`. Arguments as of `forward`."""
        features = self.branch.features(frames, lengths)
        if not self.sees_pictures:
            return self.description(features)
        pictures = self.branch.small_pictures(frames.flatten(0, 1))
        pictures = pictures.unflatten(0, frames.shape[:2])  # type: ignore[no-untyped-call]
        return self.description(features, temporal_pooling(pictures, lengths, FramePooling.MEAN))

    @property
    def sees_pictures(self) -> bool:
        """Whether the mean pictures of clips are projected too."""
        return self.projection is not None and self.projection.of_maps

    def description(self, features: Tensor, pictures: Tensor | None = None) -> Tensor:
        """What is projected: `(n, c, h, w)` maps and `(n, 1, 32, 32)` mean pictures; of maps alone
        their embedding, each part of unit norm. `(n, numbers)` float32."""
        if pictures is not None:
            return maps_and_pictures(features, pictures)
        return F.normalize(self.embedding(features).float(), dim=2).flatten(1)

    def projected(self, descriptions: Tensor) -> Tensor:
        """Descriptions `(n, numbers)` → `(n, 1, k)`, by the projection, which there must be."""
        assert self.projection is not None
        return cast(Tensor, self.projection(descriptions, self.branch.modality))


def _without_centre(branch: Branch, state: dict[str, Tensor], prefix: str, *_: object) -> None:
    """Checkpoints of before there were centres have none: it is 0."""
    state.setdefault(f"{prefix}centre", torch.zeros_like(branch.centre))


class GaitNetwork(nn.Module):
    """DiffCrossGait: `embed` is what retrieval uses, `losses` what training minimises.

    Args:
        model: branches, heads and Eq. 5.
        diffusion: the diffusion branch; without phases there is none, and no parameter of it.
        subjects: number of training subjects N.
        rival: another way to align both modalities, in place of the diffusion branch.

    Raises:
        ConfigError: the width of the feature map does not fit the denoiser.
    """

    silhouette: Branch
    range_view: Branch

    def __init__(
        self,
        model: ModelConfig,
        diffusion: DiffusionConfig,
        subjects: int,
        rival: RivalConfig = NO_RIVAL,
    ) -> None:
        super().__init__()
        width = model.channels[-1]
        self.config = model
        self.modalities = tuple(m for m in Modality if m in model.modalities)
        named = OWN_LAYERS.get(rival.method) if rival.method else None
        self.own_layers = model.own_layers if named is None else named
        for modality in self.modalities:
            channels = Modality.RANGE_VIEW.channels if self.own_layers == 0 else None
            setattr(self, modality, Branch(modality, model, channels))
        if self.own_layers is not None:
            share_layers(self.silhouette.resnet, self.range_view.resnet, self.own_layers)
            self.range_view.head = self.silhouette.head
        parts, start = model.embedding_parts, model.initialisation
        self.fcs = SeparateFCs(parts, width * model.columns, model.embedding, start)
        self.neck = BNNeck(parts, model.embedding, subjects, start)
        self.projection = Projection(model) if model.projection else None
        self.decoupled = diffusion.decoupled_heads
        self.regularizer = TrajectoryRegularizer(width, diffusion) if diffusion.phases else None
        self.rival, self.rival_weight = make_rival(rival, model, subjects), rival.weight
        if start == "opengait_whole":
            self.apply(as_opengait)

    def branch(self, modality: Modality) -> Branch:
        """The branch of a modality.

        Raises:
            ConfigError: the network was made without it.
        """
        if modality not in self.modalities:
            raise ConfigError(
                f"got a network of {self.modalities[0]} alone, need one with a branch for "
                f"{modality}: train with model.modalities of both"
            )
        return self.silhouette if modality == Modality.SILHOUETTE else self.range_view

    def encoder(self, modality: Modality) -> Encoder:
        """What ships for a modality, on this network's own weights."""
        return Encoder(self.branch(modality), self.fcs, self.config, self.projection)

    def embed(self, frames: Tensor, modality: Modality, lengths: Tensor | None = None) -> Tensor:
        """The retrieval embedding: Eq. 1 to 3, centred where the network is, or its projection.

        Neither BNNeck nor diffusion is touched.

        Args:
            frames: `(n, s, c, 64, 64)` uint8, 0..255.
            modality: what the frames show.
            lengths: `(n,)` int64 real frames of each clip, each 1..s; None: all of them.

        Returns:
            `(n, p, d)` float32, not normalised.
        """
        return cast(Tensor, self.encoder(modality)(frames, lengths)).float()

    def unprojected(
        self, frames: Tensor, modality: Modality, lengths: Tensor | None = None
    ) -> Tensor:
        """The embedding of Eq. 1 to 3, whether there is a projection or not: as `embed`."""
        encoder = self.encoder(modality)
        return encoder.embedding(encoder.branch.features(frames, lengths)).float()

    def description(
        self, frames: Tensor, modality: Modality, lengths: Tensor | None = None
    ) -> Tensor:
        """What a projection sees: `(n, 1, numbers)` float32. Arguments as of `embed`."""
        return self.encoder(modality).seen(frames, lengths).unsqueeze(1)

    def forward(
        self,
        silhouettes: Tensor,
        range_views: Tensor,
        labels: Tensor,
        noise: Noise,
        gather: Gather | None = None,
    ) -> Losses:
        """`losses`, under the name that DistributedDataParallel calls."""
        return self.losses(silhouettes, range_views, labels, noise, gather)

    def losses(
        self,
        silhouettes: Tensor,
        range_views: Tensor,
        labels: Tensor,
        noise: Noise,
        gather: Gather | None = None,
    ) -> Losses:
        """Eq. 18: discriminative and diffusion terms of one batch.

        Args:
            silhouettes: `(n, s, 1, 64, 64)` uint8.
            range_views: `(n, s, 3, 64, 64)` uint8; row i is the walk of silhouette row i.
            labels: `(n,)` int64 subjects, 0..N-1.
            noise: of these n clips, from `draw_noise`.
            gather: joins rows of all processes for the triplets; cross-entropy and diffusion stay
                local, where the mean over processes is the mean over the batch.

        Returns:
            Terms `triplet`, `ce`, perhaps `triplet_within`, those of the diffusion branch
            (`p1_identity`, …) or of a rival, and the total.
        """
        if len(self.modalities) == 1:
            (modality,) = self.modalities
            frames = silhouettes if modality == Modality.SILHOUETTE else range_views
            branch = self.branch(modality)
            terms = self.one_modality_terms(branch.head(branch.features(frames)), labels, gather)
            return Losses(terms, _sum(terms))
        first, second = self.features(silhouettes, range_views)
        first_dis, second_dis = self.silhouette.head(first), self.range_view.head(second)
        if self.rival is not None:
            maps, heads = (first, second), (first_dis, second_dis)
            return self._rival_losses(maps, heads, labels, gather, self.rival)
        terms = self.identity_terms(first_dis, second_dis, labels, gather)
        total = _sum(terms)
        if self.regularizer is None:
            return Losses(terms, total)

        def identity_loss(z_hat_2d: Tensor, z_hat_3d: Tensor) -> Tensor:
            return _sum(self.identity_terms(z_hat_2d, z_hat_3d, labels, gather))

        maps = (first, second) if self.decoupled else (first_dis, second_dis)
        diffusion = self.regularizer(*maps, noise, identity_loss)
        return Losses(terms | diffusion.terms, total + diffusion.total)

    def features(self, silhouettes: Tensor, range_views: Tensor) -> Pair:
        """Eq. 1 of both modalities, in training: shared layers see both as one batch."""
        if self.own_layers is None:
            return self.silhouette.features(silhouettes), self.range_view.features(range_views)
        one, two, clips = self.silhouette, self.range_view, silhouettes.shape[:2]
        pixels = one.pixels(silhouettes.flatten(0, 1)), two.pixels(range_views.flatten(0, 1))
        maps = joint_maps(one.resnet, two.resnet, pixels, self.own_layers)
        return one.pooled(maps[0], clips), two.pooled(maps[1], clips)

    def identity_terms(
        self, first: Tensor, second: Tensor, labels: Tensor, gather: Gather | None = None
    ) -> dict[str, Tensor]:
        """Eq. 2 to 5 on two maps `(n, c, h, w)`: L_dis of the features, L_id of the estimates.

        Both modalities pass the BNNeck as one batch, so they share its batch statistics. Triplets
        within a modality, if configured, belong to both uses.
        """
        with torch.autocast(first.device.type, enabled=False):
            pair, cosines = self._embedded(first, second)
            return identity_losses(pair, cosines, labels, self.config, gather)

    def _embedded(self, first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
        """Eq. 2 to 4 of both modalities as one batch: `(2, n, p, d)` and cosines `(2n, p, N)`."""
        embeddings = self.fcs(torch.cat([self._strips(x) for x in (first, second)]))
        return embeddings.reshape(2, -1, *embeddings.shape[1:]), self.neck(embeddings)

    def _rival_losses(
        self, maps: Pair, heads: Pair, labels: Tensor, gather: Gather | None, rival: Rival
    ) -> Losses:
        """Eq. 5, and the losses of the rival on the maps and embeddings that it came from."""
        with torch.autocast(labels.device.type, enabled=False):
            pair, cosines = self._embedded(*heads)
            terms = identity_losses(pair, cosines, labels, self.config, gather)
            cosines = cosines.view(*pair.shape[:3], -1)
            seen = Seen(torch.stack(maps).float(), pair, cosines, labels, gather)
            own: dict[str, Tensor] = rival(seen)
            return Losses(terms | own, _sum(terms) + self.rival_weight * _sum(own))

    def _strips(self, maps: Tensor) -> Tensor:
        return horizontal_pooling(maps.float(), *self.config.strips, columns=self.config.columns)

    def one_modality_terms(
        self, maps: Tensor, labels: Tensor, gather: Gather | None = None
    ) -> dict[str, Tensor]:
        """Eq. 2 to 5 on the map `(n, c, h, w)` of a network of one modality.

        # Differs from Eq. 5: anchors, positives and negatives are of the same modality.
        """
        config = self.config
        with torch.autocast(maps.device.type, enabled=False):
            embeddings = self.fcs(self._strips(maps))
            ce = part_cross_entropy(
                self.neck(embeddings), labels, config.scale, config.label_smoothing
            )
            if gather is not None:
                embeddings, labels = gather(embeddings), gather(labels)
            return {"ce": ce, "triplet": one_modality_triplet(embeddings, labels, config.margin)}


def _sum(terms: dict[str, Tensor]) -> Tensor:
    return torch.stack([*terms.values()]).sum()
