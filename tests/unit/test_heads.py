import pytest
import torch

from train.model.heads import BNNeck, SeparateFCs
from train.model.initialisation import Initialisation


def test_separate_fcs_apply_one_matrix_per_part_and_no_bias() -> None:
    torch.manual_seed(0)
    fcs, x = SeparateFCs(parts=3, channels=5, embedding=4), torch.randn(2, 3, 5)
    assert sum(p.numel() for p in fcs.parameters()) == 3 * 5 * 4
    for clip, embedded in zip(x, fcs(x), strict=True):
        for part in range(3):
            torch.testing.assert_close(embedded[part], clip[part] @ fcs.weight[part])


def test_bnneck_gives_each_parts_cosine_after_batch_norm_over_all_numbers() -> None:
    torch.manual_seed(0)
    neck, x = BNNeck(parts=3, embedding=4, subjects=5), torch.randn(6, 3, 4) * 3 + 1
    cosines = neck(x)
    centred = x - x.mean(dim=0)
    normed = centred / (x.var(dim=0, unbiased=False) + 1e-5).sqrt()
    for i in range(6):
        for part in range(3):
            for subject in range(5):
                a, b = normed[i, part], neck.weight[part, :, subject]
                expected = a @ b / (a.norm() * b.norm())
                torch.testing.assert_close(cosines[i, part, subject], expected)


def test_cosines_do_not_depend_on_the_length_of_a_subjects_column() -> None:
    torch.manual_seed(0)
    neck, x = BNNeck(parts=2, embedding=4, subjects=3), torch.randn(5, 2, 4)
    before = neck(x)
    neck.weight.data *= 7
    torch.testing.assert_close(neck(x), before)


@pytest.mark.parametrize(
    ("start", "fc_bound", "neck_bound"),
    [
        ("per_part", (6 / (512 + 256)) ** 0.5, (6 / (256 + 250)) ** 0.5),
        ("opengait", (6 / (512 * 256 + 16 * 256)) ** 0.5, (6 / (256 * 250 + 16 * 250)) ** 0.5),
        (
            "opengait_whole",
            (6 / (512 * 256 + 16 * 256)) ** 0.5,
            (6 / (256 * 250 + 16 * 250)) ** 0.5,
        ),
    ],
)
def test_weights_start_within_xaviers_bound(
    start: Initialisation, fc_bound: float, neck_bound: float
) -> None:
    fcs, neck = SeparateFCs(16, 512, 256, start), BNNeck(16, 256, 250, start)
    for weight, bound in ((fcs.weight, fc_bound), (neck.weight, neck_bound)):
        highest = weight.detach().abs().max().item()
        assert 0.999 * bound < highest <= bound * 1.000001, "of two million uniform numbers"
