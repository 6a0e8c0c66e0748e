"""Tries a bundle on sensors that it may not have seen: other LiDARs, other cameras.

python -m bench.sensors --bundle bundle --out results/sensors.json

People, bodies and walks are simulated and of a seed that no preset uses.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import tyro

from bench.measuring.options import Bundle, Json, OutFile
from bench.sensors.decisions import decided
from bench.sensors.rank import Embedded, Score, rank1
from bench.sensors.variants import CAMERAS, CLEAN_CAMERA, CLEAN_LIDAR, LIDARS, PAIRED, Variant
from bench.sensors.walks import ENROLLED, PROBE, SEED, VIEWS, walks
from gait.cli import run
from gait.modality import Modality
from gallery.decision.decision import bundle_calibration
from gallery.network.encoder import Encoder
from gallery.search.cohort import bundle_cohort
from train.storage import write_atomically

EVERY = LIDARS | CAMERAS

Seen = tuple[Modality, Embedded]
"""Walks of a sensor, and its modality."""


@dataclass(frozen=True)
class Arguments:
    """Ranks probes of many sensors among people enrolled by one, and by each of the LiDARs."""

    bundle: Bundle
    out: OutFile = None
    people: int = 40
    """How many."""
    walks: Path = Path("work/sensors")
    """Folder where simulated walks are kept."""
    only: tuple[str, ...] = ()
    """Probes of these sensors only, names as in `bench/sensors/variants.py`; of all if left out."""
    pairs: bool = True
    """Also every pair of LiDARs, one enrolling and one probing."""
    json: Json = False


def main() -> None:
    """Measures as the command line says."""
    arguments = tyro.cli(Arguments, prog="python -m bench.sensors")
    found = measured(arguments)
    text = json.dumps(found, indent=1)
    if arguments.out is not None:
        write_atomically(arguments.out, f"{text}\n".encode())
    print(text if arguments.json else tables(found))


def measured(arguments: Arguments) -> dict[str, object]:
    """All scores, and what they are of."""
    encoder = Encoder.load(arguments.bundle)
    calibration, cohort = bundle_calibration(arguments.bundle), bundle_cohort(arguments.bundle)

    def embedded(variant: Variant, name: str, number: int) -> Seen:
        clips, people, views = walks(
            variant, name, number, arguments.people, arguments.walks, encoder.range_style
        )
        return variant.modality, Embedded(encoder.embed(clips), people, views)

    def score(probes: Seen, gallery: Seen) -> dict[str, float | None]:
        ranked = asdict(rank1(probes[1], gallery[1], arguments.people))
        if calibration is None:
            return ranked
        return ranked | asdict(decided(probes, gallery, arguments.people, cohort, calibration))

    camera = embedded(CAMERAS[CLEAN_CAMERA], CLEAN_CAMERA, ENROLLED)
    by_lidar = {name: embedded(v, name, PROBE) for name, v in chosen(LIDARS, arguments).items()}
    by_camera = {name: embedded(v, name, PROBE) for name, v in chosen(CAMERAS, arguments).items()}
    found: dict[str, object] = {
        "simulated": True,
        "contract": encoder.contract,
        "variant": encoder.choice.variant,
        "people": arguments.people,
        "views": VIEWS,
        "seed": SEED,
        "lidar_to_camera": {name: score(probes, camera) for name, probes in by_lidar.items()},
        "camera_to_camera": {name: score(probes, camera) for name, probes in by_camera.items()},
    }
    if by_camera:
        lidar = embedded(LIDARS[CLEAN_LIDAR], CLEAN_LIDAR, ENROLLED)
        scores = {name: score(probes, lidar) for name, probes in by_camera.items()}
        found["camera_to_lidar"] = scores
    if arguments.pairs and not arguments.only:
        enrolled = {name: embedded(LIDARS[name], name, ENROLLED) for name in PAIRED}
        found["lidar_to_lidar"] = {
            f"{probe} | {gallery}": score(by_lidar[probe], templates)
            for probe in PAIRED
            for gallery, templates in enrolled.items()
        }
        enrolled |= {n: embedded(v, n, ENROLLED) for n, v in EVERY.items() if n not in enrolled}
        seen = by_lidar | by_camera
        found["same_sensor"] = {name: score(seen[name], enrolled[name]) for name in seen}
    return found


def chosen(variants: dict[str, Variant], arguments: Arguments) -> dict[str, Variant]:
    """The sensors that are wanted."""
    return {k: v for k, v in variants.items() if not arguments.only or k in arguments.only}


def tables(found: dict[str, object]) -> str:
    """The scores as Markdown tables."""
    parts = [
        f"{found['people']} simulated people, {len(found['views'])} views, one walk enrolled and "  # type: ignore[arg-type]
        "another probed, never from the same view; Rank-1 in %, 95 % interval over people. By the "
        "bundle's own thresholds for an FPIR of 1 %: how many probes are called somebody else if "
        "their person is not enrolled, and how many are missed if they are."
    ]
    for key in ("lidar_to_camera", "camera_to_lidar", "camera_to_camera", "same_sensor"):
        rows = {name: Score(**value) for name, value in found.get(key, {}).items()}  # type: ignore[attr-defined]
        if not rows:
            continue
        head = f"{key.replace('_', ' ')} | Rank-1 | interval | strangers called a match | missed"
        parts += [f"\n| {head} |", "|---|---|---|---|---|"]
        parts += [f"| {name} | {_cells(score)} |" for name, score in rows.items()]
    if "lidar_to_lidar" in found:
        parts += ["", *_pairs({k: Score(**v) for k, v in found["lidar_to_lidar"].items()})]  # type: ignore[attr-defined]
    return "\n".join(parts)


def _cells(score: Score) -> str:
    decisions = ("–" if part is None else f"{part:.1f}" for part in (score.called, score.missed))
    return " | ".join([f"{score.rank1:.1f}", f"{score.low:.1f}–{score.high:.1f}", *decisions])


def _pairs(scores: dict[str, Score]) -> list[str]:
    names = list(PAIRED)
    lines = ["| probe, enrolled by | " + " | ".join(names) + " |", "|---" * (len(names) + 1) + "|"]
    for probe in names:
        cells = [f"{scores[f'{probe} | {gallery}'].rank1:.0f}" for gallery in names]
        lines.append(f"| {probe} | " + " | ".join(cells) + " |")
    return lines


if __name__ == "__main__":
    run(main)
