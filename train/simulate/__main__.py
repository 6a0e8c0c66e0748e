"""Simulates a benchmark: people who do not exist, seen by a camera and a LiDAR.

python -m train.simulate --out FOLDER [--subjects 64] [--preview sheet.png]
python -m train.simulate --street --subjects 10 --out FOLDER
"""

import json
from pathlib import Path

import tyro

from gait.cli import run
from gait.errors import ConfigError
from train.simulate.config import SimulateConfig
from train.simulate.movement.recorded import find_people
from train.simulate.preview import draw_preview
from train.simulate.run import simulate
from train.simulate.street.write import StreetConfig, write_street
from train.simulate.studio import open_studio

_FRAMES_OF_A_PASS = 40


def command(
    config: tyro.conf.OmitArgPrefixes[SimulateConfig] = SimulateConfig(),  # noqa: B008  (frozen)
    out: Path | None = None,
    workers: int | None = None,
    preview: Path | None = None,
    street: bool = False,
    passes: int = 2,
) -> None:
    """Simulates a dataset in SUSTech1K's layout; interrupted, it goes on where it stopped.

    Args:
        config: what to simulate.
        out: the dataset's folder; may be left out when a preview is drawn.
        workers: processes, as many as cores if not given; the result does not depend on it.
        preview: draw a contact sheet of a few subjects, conditions and views to this PNG.
        street: instead of a dataset, simulate a street on which these people cross: a camera's
            video and a LiDAR's clouds, with their calibration and who was where.
        passes: walks of each person across the street.
    """
    if out is None and preview is None:
        raise ConfigError("got neither --out FOLDER nor --preview PNG, need at least one")
    if workers is not None and workers < 1:
        raise ConfigError(f"got {workers} workers, need at least 1")
    config = find_people(config)
    if street:
        made = _simulate_street(config, passes, out)
        print(json.dumps(made))
        return
    if preview is not None:
        draw_preview(config, preview)
    if out is not None:
        simulate(config, out, workers)
        made = {"simulated": True, "dataset": str(out), "subjects": len(config.subject_names)}
        print(json.dumps(made))


def _simulate_street(config: SimulateConfig, passes: int, out: Path | None) -> dict[str, object]:
    if out is None:
        raise ConfigError("a street needs a folder: give --out FOLDER")
    studio = open_studio(config)
    people = [studio.person(index) for index in range(len(config.subject_names))]
    # Some three people are on the street at any time.
    frames = max(400, len(people) * passes * _FRAMES_OF_A_PASS)
    write_street(StreetConfig(passes=passes, frames=frames, seed=config.seed), people, out)
    return {"simulated": True, "street": str(out), "people": len(people), "frames": frames}


def main() -> None:
    """Runs the command line."""
    tyro.cli(command, prog="python -m train.simulate", config=(tyro.conf.EnumChoicesFromValues,))


if __name__ == "__main__":
    run(main)
