"""The folder of the people who were paired: written once, then named by whoever knows them."""

import filecmp
import shutil
from pathlib import Path

from capture.pairing.pairing import Pair
from gait.errors import LayoutError

PAIRS = "pairs.json"


def copy_people(people: list[list[Pair]], out: Path) -> dict[str, list[Pair]]:
    """Puts the clips of each person into a folder of its own, as `gallery.build` takes it.

    Args:
        people: pairs of each person.
        out: gets the folders `0000`, `0001`, …

    Returns:
        The people by the names of their folders.
    """
    named = {f"{number:04d}": pairs for number, pairs in enumerate(people)}
    for name, pairs in named.items():
        (out / name).mkdir(parents=True)
        for pair in pairs:
            for clip, file in _clips(pair):
                shutil.copyfile(file, out / name / clip)
    return named


def read_people(pairs: list[Pair], out: Path) -> dict[str, list[Pair]]:
    """The people as somebody has named, put together or deleted their folders since.

    A person's folder may hold those that were put into it.

    Args:
        pairs: all that were found.
        out: the folder of `copy_people`.

    Raises:
        LayoutError: it holds clips of other recordings, nobody is left, or the two clips of a pair
            are in folders of different people.
    """
    places = {path.name: path for path in sorted(out.glob("*/**/*.npz"))}
    people = dict[str, list[Pair]]()
    for pair in pairs:
        found = [_kept(places[clip], file, out) for clip, file in _clips(pair) if clip in places]
        names = [path.relative_to(out).parts[0] for path in found]
        if len({*names}) > 1:
            raise LayoutError(
                f"{found[0]} and {found[1]} show the same person; put them into one folder"
            )
        if len(found) == len(_clips(pair)):
            people.setdefault(names[0], []).append(pair)
    if not people:
        raise LayoutError(f"{out} holds no pair of these recordings; give another folder")
    return people


def _kept(path: Path, file: Path, out: Path) -> Path:
    if not filecmp.cmp(path, file, shallow=False):
        raise LayoutError(f"{path} is not {file}: {out} is of other recordings")
    return path


def _clips(pair: Pair) -> tuple[tuple[str, Path], tuple[str, Path]]:
    """The file names of both clips in a person's folder, and where they come from."""
    camera, lidar = pair.camera, pair.lidar
    return (
        (f"camera-{camera.clip['name']}.npz", camera.file),
        (f"lidar-{lidar.clip['name']}.npz", lidar.file),
    )
