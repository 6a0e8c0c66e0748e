"""The video of boxes: the same recording and boxes give the same bytes."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from capture.output.boxes_video import draw_boxes
from capture.source.video import frames
from tests.street_videos import Walker, write_video

pytestmark = pytest.mark.serving


def test_a_drawing_is_the_same_bytes_each_time(tmp_path: Path) -> None:
    """Of twelve drawings with x264's macroblock tree seven were different files."""
    walkers = (Walker((20, 255, 90), 20, 4.0), Walker((60, 215, 90), 300, -4.0))
    video = write_video(tmp_path / "street.mkv", walkers, 80)
    boxes = tmp_path / "boxes.csv"
    boxes.write_text("frame,seconds,track,left,top,right,bottom,score,kind\n")
    drawn = set[bytes]()
    for _ in range(6):
        draw_boxes(str(video), boxes, tmp_path / "boxes.mp4", 10.0, lambda _: None)
        drawn.add((tmp_path / "boxes.mp4").read_bytes())
    assert len(drawn) == 1


def test_a_picture_of_one_row_is_drawn(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "0.png"), np.zeros((1, 4000, 3), np.uint8))
    boxes = tmp_path / "boxes.csv"
    boxes.write_text("frame,seconds,track,x0,y0,x1,y1,certainty\n")
    draw_boxes(str(tmp_path), boxes, tmp_path / "boxes.mp4", 10.0, lambda _: None)
    (drawn,) = frames(str(tmp_path / "boxes.mp4"))
    assert drawn.picture.shape == (2, 1280, 3)
