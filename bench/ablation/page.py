"""results/tables.md and the tables of two pages of docs, written from the records alone."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from bench.ablation.record import Data, RunRecord
from bench.ablation.rows import BASE, ERASED, FULL, PHASES, PICTURES, RIVALS, ROWS, SHARING
from bench.ablation.table import (
    ACROSS,
    Runs,
    by_row,
    conditions_table,
    direction,
    distances_table,
    gain,
    markdown,
    methods_table,
    phases_table,
    score,
    single_table,
    tables,
    tuned_table,
)
from bench.ablation.trial import Trial
from gait.errors import EvaluationError
from train.config import TrainConfig
from train.presets import load_config
from train.storage import write_atomically

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "results" / "tables.md"
PRESETS = ("benchmark", "benchmark_2", "benchmark_sensors", "benchmark_gpu")
SHOWN = "benchmark"
"""The preset whose phases docs/evidence.md shows, and whose methods docs/rivals.md."""
OURS = (ROWS[BASE], ROWS[FULL], ROWS["no-denoiser-lambda-1"])
RECORDED = "recorded"
"""Folder, beside the presets', of the records of recorded people."""
BEGIN, END = "<!-- results: python -m bench.ablation --table --write -->", "<!-- /results -->"

HEAD = """# Tables of the ablations

For whoever checks a figure. Written by `python -m bench.ablation --table --write` from the records
beside this file: do not edit. What the figures mean: [evidence.md](../docs/evidence.md). What else
was tried: [trials.md](trials.md).

`python -m bench.ablation --rows phases` trains the runs that are missing, and `--list` names all
rows. Stopped, it continues with the same command; a second process beside it takes other runs.

**All people are simulated.** A score is Rank-1 in percent under the SUSTech1K protocol: a person is
looked up by another walk than the enrolled one, from every other view on its own, and the
conditions of the preset are pooled. Embeddings are centred and compared by cosine distance; those
of the groups `literal` and `literal-choices` are not centred, and compared by Euclidean distance,
as that recipe says. "By either distance" has all rows by both. The network is the one at the end of
training. Nobody who is tested was trained on. "Both" is the mean of the two directions.

- **"to base" and "to full"** are differences to a base and a full method that trained on the same
  people with the same triplets. Each line names them. Differences are paired over seeds and people.
  One seed gives the same people, batches and backbones at the start; the denoiser's first weights
  are the same only where no part of the network before it is another.
- **"Held out"** is the score in both directions on people kept out of training, others with each
  seed. Settings may be chosen by this column and by no other.
- **Brackets** are 95 % intervals. People are resampled; the spread over seeds is Student's t, so
  few seeds give wide intervals. A difference is bold where its interval leaves out zero.
- **With one seed an interval covers other people but not other seeds.** Where seeds differ by 2
  points, 31 to 58 % of such intervals miss, so nothing of one seed is bold.
- The 64 (or 300) test people are the same in all runs but those of the groups `others` and
  `controls`. Many rows are compared, so some are bold by chance alone.

\\* As the paper reports, on real people (SUSTech1K) with another network and training. Compare
directions and sizes of effects, not numbers. It is of one direction, in which the paper's full
method has 63.8; "58.2 of 58.7" is of the other direction, in which it has 58.7.
Beside a rival stands the paper's figure for the whole published system, which differs from the row
in more than how it aligns, and beside another input that of one which simulation does not have:
there not even directions can be compared. Rows are our versions:
[what differs](../docs/rivals.md). In our copy of the paper's table of parts only the figure without
the token is sure; which of 61.8, 62.7 and 62.0 is whose follows the order of its columns."""


def read_runs(preset: TrainConfig, results: Path) -> Runs:
    """The finished runs of a preset, by row and seed.

    Raises:
        EvaluationError: a file is no record or is named after another run.
        ConfigError: a record was made with other settings than its row and preset say.
    """
    return by_row(_records(preset, results))


def _records(preset: TrainConfig, results: Path) -> Iterator[RunRecord]:
    data: dict[str, Data] = {}
    for path in sorted((results / preset.name).glob("*.json")):
        record = RunRecord.read(path)
        if path.stem != f"{record.row}-{record.seed}" or record.row not in ROWS:
            raise EvaluationError(f"{path} holds the run {record.row}-{record.seed}: rename it")
        row = ROWS[record.row]
        Trial(preset, row, record.seed, Path(), results).record()
        if data.setdefault(row.base, record.data) != record.data:
            raise EvaluationError(
                f"{path} is of other people, or of another version of the simulator, than the "
                f"runs of {row.base} beside it: move one of them away"
            )
        yield record


def preset_text(preset: TrainConfig, runs: Runs) -> str:
    """All that was found with one preset."""
    records = [record for seeds in runs.values() for record in seeds.values()]
    walkers, held = preset.walkers, preset.data.validation_subjects
    train, test = (len(names) for names in walkers.partition.values())
    named = next(iter(runs.get(FULL, {}).values()), records[0])
    commits = sorted({record.commit or "unknown" for record in records})
    facts = [
        f"`configs/{preset.name}.yaml`, sha256 of {named.row} with seed {named.seed} "
        f"{named.config_sha256[:12]}; code {', '.join(commits)} (+: with changes not yet "
        f"committed); frames {', '.join(sorted({r.frames_sha256[:12] for r in records}))}; "
        f"{', '.join(sorted({r.processor for r in records}))}.",
        f"{train - held} people trained on, {held} held out to choose settings by, {test} tested; "
        f"{len(walkers.views)} views, conditions {' '.join(walkers.conditions)}; "
        f"{preset.optim.iterations} iterations; runs: {len(records)}.",
    ]
    within = [
        "### One sensor",
        "For reference: probe and gallery of one sensor. Not an upper bound for the camera.",
        single_table(runs),
    ]
    distances = [
        "### By either distance",
        "The paper ranks by Euclidean distance. Embeddings of rows that go by cosine are centred.",
        distances_table(runs),
    ]
    texts = {
        "### What each phase adds": phases_table(runs),
        "### Where": conditions_table(runs),
    }
    gains = [f"{title}\n\n{text}" for title, text in texts.items() if text]
    return "\n\n".join(
        [f"## {preset.name}", "\n".join(facts), tables(runs), *gains, *within, *distances]
    )


def recorded_text(preset: TrainConfig, runs: Runs) -> str:
    """What runs of a preset find of recorded people."""
    records = [record for seeds in runs.values() for record in seeds.values()]
    people = len(records[0].people)
    commits = sorted({record.commit or "unknown" for record in records})
    intro = [
        f"The runs above, with {people} people of recorded motion on simulated bodies, none of",
        f"them trained on (`python -m bench.recorded`). Chance: {100 / people:.1f} %. The people",
        f"held out are simulated, as above. Code {', '.join(commits)}.",
    ]
    within = ["### One sensor, recorded motion", single_table(runs)]
    return "\n\n".join(
        [
            f"## Recorded motion, {preset.name}",
            "\n".join(intro),
            tables(runs, missing=False),
            *within,
        ]
    )


def results_text(results: Path) -> str:
    """The whole of results/tables.md."""
    found = [(preset, read_runs(preset, results)) for preset in map(load_config, PRESETS)]
    texts = [
        preset_text(preset, runs) if runs else f"## {preset.name}\n\nNot run yet."
        for preset, runs in found
    ]
    recorded = [(preset, read_runs(preset, results / RECORDED)) for preset, _ in found]
    texts += [recorded_text(preset, runs) for preset, runs in recorded if runs]
    return "\n\n".join([HEAD, *texts]) + "\n"


def evidence_text(results: Path) -> str:
    """What docs/evidence.md shows between its marks: the phases at the scale of two cores."""
    preset = load_config(SHOWN)
    runs = read_runs(preset, results)
    names = [direction(*pair) for pair in ACROSS]
    lines = [["", "seeds", *names, "both, against the base", "paper*"]]
    for row in PHASES:
        if row.name in runs:
            own = runs[row.name]
            found = [f"{score(own, [pair]).value:.1f}" for pair in ACROSS]
            seeds, gained = " ".join(map(str, own)), _against(runs, row.name)
            lines.append([row.what, seeds, *found, gained, row.paper or "–"])
    return f"{markdown(lines)}\n\n{_of_what(preset, runs)}"


def methods_text(results: Path) -> str:
    """What docs/rivals.md shows between its first marks: all methods by what they are worth."""
    rows = (*OURS, *RIVALS, *SHARING, *ERASED)
    return methods_table(read_runs(load_config(SHOWN), results), rows)


def tuned_text(results: Path) -> str:
    """What docs/rivals.md shows between its second marks: methods trained as suits each."""
    rows = (*OURS, *(row for row in RIVALS if row != PICTURES))
    return tuned_table(read_runs(load_config(SHOWN), results), rows)


IN_DOCS: Mapping[Path, Sequence[Callable[[Path], str]]] = {
    ROOT / "docs" / "evidence.md": (evidence_text,),
    ROOT / "docs" / "rivals.md": (methods_text, tuned_text),
}
"""Pages with tables between marks, and what makes them."""


def _of_what(preset: TrainConfig, runs: Runs) -> str:
    commits = {r.commit or "unknown" for row in PHASES for r in runs.get(row.name, {}).values()}
    return (
        f"Simulated people, `configs/{preset.name}.yaml`, code {', '.join(sorted(commits))}; "
        "differences are of the seeds that a row shares with the base."
    )


def _against(runs: Runs, name: str) -> str:
    base = ROWS[FULL].base
    found = gain(runs[base], runs[name], ACROSS) if base in runs and name != base else None
    return "–" if found is None else f"{found.value:+.1f} [{found.low:+.1f}, {found.high:+.1f}]"


def with_results(page: str, *texts: str) -> str:
    """The page with other texts between its pairs of marks.

    Raises:
        EvaluationError: it has not as many.
    """
    before, *rest = page.split(BEGIN)
    afters = [part.partition(END) for part in rest]
    if len(rest) != len(texts) or not all(end for _, end, _ in afters):
        raise EvaluationError(f"a page of docs lacks the marks {BEGIN} and {END}")
    between = (
        f"{BEGIN}\n{text}\n{END}{after}" for text, (*_, after) in zip(texts, afters, strict=True)
    )
    return before + "".join(between)


def write_pages(results: Path) -> None:
    """Writes all pages."""
    write_atomically(PAGE, results_text(results).encode())
    for page, made in IN_DOCS.items():
        texts = (text(results) for text in made)
        write_atomically(page, with_results(page.read_text(), *texts).encode())
