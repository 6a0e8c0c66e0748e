"""Whether people who were enrolled from one sensor's tracks are found from the other's.

python -m bench.street_search street/truth.csv --enrol by-lidar --find by-camera

The street is simulated and its people cross it more than once. Clips of the first pass are
enrolled, named by the truth, as somebody would who knows the people. Every step is a command:
`gallery.build`, then `gallery.identify` for each clip. The interval is over people.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro

from bench.measuring.options import Json
from bench.street import clips_of
from gait.cli import run
from gait.errors import DataError
from gait.open_set import over_people
from gait.own_bundle import own_bundle


@dataclass(frozen=True)
class Looked:
    """A clip that was looked for: whose it is, of which pass, who came first, the decision."""

    clip: str
    person: str
    number: int
    first: str
    decision: str | None

    @property
    def right(self) -> bool:
        """Whether its person came first."""
        return self.first == self.person


def enrolled(truth: Path, folder: Path, out: Path) -> None:
    """Sorts the clips of everybody's first pass into folders by name."""
    for clip, person, number in clips_of(truth, folder):
        if number == 0:
            (out / person).mkdir(parents=True, exist_ok=True)
            shutil.copyfile(folder / clip / "walk.npz", out / person / f"{clip}.npz")


def looked_for(truth: Path, folder: Path, gallery: Path, key: Path) -> list[Looked]:
    """Every clip of somebody, by the command."""
    found = []
    for clip, person, number in clips_of(truth, folder):
        file = folder / clip / "walk.npz"
        options = ["--gallery", gallery, "--all-candidates", "--quality", "off", "--json"]
        reply = json.loads(_command("gallery.identify", key, file, *options))
        first = reply["candidates"][0]["subject"]
        found.append(Looked(clip, person, number, first, reply["decision"]))
    return found


def figures(looked: Sequence[Looked]) -> dict[str, Any]:
    """Rank-1 with its interval, and how often what was decided, by pass."""
    people = [each.person for each in looked]
    rank1, low, high = over_people([each.right for each in looked], people)
    return {
        "simulated": True,
        "people": len(set(people)),
        "clips": len(looked),
        "first": sum(each.right for each in looked),
        "rank1": round(100 * rank1, 1),
        "low": round(100 * low, 1),
        "high": round(100 * high, 1),
        "same_pass": _of([each for each in looked if each.number == 0]),
        "another_pass": _of([each for each in looked if each.number > 0]),
        "looked": [asdict(each) for each in looked],
    }


def _of(looked: Sequence[Looked]) -> dict[str, Any]:
    decided = Counter(
        f"{each.decision}, {'right' if each.right else 'wrong'} person first" for each in looked
    )
    first = sum(each.right for each in looked)
    return {"clips": len(looked), "first": first, "decided": dict(sorted(decided.items()))}


def _command(module: str, key: Path, *words: object) -> str:
    environment = os.environ | {"DIFFCROSSGAIT_MASTER_KEY_FILE": str(key)}
    line = [sys.executable, "-m", module, *map(str, words)]
    done = subprocess.run(line, capture_output=True, text=True, env=environment, check=False)
    if done.returncode:
        raise DataError(f"{module} failed: {done.stderr.strip()}")
    return done.stdout


def command(
    truth: Annotated[Path, tyro.conf.Positional],
    enrol: Path,
    find: Path,
    bundle: Path | None = None,
    json: Json = False,
) -> None:
    """Rank-1 and decisions of one sensor's tracks among people enrolled from another's.

    Args:
        truth: truth.csv of the street.
        enrol: folder of capture.run of which the first pass is enrolled.
        find: folder of capture.run whose clips are looked for.
        bundle: model; the package's by default.
        json: print as JSON, with every clip.
    """
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        people, gallery, key = work / "people", work / "gallery", work / "key"
        enrolled(truth, enrol, people)
        _command("gallery.keys", key, "new", key)
        _command(
            "gallery.build", key, people, "--bundle", bundle or own_bundle(), "--out", gallery,
            "--authorisation", "simulated", "--expires", "2999-01-01", "--quality", "standard",
        )  # fmt: skip
        found = figures(looked_for(truth, find, gallery, key))
    if json:
        print(_json(found))
        return
    print(f"{found['first']} of {found['clips']} first: {found['rank1']} %", end=" ")
    print(f"[{found['low']}, {found['high']}], {found['people']} people")
    for name in ("same_pass", "another_pass"):
        print(f"{name:<13}{found[name]['first']} of {found[name]['clips']}", end="  ")
        print(", ".join(f"{many} {what}" for what, many in found[name]["decided"].items()))


def _json(found: dict[str, Any]) -> str:
    return json.dumps(found, indent=1)


def main() -> None:
    """Runs the command line."""
    tyro.cli(command, prog="python -m bench.street_search")


if __name__ == "__main__":
    run(main)
