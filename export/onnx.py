"""Command: a checkpoint into a model bundle for the gallery and the service.

python -m export.onnx ckpt.pt --out bundle --pack work/pack
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from export.bundle import PARITY, STEPS, export_bundle
from export.parity import Report
from gait.cli import run
from gait.manifest import Manifest
from gait.progress import progress


@dataclass(frozen=True)
class Arguments:
    """Exports a trained checkpoint: two ONNX files and a manifest, checked against torch.

    The diffusion branch is left behind. Nothing is written unless every check passes.
    """

    checkpoint: Annotated[Path, tyro.conf.Positional]
    """Checkpoint of train.run."""
    out: Path | None = None
    """Folder of the bundle; by default `bundle` beside the checkpoint."""
    pack: Path | None = None
    """Packed dataset whose test subjects must rank the same; by default the simulated walkers of
    the run if they are there, else drawn figures."""
    json: bool = False
    """Print the parity report as JSON."""


def main() -> None:
    """Exports as the command line says."""
    arguments = tyro.cli(Arguments, prog="python -m export.onnx")
    out = arguments.out or arguments.checkpoint.parent / "bundle"
    with progress() as bar:
        task = bar.add_task("export", total=STEPS, note="reading")
        bundle = export_bundle(
            arguments.checkpoint,
            out,
            pack=arguments.pack,
            advance=lambda note: bar.update(task, advance=1, note=note),
        )
    report = Report.model_validate_json(bundle.read(out, PARITY))
    print(report.model_dump_json(indent=1) if arguments.json else _summary(out, bundle, report))


def _summary(out: Path, manifest: Manifest, report: Report) -> str:
    sizes = ", ".join(f"{name} {r.size / 1e6:.1f} MB" for name, r in manifest.files.items())
    same = sum(ranking.same_order for ranking in report.rankings)
    probes = sum(ranking.probes for ranking in report.rankings)
    people = ", simulated people" if report.simulated else ""
    return "\n".join(
        [
            f"bundle    {out}",
            f"contract  {manifest.contract}",
            f"files     {sizes}",
            f"parity    at most {max(c.difference for c in report.shapes):.1e} from torch in "
            f"{len(report.shapes)} batches, {report.tolerance:.0e} allowed",
            f"ranking   {same} of {probes} probes in the very same order, the largest swap "
            f"{max(r.largest_swap for r in report.rankings):.1e}, on {report.data}{people}",
        ]
    )


if __name__ == "__main__":
    run(main)
