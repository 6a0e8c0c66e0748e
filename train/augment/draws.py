"""Random numbers of one batch: of its clips, of their frames, of their pixels."""

import math

import numpy as np
import torch
from torch import Tensor

from gait.modality import SIZE
from train.machine.distributed import Ranks

_STREAM = 3
"""Sampling has the streams 0 and 1 of a run's seed, noise 2."""


class Draws:
    """Numbers that are a function of a key alone.

    They are drawn for the clips of all ranks, and this rank takes its own, so a run on more ranks
    sees the same numbers. What a sensor fixes is drawn per clip, what flickers per frame.

    Args:
        key: seed of the run, iteration, and what else tells these numbers from others.
        clips: of this rank.
        frames: of each clip.
        device: where the numbers are drawn and wanted.
        ranks: which share of the clips is this rank's.
    """

    def __init__(
        self,
        key: tuple[int, ...],
        clips: int,
        frames: int,
        device: torch.device,
        ranks: Ranks,
    ) -> None:
        seed, *rest = key
        state = np.random.SeedSequence([seed, _STREAM, *rest]).generate_state(1, np.uint64)
        self._generator = torch.Generator(device)
        self._generator.manual_seed(int(state[0]))
        self._every = ranks.world * clips
        self._own = ranks.rank * clips + torch.arange(clips, device=device)
        self.frames, self.device = frames, device

    @property
    def clips(self) -> int:
        """How many clips the numbers are for."""
        return len(self._own)

    def choose(self, share: float) -> Tensor:
        """Which of this rank's clips are among those chosen, that share of the clips of all ranks.

        From now on the numbers are for these alone.
        """
        chosen = self._drawn().argsort()[: round(share * self._every)]
        place = torch.full((self._every,), -1, device=self.device)
        place[self._own] = torch.arange(self.clips, device=self.device)
        chosen = place[chosen]
        if self.clips < self._every:
            chosen = chosen[chosen >= 0]
        self._own = self._own[chosen]
        return chosen

    def _drawn(self, *rest: int) -> Tensor:
        return torch.rand(self._every, *rest, generator=self._generator, device=self.device)

    def _uniform(self, *rest: int) -> Tensor:
        return self._drawn(*rest)[self._own]

    def clip(self, low: float = 0.0, high: float = 1.0) -> Tensor:
        """`(n · s,)` uniform numbers, the same for all frames of a clip."""
        return (low + (high - low) * self._uniform()).repeat_interleave(self.frames)

    def frame(self, low: float = 0.0, high: float = 1.0) -> Tensor:
        """`(n · s,)` uniform numbers, one a frame."""
        return low + (high - low) * self._uniform(self.frames).flatten()

    def clip_log(self, low: float, high: float) -> Tensor:
        """As `clip`, uniform in the logarithm."""
        return self.clip(math.log(low), math.log(high)).exp()

    def frame_log(self, low: float, high: float) -> Tensor:
        """As `frame`, uniform in the logarithm."""
        return self.frame(math.log(low), math.log(high)).exp()

    def clips_with(self, share: float) -> Tensor:
        """`(n · s,)` bool: true in all frames of that share of the clips."""
        return self.clip() < share

    def frames_with(self, share: float) -> Tensor:
        """`(n · s,)` bool: true in that share of the frames."""
        return self.frame() < share

    def field(self, grain: int) -> Tensor:
        """`(n · s, 1, 64, 64)` smooth normal noise with knots `grain` pixels apart."""
        side = SIZE // grain + 2
        knots = self._uniform(self.frames, side, side).flatten(0, 1)[:, None]
        normal = torch.special.ndtri(knots.clamp(1e-6, 1 - 1e-6))
        return torch.nn.functional.interpolate(
            normal, size=(SIZE, SIZE), mode="bilinear", align_corners=False
        )

    def pixels(self) -> Tensor:
        """`(n · s, 64, 64)` uniform numbers."""
        return self._uniform(self.frames, SIZE, SIZE).flatten(0, 1)
