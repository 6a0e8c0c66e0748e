"""Pieces of tracks: they share no frame, and later ones are looked for among earlier ones."""

import numpy as np

from bench.halves import less_mean, piece, scored
from gait.clip import Clip
from gait.modality import Modality


def test_pieces_share_no_frame_and_leave_none_out() -> None:
    frames = np.zeros((20, 1, 64, 64), np.uint8)
    frames[:, 0, 0, 0] = np.arange(20)
    clip = Clip(frames, Modality.SILHOUETTE)
    cut = [piece(clip, which, 3).frames[:, 0, 0, 0].tolist() for which in range(3)]
    assert [len(frames) for frames in cut] == [6, 7, 7]
    assert [number for numbers in cut for number in numbers] == list(range(20))


def test_each_later_piece_is_looked_for_among_every_earlier_one() -> None:
    own = np.eye(4, dtype=np.float32)
    others = np.roll(own, 1, axis=0)
    assert scored([own, own]).rank1 == 100
    assert scored([own, others]).rank1 == 0
    # Of three pairs the second piece is found from the first, the third from neither.
    found = scored([own, own, others])
    assert found.rank1 == 33.3
    assert found.probes == 12


def test_what_all_tracks_have_in_common_is_taken_away() -> None:
    offset = np.array([100, 0, 0, 0], np.float32)
    (found,) = less_mean([np.eye(4, dtype=np.float32) + offset])
    (plain,) = less_mean([np.eye(4, dtype=np.float32)])
    np.testing.assert_allclose(found, plain, atol=1e-4)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-6)
