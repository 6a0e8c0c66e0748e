"""A page of pictures: each person that was found, with some of their frames."""

import base64
from collections.abc import Callable, Iterator, Sequence
from html import escape
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from capture.track.sighting import Sighting
from gait.modality import Modality
from gait.sampling import evenly

TILE = 128
_SHOWN = 6
_PHOTOS = 3

_HEAD = """<!doctype html><html lang="en"><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1"><title>People found</title>
<style>body{font:15px/1.4 system-ui,sans-serif;margin:2rem;color:#222;background:#fff}
figure{display:inline-block;margin:0 1rem 1.5rem 0;vertical-align:top}
figcaption{font-size:.85rem;max-width:72rem}img{display:block;background:#000}
@media(prefers-color-scheme:dark){body{background:#161616;color:#ddd}}</style>
"""


def page_of(
    clips: Sequence[dict[str, Any]], strip_of_clip: Callable[[str], bytes]
) -> Iterator[str]:
    """The page, part by part; it stands alone, the pictures are in it.

    Args:
        clips: what `tracks.json` says of each.
        strip_of_clip: the pictures of a clip by its name, see `strip_of`.
    """
    yield _HEAD
    people = len({clip["person"] for clip in clips})
    yield f"<h1>Clips: {len(clips)}, people: {people} or fewer</h1>"
    for clip in sorted(clips, key=lambda clip: clip["person"]):  # each one's clips together
        yield _figure(clip, strip_of_clip(clip["name"])) + "\n"
    yield "</html>\n"


def _figure(clip: dict[str, Any], strip: bytes) -> str:
    reasons = ", ".join(clip["quality_reasons"]) or "nothing wrong"
    words = (
        f"{clip['name']}: person {clip['person']}, {clip['begins']:.1f} to {clip['ends']:.1f} s, "
        f"{clip['frames']} frames, quality {clip['quality']:.2f} ({reasons})"
    )
    data = base64.b64encode(strip).decode()
    return (
        f'<figure><img alt="{escape(words)}" src="data:image/jpeg;base64,{data}">'
        f"<figcaption>{escape(words)}</figcaption></figure>"
    )


def strip_of(sightings: Sequence[Sighting], modality: Modality) -> bytes:
    """Some photos of a person and some of their shapes, side by side, as a JPEG."""
    photos = [each.photo for each in sightings if each.photo]
    tiles = [_photo(photos[row]) for row in evenly(len(photos), _PHOTOS)]
    chosen = [sightings[row] for row in evenly(len(sightings), _SHOWN)]
    tiles += [_mask(each) if modality is Modality.SILHOUETTE else _points(each) for each in chosen]
    _, jpeg = cv2.imencode(".jpg", np.concatenate(tiles, axis=1), [cv2.IMWRITE_JPEG_QUALITY, 80])
    return jpeg.tobytes()


def photo_of(picture: NDArray[np.uint8], box: Sequence[float]) -> bytes:
    """A small JPEG of what a BGR picture shows in a box."""
    x0, y0 = (max(int(value), 0) for value in box[:2])
    part = picture[y0 : max(int(box[3]), y0 + 1), x0 : max(int(box[2]), x0 + 1)]
    if not part.size:
        return b""
    scale = TILE / part.shape[0]
    small = cv2.resize(part, (max(round(part.shape[1] * scale), 1), TILE))
    _, jpeg = cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, 80])
    return jpeg.tobytes()


def _photo(jpeg: bytes) -> NDArray[np.uint8]:
    read = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    return np.asarray(read, np.uint8)


def _mask(sighting: Sighting) -> NDArray[np.uint8]:
    read = cv2.imdecode(np.frombuffer(sighting.shape, np.uint8), cv2.IMREAD_GRAYSCALE)
    small = cv2.resize(np.asarray(read, np.uint8), (TILE, TILE), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.cvtColor(small, cv2.COLOR_GRAY2BGR), np.uint8)


def _points(sighting: Sighting) -> NDArray[np.uint8]:
    """A cloud seen from the sensor, 2.2 m high, white dots on black."""
    tile = np.zeros((TILE, TILE, 3), np.uint8)
    points = np.frombuffer(sighting.shape, np.float32).reshape(-1, 3)
    if not len(points):
        return tile
    middle = np.median(points[:, :2], axis=0)
    ahead = middle / max(float(np.hypot(*middle)), 1e-6)
    across = points[:, :2] @ np.array([ahead[1], -ahead[0]], np.float32)
    scale = TILE / 2.2
    columns = np.rint(TILE / 2 + (across - np.median(across)) * scale).astype(int)
    rows = np.rint(TILE - 4 - (points[:, 2] - points[:, 2].min()) * scale).astype(int)
    seen = (columns >= 0) & (columns < TILE) & (rows >= 0) & (rows < TILE)
    tile[rows[seen], columns[seen]] = 255
    return tile
