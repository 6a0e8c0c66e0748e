"""Draws a page of pictures: every change that training makes to clips, one a row.

python -m bench.augmentation --out augmentation.png
"""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
import tyro
from numpy.typing import NDArray
from torch import Tensor

from gait.cli import run
from gait.errors import StorageError
from train.augment import range_views, silhouettes
from train.augment.batch import changed_range_views, changed_silhouettes
from train.augment.draws import Draws
from train.augment.levels import to_colours, to_levels
from train.machine.distributed import Ranks
from train.simulate.config import SimulateConfig
from train.simulate.studio import open_studio

FRAMES = 6
VIEWS = ("045", "090", "180")
_CAPTION, _ZOOM = 14, 2

Picture = NDArray[np.uint8]


@dataclass(frozen=True)
class Arguments:
    """Draws what each change of `train/augment` does to simulated walks."""

    out: Path = Path("augmentation.png")
    """The picture."""
    seed: int = 0
    """Of the changes."""


def clips(seed: int = 0) -> tuple[Tensor, Tensor]:
    """Silhouettes and range views of one simulated person from three views."""
    config = SimulateConfig(subjects=1, views=VIEWS, frames=FRAMES, body="capsules", seed=seed)
    studio = open_studio(config)
    person = studio.person(0)
    seen = [studio.film(person, 0, "00-nm", view).sighting for view in VIEWS]
    first = np.stack([sighting.silhouettes[:, None] for sighting in seen])
    return torch.from_numpy(first), torch.from_numpy(np.stack([s.range_views for s in seen]))


def rows(seed: int) -> dict[str, Tensor]:
    """By name of the change the frames `(k, c, 64, 64)` uint8 after it; `as it is` before any."""
    first, second = clips()

    def draws(key: int, clips: Tensor) -> Draws:
        return Draws((seed, key), len(clips), clips.shape[1], clips.device, Ranks())

    found = {"silhouettes as they are": first.flatten(0, 1)}
    x, levels = first.flatten(0, 1).float() / 255, to_levels(second.flatten(0, 1))
    for key, change in enumerate(silhouettes.ALL):
        found[change.__name__] = (255 * change(x, draws(key, first))).round().to(torch.uint8)
    found["all of them"] = changed_silhouettes(first, 1.0, draws(0, first)).flatten(0, 1)
    found["range views as they are"] = second.flatten(0, 1)
    for key, turn in enumerate(range_views.ALL):
        found[f"{turn.__name__} "] = to_colours(turn(levels, draws(key, second)))
    found["all of them "] = changed_range_views(second, 1.0, draws(0, second)).flatten(0, 1)
    return found


def strip(name: str, frames: Tensor) -> Picture:
    """One row of the page, with its caption."""
    pictures = frames.permute(0, 2, 3, 1).expand(-1, -1, -1, 3).numpy()
    pictures = pictures.repeat(_ZOOM, axis=1).repeat(_ZOOM, axis=2)
    row = np.concatenate(list(pictures), axis=1)
    caption = np.zeros((_CAPTION, row.shape[1], 3), np.uint8)
    cv2.putText(caption, name, (4, 11), cv2.FONT_HERSHEY_SIMPLEX, 0.4, (255, 255, 255))
    return np.concatenate([caption, row])


def main() -> None:
    """Draws the page."""
    arguments = tyro.cli(Arguments, prog="python -m bench.augmentation")
    page = np.concatenate([strip(name, frames) for name, frames in rows(arguments.seed).items()])
    try:
        arguments.out.write_bytes(cv2.imencode(".png", page[..., ::-1])[1].tobytes())
    except OSError as error:
        raise StorageError(f"cannot write {arguments.out}: {error}") from error
    print(arguments.out)


if __name__ == "__main__":
    run(main)
