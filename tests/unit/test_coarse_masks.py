"""Masks of distant people in the benchmark of sensors are like those of a real segmenter."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from numpy.typing import NDArray

from bench.sensors.coarse_masks import likeness, of_video, real, seen_well, simulated
from bench.sensors.variants import COARSE_SOFTNESS
from capture.camera.blazepose import BodyMask
from capture.weights import MASK, weights_file
from gait.silhouette import align
from tests.clip_files import walker
from tests.real_street import STREET, needs_networks, needs_street
from train.simulate.sensors.camera import SOFTNESS

ROOT = Path(__file__).parents[2]


def people(count: int = 30) -> list[NDArray[np.uint8]]:
    return list(align(walker(count)).frames[:, 0])


def test_fewer_rows_and_softer_masks_are_less_like_fine_ones() -> None:
    ious = [
        [likeness(rows, soft, simulated(people(), rows, soft)).iou for rows in (48, 24, 16)]
        for soft in (COARSE_SOFTNESS, SOFTNESS)
    ]
    for own in ious:
        assert own == sorted(own, reverse=True)
    assert all(hard > soft for hard, soft in zip(*ious, strict=True))


def test_who_is_lost_counts_as_lost_and_nobody_is_no_fault() -> None:
    (fine,) = people(1)
    found = likeness(24, None, [(fine, fine), (fine, None)])
    assert (found.people, found.kept, found.iou) == (2, 0.5, 1.0)
    assert likeness(24, None, []).kept == 0


def test_the_coarse_mask_is_taken_at_the_pixels_of_the_coarse_picture() -> None:
    mask = np.zeros((256, 256), np.uint8)
    mask[20:236, 100:156] = 255

    class Segmenter:
        """Sees the same mask in any square, and whom it is unsure of at the second box."""

        def look(self, picture: NDArray[np.uint8], box: NDArray[np.float64]) -> Any:  # noqa: ARG002
            side = 1.25 * float(box[3] - box[1])
            sure = 0.2 if box[0] > 200 else 0.9
            return SimpleNamespace(mask=mask, presence=sure, at_edge=False, square=(0, 0, side))

    boxes = [np.array([100.0, 0, 140, 100]), np.array([300.0, 0, 340, 100])]
    picture = np.zeros((120, 400, 3), np.uint8)
    seen = [(picture, box) for box in boxes]
    network = cast(BodyMask, Segmenter())
    ((fine, coarse),) = real(seen_well(seen, network), 16, network)
    assert coarse is not None
    assert ((fine > 127) & (coarse > 127)).sum() > 0.8 * (fine > 127).sum()
    assert len(np.unique(coarse)) > 2  # cells, blended when they were enlarged


@needs_networks
@needs_street
@pytest.mark.slow
def test_masks_of_the_benchmark_are_like_those_of_a_real_street() -> None:
    network, rows = BodyMask(weights_file(MASK)), 24
    people = of_video(STREET, ROOT / "results" / "street_boxes.csv", 75)[::6]
    seen = seen_well(people, network)
    found = likeness(rows, None, real(seen, rows, network))
    assert found.people >= 20
    fine = [mask for _, mask in seen]
    soft = {s: likeness(rows, s, simulated(fine, rows, s)) for s in (COARSE_SOFTNESS, SOFTNESS)}
    assert abs(soft[COARSE_SOFTNESS].iou - found.iou) < 0.05
    assert soft[SOFTNESS].iou < found.iou - 0.05
