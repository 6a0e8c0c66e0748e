"""A contact sheet: what a simulation looks like, before it is made."""

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from gait.errors import StorageError
from gait.modality import SIZE
from train.simulate.config import SimulateConfig
from train.simulate.movement.recorded import find_people
from train.simulate.studio import Take, open_studio

Picture = NDArray[np.uint8]

_SUBJECTS = 3
_VIEWS = 4
_MOMENTS = 6
_ZOOM = 2
_CAPTION = 14


def draw_preview(config: SimulateConfig, path: Path) -> None:
    """Draws the first subjects in every condition from a few views, both modalities side by side.

    Each row shows moments evenly spread over a sequence: silhouettes, then the range views of the
    same moments.

    Raises:
        StorageError: the picture cannot be written.
    """
    config = find_people(config)
    studio = open_studio(config)
    chosen = np.linspace(0, len(config.views) - 1, min(_VIEWS, len(config.views))).astype(int)
    columns = []
    for index in range(min(_SUBJECTS, len(config.subject_names))):
        person, name = studio.person(index), config.subject_names[index]
        strips = [
            _strip(studio.film(person, index, type_, config.views[view]), name)
            for type_ in config.types
            for view in chosen
        ]
        columns.append(np.concatenate(strips))
    sheet = np.concatenate(columns, axis=1)
    try:
        data = cv2.imencode(path.suffix, sheet[..., ::-1])[1].tobytes()
        path.write_bytes(data)
    except (cv2.error, OSError) as error:
        raise StorageError(
            f"cannot write the picture {path} ({error}); give a writable name in .png or .jpg"
        ) from error


def _strip(take: Take, name: str) -> Picture:
    seen = take.sighting
    strip = np.zeros((_CAPTION + SIZE * _ZOOM, 2 * _MOMENTS * SIZE * _ZOOM, 3), np.uint8)
    caption = f"simulated {name}  {take.type}  {take.view}  {len(seen.silhouettes)} frames"
    cv2.putText(strip, caption, (4, 11), cv2.FONT_HERSHEY_SIMPLEX, 0.4, (255, 255, 255))
    if not len(seen.silhouettes):
        return strip
    moments = np.linspace(0, len(seen.silhouettes) - 1, _MOMENTS).astype(int)
    silhouettes = np.repeat(seen.silhouettes[moments, ..., None], 3, axis=3)
    frames = np.concatenate([silhouettes, seen.range_views[moments].transpose(0, 2, 3, 1)])
    large = frames.repeat(_ZOOM, axis=1).repeat(_ZOOM, axis=2)
    strip[_CAPTION:] = np.concatenate(list(large), axis=1)
    return strip
