"""Command: a checkpoint into a model bundle for the gallery and the service.

python -m export.onnx ckpt.pt --out bundle --pack work/pack --variant all
"""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from export.bundle import MAX_LOSS, PARITY, Order, export_bundle
from export.checks.parity import Report
from gait.cli import run
from gait.errors import VariantRefusedError
from gait.manifest import Manifest
from gait.progress import progress
from gait.variant import Accuracy, Build, Variant
from gallery.decision.decision import bundle_calibration
from train.checkpoint import load_checkpoint

UNCENTRED = (
    "warning: the embeddings of {0} are not centred, and galleries compare by cosine, which finds "
    "fewer people then: first `python -m train.centre {0} --out centred.pt`, with --pack for the "
    "people it was trained on, and export that"
)


@dataclass(frozen=True)
class Arguments:
    """Exports a trained checkpoint: two ONNX files a variant and a manifest, checked against torch.

    The diffusion branch is left behind. Nothing is written unless every check passes.
    """

    checkpoint: Annotated[Path, tyro.conf.Positional]
    """Checkpoint of train.run."""
    out: Path | None = None
    """Folder of the bundle; by default `bundle` beside the checkpoint."""
    variant: Literal["fp32", "fp16", "int8", "all"] = "fp32"
    """Beside fp32, which every bundle has: fp16 for GPUs, int8 for CPUs, or all that lose no more
    than --max-loss. One that loses more is refused, with exit code 1: if it was asked for by name
    nothing is written, with `all` the bundle is written without it."""
    pack: Path | None = None
    """Packed dataset whose test subjects must rank the same, by which a variant is measured, and by
    which decisions are calibrated; by default the simulated walkers of the run if there, else drawn
    figures."""
    people: Path | None = None
    """Pack whose test subjects calibrate decisions, best seen from where probes will be; by default
    --pack."""
    cohort: tuple[Path, ...] = ()
    """Packs whose training subjects normalise similarities, nobody whom a gallery may hold; by
    default --pack."""
    calibration: Path | None = None
    """Pack, tree or folder of clip files that int8 is calibrated with, 200 of each modality or
    more; by default the training subjects of the pack."""
    max_loss: float = MAX_LOSS
    """Points of Rank-1 that a variant may lose in any direction."""
    json: bool = False
    """Print the manifest's variants and the parity report as JSON."""

    @property
    def order(self) -> Order:
        """What was asked for."""
        every = self.variant == "all"
        return Order(
            variants=tuple(Variant) if every else (Variant(self.variant),),
            passing=every,
            pack=self.pack,
            people=self.people,
            cohort=self.cohort,
            calibration=self.calibration,
            max_loss=self.max_loss,
        )


def main() -> None:
    """Exports as the command line says."""
    arguments = tyro.cli(Arguments, prog="python -m export.onnx")
    out = arguments.out or arguments.checkpoint.parent / "bundle"
    try:
        _export(arguments, out)
    except VariantRefusedError:
        if arguments.order.passing:
            _tell(arguments, out)
        raise
    _tell(arguments, out)


def _export(arguments: Arguments, out: Path) -> None:
    order = arguments.order
    model = load_checkpoint(arguments.checkpoint).config.model
    if not model.centred and model.projection is None:
        print(UNCENTRED.format(arguments.checkpoint), file=sys.stderr)
    with progress() as bar:
        task = bar.add_task("export", total=order.steps, note="reading")
        export_bundle(
            arguments.checkpoint,
            out,
            order,
            advance=lambda note: bar.update(task, advance=1, note=note),
        )


def _tell(arguments: Arguments, out: Path) -> None:
    manifest = Manifest.load(out)
    report = Report.model_validate_json(manifest.read(out, PARITY))
    if not arguments.json:
        print(_summary(out, manifest, report))
        return
    shown = report.model_dump_json(indent=1)
    builds = manifest.model_dump_json(indent=1, include={"variants"})
    print(f"{shown[:-2]},{builds[1:]}")


def _summary(out: Path, manifest: Manifest, report: Report) -> str:
    same = sum(ranking.same_order for ranking in report.rankings)
    probes = sum(ranking.probes for ranking in report.rankings)
    people = ", simulated people" if report.simulated else ""
    lines = [
        f"bundle    {out}",
        f"contract  {manifest.contract}",
        f"parity    at most {max(c.difference for c in report.shapes):.1e} from torch in "
        f"{len(report.shapes)} runs, {report.tolerance:.0e} allowed",
        f"ranking   {same} of {probes} probes in the very same order, the largest swap "
        f"{max(r.largest_swap for r in report.rankings):.1e}, on {report.data}{people}",
        _decisions(out),
    ]
    for variant, build in manifest.variants.items():
        lines += _variant(variant, build, manifest.size(variant) / 1e6)
    return "\n".join(lines)


def _decisions(out: Path) -> str:
    calibration = bundle_calibration(out)
    if calibration is None:
        return "decisions none: too few people with two walks each; see docs/decisions.md"
    people = "simulated people" if calibration.simulated else "people"
    return f"decisions calibrated on {calibration.people} {people} of {calibration.data}"


def _variant(variant: Variant, build: Build, megabytes: float) -> list[str]:
    parity = build.parity
    lines = [
        f"{variant:<10}{megabytes:.1f} MB; similarity with torch {parity.mean_similarity:.5f}, "
        f"at least {parity.similarity:.5f}, in {parity.clips} clips"
    ]
    if build.calibration is not None:
        tried = ", ".join(
            f"{method} {loss:+.2f} points lost, {alike:.5f}"
            for method, (loss, alike) in build.calibration.tried.items()
        )
        lines.append(
            f"          calibrated by {build.calibration.method} of {tried}; "
            f"{build.calibration.clips} clips of each modality of {build.calibration.data}"
        )
    return lines + (_directions(build.accuracy) if build.accuracy is not None else [])


def _directions(accuracy: Accuracy) -> list[str]:
    people = "simulated people" if accuracy.simulated else "people"
    lines = [
        f"          Rank-1 of {accuracy.walks} walks of {accuracy.subjects} {people}, in %, and "
        "mean similarity of the same and of different people:"
    ]
    lines += [
        f"          {d.probe:>10} → {d.gallery:<10} {d.trained:6.2f} → {d.own:6.2f} "
        f"({d.to_fp32:.2f} against fp32, {d.from_fp32:.2f} fp32 against it)  "
        f"same {d.before.same.mean:.3f} → {d.after.same.mean:.3f}, "
        f"different {d.before.different.mean:.3f} → {d.after.different.mean:.3f}"
        for d in accuracy.directions
    ]
    return lines


if __name__ == "__main__":
    run(main)
