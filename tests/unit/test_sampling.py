"""Frames spread evenly over a clip."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gait.modality import Modality
from gait.sampling import evenly, passed_over, sampled
from tests.galleries import walk

pytestmark = pytest.mark.serving


@given(have=st.integers(1, 400), most=st.integers(1, 60))
def test_rows_are_distinct_ascending_and_spread_evenly(have: int, most: int) -> None:
    rows = evenly(have, most)
    assert len(rows) == min(have, most)
    assert rows[0] >= 0
    assert rows[-1] < have
    gaps = np.diff(rows)
    assert (gaps >= 1).all()
    assert len(gaps) == 0 or gaps.max() - gaps.min() <= 1
    assert abs(rows[0] - (have - 1 - rows[-1])) <= 1  # as much is left out at both ends


def test_a_clip_with_few_frames_stays_as_it_is() -> None:
    clip = walk(0, 5, Modality.SILHOUETTE)
    assert sampled(clip, 5) is clip
    assert passed_over(clip, 5) == {}


def test_sampling_again_changes_nothing() -> None:
    clip = sampled(walk(0, 50, Modality.SILHOUETTE), 7)
    assert len(clip) == 7
    assert sampled(clip, 7) is clip


def test_what_is_left_out_is_counted() -> None:
    assert passed_over(walk(0, 50, Modality.SILHOUETTE), 7) == {"not_sampled": 43}
