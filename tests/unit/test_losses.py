import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from train.losses import (
    batch_all_triplet,
    cross_modal_triplet,
    part_cross_entropy,
    part_distances,
    within_modality_triplet,
)


def naive_triplet(
    anchors: Tensor, others: Tensor, labels: Tensor, margin: float, own: bool = True
) -> tuple[Tensor, int]:
    """Three loops over the definition; also how many triplets there are in a part."""
    parts, triplets = [], 0
    for part in range(anchors.shape[1]):
        losses = []
        for i, anchor in enumerate(anchors[:, part]):
            for j in range(len(others)):
                if labels[j] != labels[i] or (i == j and not own):
                    continue
                for k in range(len(others)):
                    if labels[k] != labels[i]:
                        near = (anchor - others[j, part]).norm()
                        far = (anchor - others[k, part]).norm()
                        losses.append((margin + near - far).clamp(min=0))
        triplets = len(losses)
        positive = [loss for loss in losses if loss > 0]
        parts.append(torch.stack(positive).mean() if positive else torch.zeros(()))
    return torch.stack(parts).mean(), triplets


def pair(n: int, p: int = 2, d: int = 3, seed: int = 0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    first, second = torch.randn(2, n, p, d, generator=generator, dtype=torch.float64).unbind()
    return first.requires_grad_(), second.requires_grad_()


@settings(max_examples=15, deadline=None)
@given(
    labels=st.lists(st.integers(0, 2), min_size=2, max_size=6),
    margin=st.sampled_from([0.0, 0.2, 1.5]),
    seed=st.integers(0, 1000),
)
def test_cross_modal_triplet_and_its_gradient_are_the_naive_ones(
    labels: list[int], margin: float, seed: int
) -> None:
    ids = torch.tensor(labels)
    first, second = pair(len(labels), seed=seed)
    forth, _ = naive_triplet(first, second, ids, margin)
    back, _ = naive_triplet(second, first, ids, margin)
    expected = (forth + back) / 2
    got = cross_modal_triplet(first, second, ids, margin)
    torch.testing.assert_close(got, expected, check_dtype=False)
    if expected.requires_grad:
        grads = torch.autograd.grad(expected, (first, second))
        torch.testing.assert_close(torch.autograd.grad(got, (first, second)), grads)


def test_within_modality_triplet_is_the_naive_one_and_excludes_the_anchor_itself() -> None:
    labels = torch.tensor([0, 0, 0, 1, 1, 2])
    first, second = pair(6)
    expected = [naive_triplet(e, e, labels, 0.2, own=False)[0] for e in (first, second)]
    got = within_modality_triplet(first, second, labels, 0.2)
    torch.testing.assert_close(got, (expected[0] + expected[1]) / 2)


def test_the_papers_batch_has_28672_triplets_per_part_and_direction() -> None:
    labels = torch.arange(8).repeat_interleave(8)
    same = labels[:, None] == labels
    assert (same.sum(1) * (~same).sum(1)).sum() == 28_672
    # All equally far: every triplet costs the margin, so the count can be read off the gradient.
    distances = torch.zeros(1, 64, 64, requires_grad=True)
    loss = batch_all_triplet(distances, same, ~same, 0.2)
    assert loss.item() == pytest.approx(0.2)
    (gradient,) = torch.autograd.grad(loss, distances)
    assert (gradient[0][same] * 28_672).round().eq(56).all()
    assert (gradient[0][~same] * 28_672).round().eq(-8).all()


def test_only_violating_triplets_are_averaged() -> None:
    same = torch.tensor([[True, False, False]])
    distances = torch.tensor([[[1.0, 1.1, 5.0]], [[1.0, 3.0, 5.0]]])  # the second part: none
    loss = batch_all_triplet(distances, same, ~same, 0.2)
    assert loss.item() == pytest.approx((0.2 + 1.0 - 1.1) / 2)


def test_no_negative_or_no_violation_gives_zero_with_finite_gradient() -> None:
    first, second = pair(3)
    loss = cross_modal_triplet(first, second, torch.zeros(3, dtype=torch.int64), 0.2)
    assert loss.item() == 0
    for gradient in torch.autograd.grad(loss, (first, second)):
        assert gradient.eq(0).all()


def test_distances_are_euclidean_in_each_part() -> None:
    first, second = pair(4)
    expected = torch.cdist(first.transpose(0, 1), second.transpose(0, 1))
    torch.testing.assert_close(part_distances(first, second), expected)


def test_distance_zero_is_exact_and_its_gradient_is_zero() -> None:
    same = torch.full((2, 1, 8), 3.0, requires_grad=True)
    distances = part_distances(same, same.detach())
    assert distances.eq(0).all()
    (gradient,) = torch.autograd.grad(distances.sum(), same)
    assert gradient.eq(0).all()


def test_small_distances_far_from_the_origin_survive_float32() -> None:
    a = torch.full((1, 1, 256), 10.0)
    b = a + 0.01
    got = part_distances(torch.cat([a, -a + 20]), b)[0, 0, 0]
    assert got.item() == pytest.approx(0.16, rel=1e-3)


def test_cross_entropy_is_the_smoothed_definition_averaged_over_clips_and_parts() -> None:
    cosines = torch.rand(4, 3, 5, generator=torch.Generator().manual_seed(0)) * 2 - 1
    labels, losses = torch.tensor([0, 4, 2, 2]), []
    for i in range(4):
        for part in range(3):
            z = [16 * c.item() for c in cosines[i, part]]
            log_sum = math.log(sum(math.exp(v) for v in z))
            target = [0.1 / 5 + (0.9 if j == labels[i] else 0) for j in range(5)]
            losses.append(sum(q * (log_sum - v) for q, v in zip(target, z, strict=True)))
    got = part_cross_entropy(cosines, labels, scale=16, smoothing=0.1)
    assert got.item() == pytest.approx(sum(losses) / 12, rel=1e-5)
