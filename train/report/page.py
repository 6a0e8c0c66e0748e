"""The report of a run: one HTML file with everything inside it."""

import base64
import html
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from string import Template

import yaml

from gait.modality import Modality
from train.checkpoint import Checkpoint
from train.data.pack import Pack, Record
from train.embed import Embeddings
from train.protocols.result import ProtocolResult
from train.report.metrics_log import read_metrics
from train.report.plots import draw_losses
from train.report.strips import Strip, retrieval_strips, to_png
from train.report.summary import direction, summary_html
from train.storage import write_atomically

FILE = "report.html"
SIMULATED = (
    '<p class="notice">All people here are <strong>simulated</strong>. These numbers say how '
    "methods compare on simulated walkers, not how well real people are found.</p>"
)


def write_report(
    folder: Path,
    checkpoint: Checkpoint,
    result: ProtocolResult,
    cmc: bytes,
    pack: Pack,
    records: Sequence[Record],
    embeddings: Embeddings,
) -> None:
    """Writes `report.html` into a run folder.

    Args:
        folder: of the run; its `metrics.jsonl` gives the loss curve.
        checkpoint: what was evaluated.
        result: its scores.
        cmc: the CMC plot, PNG.
        pack: where the pictures come from.
        records: the test walks.
        embeddings: theirs.
    """
    config = checkpoint.config
    kind = "simulated people" if pack.simulated else "people"
    subtitle = (
        f"{len({r.subject for r in records})} unseen {kind}, {len(records)} walks in each "
        f"modality; trained on {len(checkpoint.classes)} others for {checkpoint.iteration} "
        f"of {config.optim.iterations} iterations."
    )
    template = Template(files("train.report").joinpath("page.html").read_text("utf-8"))
    page = template.substitute(
        title=html.escape(f"DiffCrossGait: {config.name}"),
        subtitle=html.escape(subtitle),
        notice=SIMULATED if pack.simulated else "",
        summary=summary_html(result),
        cmc=_inline(cmc),
        losses=_inline(draw_losses(list(read_metrics(folder)))),
        strips="\n".join(_strips(pack, records, embeddings)),
        table=html.escape(result.table()),
        config=html.escape(yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False)),
    )
    write_atomically(folder / FILE, page.encode())


def _strips(pack: Pack, records: Sequence[Record], embeddings: Embeddings) -> list[str]:
    parts = []
    for probe in Modality:
        parts.append(f"<h3>{html.escape(direction(probe, probe.counterpart))}</h3>")
        parts += [figure(strip) for strip in retrieval_strips(pack, records, embeddings, probe)]
    return parts


def figure(strip: Strip) -> str:
    """A strip as an HTML figure, its caption saying where the right person was found."""
    found = [str(rank) for rank, hit in enumerate(strip.hits, 1) if hit]
    where = f"found at rank {', '.join(found)}" if found else f"not among the {len(strip.hits)}"
    caption = html.escape(f"{strip.caption}: {where}")
    source = _inline(to_png(strip.picture))
    return (
        f'<figure><img alt="{caption}" src="{source}"><figcaption>{caption}</figcaption></figure>'
    )


def _inline(png: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"
