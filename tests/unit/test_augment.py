import cv2
import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from bench.augmentation import clips, rows
from gait.range_view import JET
from train.augment import range_views, silhouettes
from train.augment.batch import augmented, changed_range_views, changed_silhouettes, share_at
from train.augment.draws import Draws
from train.augment.frames import choose
from train.augment.levels import EMPTY, to_colours, to_levels
from train.config import AugmentConfig
from train.data.batches import TrainBatch
from train.machine.distributed import Ranks

ALONE = Ranks()


def draws(clips: int = 3, frames: int = 6, key: int = 0, ranks: Ranks = ALONE) -> Draws:
    return Draws((0, key), clips, frames, torch.device("cpu"), ranks)


@pytest.fixture(scope="module")
def batch() -> TrainBatch:
    first, second = clips()
    return TrainBatch(first, second, torch.tensor([0, 1, 2]))


def same(one: TrainBatch, other: TrainBatch) -> bool:
    return all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


CONFIG = AugmentConfig(share=1.0, ramp=0.0)


def test_a_batch_is_a_function_of_seed_and_iteration(batch: TrainBatch) -> None:
    first, again = (augmented(batch, CONFIG, 1, 5, 10, ALONE) for _ in range(2))
    assert same(first, again)
    for seed, iteration in ((2, 5), (1, 6)):
        other = augmented(batch, CONFIG, seed, iteration, 10, ALONE)
        assert not torch.equal(first.silhouettes, other.silhouettes)
        assert not torch.equal(first.range_views, other.range_views)
    assert [t.shape for t in first] == [t.shape for t in batch]
    assert first.silhouettes.dtype == first.range_views.dtype == torch.uint8


def test_no_share_changes_nothing(batch: TrainBatch) -> None:
    assert augmented(batch, AugmentConfig(), 0, 1, 1, ALONE) is batch
    before = AugmentConfig(share=0.5, ramp=0.5)
    assert [share_at(before, p) for p in (0.0, 0.25, 0.5, 1.0)] == [0, 0.25, 0.5, 0.5]


def test_a_share_of_less_than_a_clip_changes_none(batch: TrainBatch) -> None:
    assert same(augmented(batch, AugmentConfig(share=0.1, ramp=0.0), 0, 1, 9, ALONE), batch)


def test_about_that_share_of_the_clips_is_changed(batch: TrainBatch) -> None:
    many = batch.silhouettes.repeat(5, 1, 1, 1, 1)
    changed = (changed_silhouettes(many, 0.4, draws(15)) != many).flatten(1).any(dim=1)
    assert changed.sum() in (5, 6)  # one may be as it was by chance
    other = (changed_silhouettes(many, 0.4, draws(15, key=1)) != many).flatten(1).any(dim=1)
    assert not torch.equal(changed, other)


def test_ranks_share_the_numbers_of_the_whole_batch() -> None:
    whole = draws(4)
    parts = [draws(2, ranks=Ranks(rank, 2)) for rank in (0, 1)]
    for name in ("clip", "frame", "pixels"):
        together = torch.cat([getattr(part, name)() for part in parts])
        assert torch.equal(together, getattr(whole, name)())


@pytest.mark.parametrize("share", [0.1, 0.25, 0.5, 1.0])
def test_ranks_change_the_clips_that_one_process_changes(batch: TrainBatch, share: float) -> None:
    """With four clips a rank and a share of 0.1, too, where each alone would change none."""
    for change, every in (
        (changed_silhouettes, batch.silhouettes.repeat(3, 1, 1, 1, 1)[:8]),
        (changed_range_views, batch.range_views.repeat(3, 1, 1, 1, 1)[:8]),
    ):
        whole = change(every, share, draws(8))
        parts = (every[:4], every[4:])
        both = [change(part, share, draws(4, ranks=Ranks(r, 2))) for r, part in enumerate(parts)]
        assert torch.equal(torch.cat(both), whole)
        assert not torch.equal(whole, every)


@pytest.mark.parametrize("change", silhouettes.ALL, ids=lambda change: change.__name__)
def test_silhouettes_stay_silhouettes(batch: TrainBatch, change) -> None:  # type: ignore[no-untyped-def]
    x = batch.silhouettes.flatten(0, 1).float() / 255
    changed = [change(x, draws(key=key)) for key in range(8)]
    for y in changed:
        assert y.shape == x.shape
        assert -1e-4 <= y.min() <= y.max() <= 1 + 1e-4
    assert any(not torch.allclose(y, x) for y in changed)


@pytest.mark.parametrize("change", range_views.ALL, ids=lambda change: change.__name__)
def test_levels_stay_levels(batch: TrainBatch, change) -> None:  # type: ignore[no-untyped-def]
    levels = to_levels(batch.range_views.flatten(0, 1))
    levels[:, :6] = EMPTY
    changed = [change(levels, draws(key=key)) for key in range(8)]
    for each in changed:
        assert each.shape == levels.shape
        assert each.dtype == levels.dtype
        assert EMPTY <= each.min() <= each.max() <= 255
        assert ((each != EMPTY).sum(dim=(1, 2)) >= range_views.FEWEST).all()
    assert any(not torch.equal(each, levels) for each in changed)


def test_colours_and_levels_are_each_others_inverse() -> None:
    every = torch.cat([torch.arange(256), torch.tensor([EMPTY])]).to(torch.int16)
    frames = to_colours(every[:, None, None])
    assert torch.equal(to_levels(frames)[:, 0, 0], every)
    assert frames[:-1, :, 0, 0].tolist() == JET.tolist()
    assert not frames[-1].any()


def test_a_colour_off_the_scale_is_taken_for_the_nearest() -> None:
    off = np.clip(JET.astype(int) + 1, 0, 255).astype(np.uint8)
    found = to_levels(torch.from_numpy(off)[:, :, None, None])[:, 0, 0]
    assert (found - torch.arange(256)).abs().max() <= 1


def test_a_realigned_silhouette_fills_the_height(batch: TrainBatch) -> None:
    x = torch.zeros(6, 1, 64, 64)
    x[:, :, 20:50, 8:18] = 1
    lit = silhouettes.realign(x, draws(1))[:, 0] > 0.5
    assert (lit.any(dim=2).sum(dim=1) >= 60).all()
    middle = (lit.sum(dim=1) * torch.arange(64.0)).sum(dim=1) / lit.sum(dim=(1, 2))
    assert (middle - 31.5).abs().max() < 5


class OneCoarseCamera(Draws):
    """Of 16 rows, half a cell aside, that decides cell by cell."""

    def clip(self, low: float = 0.0, high: float = 1.0) -> Tensor:
        return torch.full((self.clips * self.frames,), low + 0.48 * (high - low))

    def clip_log(self, low: float, high: float) -> Tensor:  # noqa: ARG002
        return torch.full((self.clips * self.frames,), 16.0)

    def frame(self, low: float = 0.0, high: float = 1.0) -> Tensor:
        return torch.full((self.clips * self.frames,), 0.5 * (low + high))


def test_a_coarse_camera_is_what_decoding_makes_of_one(batch: TrainBatch) -> None:
    frames = F.pad(batch.silhouettes.flatten(0, 1), (32, 32, 32, 32))[:, :, ::2, ::2]
    coarse = OneCoarseCamera((0,), len(frames), 1, torch.device("cpu"), ALONE)
    changed = silhouettes.coarsen(frames.float() / 255, coarse)
    for before, after in zip(frames[:, 0].numpy(), changed[:, 0].numpy(), strict=True):
        shifted = np.pad(before, ((2, 2), (2, 2))) / np.float32(255)
        cells = cv2.resize(shifted, (17, 17), interpolation=cv2.INTER_AREA) > 0.492
        wanted = cv2.resize(cells * np.float32(1), (68, 68), interpolation=cv2.INTER_LINEAR)
        assert np.abs(after - wanted[2:-2, 2:-2]).max() < 1e-4


def test_fewer_beams_are_fewer_different_rows(batch: TrainBatch) -> None:
    levels = to_levels(batch.range_views.flatten(0, 1))
    changed = range_views.coarsen(levels, draws(key=1))
    different = (changed[:, 1:] != changed[:, :-1]).any(dim=2).sum(dim=1)
    assert different.min() < 0.8 * (levels[:, 1:] != levels[:, :-1]).any(dim=2).sum(dim=1).min()


def test_clips_with_fewer_frames_keep_their_number() -> None:
    index = choose(draws(200, 8))
    assert index.shape == (200, 8)
    assert index.min() >= 0
    assert index.max() <= 7
    kept = torch.tensor([len(set(own)) for own in index.tolist()])
    assert 0.15 < (kept == 8).float().mean() < 0.5
    assert (kept == 1).any()
    assert ((index[:, 1:] >= index[:, :-1]).all(dim=1)).float().mean() > 0.6


def test_batches_of_one_modality_pass(batch: TrainBatch) -> None:
    nothing = torch.empty((0, 0, 3, 64, 64), dtype=torch.uint8)
    changed = augmented(TrainBatch(batch[0], nothing, batch[2]), CONFIG, 0, 1, 1, ALONE)
    assert changed.range_views is nothing
    assert not torch.equal(changed.silhouettes, batch.silhouettes)


def test_range_views_change_whole_clips(batch: TrainBatch) -> None:
    changed = changed_range_views(batch.range_views, 1.0, draws())
    assert (changed != batch.range_views).flatten(1).any(dim=1).all()


def test_the_page_shows_every_change() -> None:
    page: dict[str, Tensor] = rows(0)
    assert len(page) == len(silhouettes.ALL) + len(range_views.ALL) + 4
    assert len({frames.shape[0] for frames in page.values()}) == 1
