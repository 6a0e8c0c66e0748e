"""The report of a run: one HTML file with everything inside it."""

import base64
import html
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from string import Template

import yaml

from gait.metrics import Distance
from train.checkpoint import Checkpoint, known_people
from train.data.dataset_layout import DatasetLayout, Embedded
from train.data.pack import Pack, Record
from train.protocols.result import ProtocolResult
from train.report.metrics_log import read_metrics
from train.report.open_set import draw_open_set, open_searches, open_set_html
from train.report.plots import draw_losses
from train.report.strips import Strip, retrieval_strips, searched, to_png
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
    pack: Pack,
    records: Sequence[Record],
    embeddings: Embedded,
    layout: DatasetLayout,
    result: ProtocolResult,
    cmc: bytes,
    metrics: Path,
) -> None:
    """Writes `report.html` into a folder.

    Args:
        folder: of the report.
        checkpoint: what was evaluated.
        pack: where the pictures come from.
        records: the test walks.
        embeddings: theirs.
        layout: which of them are enrolled and which are probes.
        result: the scores.
        cmc: the CMC plot, PNG.
        metrics: the folder whose `metrics.jsonl` gives the loss curves.
    """
    config = checkpoint.config
    kind = "simulated people" if pack.simulated else "people"
    unseen = "" if known_people(checkpoint, pack) else " unseen"
    subtitle = (
        f"{len({r.subject for r in records})}{unseen} {kind}, {len(records)} walks in each "
        f"modality; trained on {len(checkpoint.classes)}{' others' * bool(unseen)} for "
        f"{checkpoint.iteration} of {config.optim.iterations} iterations."
    )
    searches = open_searches(records, embeddings, layout, result.distance)
    template = Template(files("train.report").joinpath("page.html").read_text("utf-8"))
    page = template.substitute(
        title=html.escape(f"DiffCrossGait: {config.name}"),
        subtitle=html.escape(subtitle),
        notice="\n".join([SIMULATED * pack.simulated, *map(_notice, result.notes)]),
        distance=result.distance,
        summary=summary_html(result),
        cmc=_inline(cmc),
        losses=_inline(draw_losses(list(read_metrics(metrics)))),
        strangers=open_set_html(searches),
        open_set=_inline(draw_open_set(searches)),
        other="other" if len(embeddings) > 1 else "same",
        strips="\n".join(_strips(pack, records, embeddings, layout, result.distance)),
        table=html.escape(result.table()),
        config=html.escape(yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False)),
    )
    write_atomically(folder / FILE, page.encode())


def _notice(note: str) -> str:
    return f'<p class="notice">{html.escape(note)}</p>'


def _strips(
    pack: Pack,
    records: Sequence[Record],
    embeddings: Embedded,
    layout: DatasetLayout,
    distance: Distance,
) -> list[str]:
    parts = []
    for probe in embeddings:
        title = f"{direction(probe, searched(embeddings, probe))}, {distance} distance"
        parts.append(f"<h3>{html.escape(title)}</h3>")
        strips = retrieval_strips(pack, records, embeddings, layout, probe, distance)
        parts += [figure(strip) for strip in strips]
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
