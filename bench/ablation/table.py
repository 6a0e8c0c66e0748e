"""Tables of finished runs, as Markdown: scores, and what each row is worth."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby, product

import numpy as np

from bench.ablation.bootstrap import Estimate, estimate
from bench.ablation.paper import TABLES
from bench.ablation.record import RunRecord
from bench.ablation.rows import BASE, FULL, GROUPS, OTHER_TRAINING, PHASES, ROWS, Row
from gait.errors import ConfigError
from gait.metrics import Distance
from gait.modality import Modality
from train.protocols.seeds import Values
from train.report.summary import DIRECTIONS

Runs = Mapping[str, Mapping[int, RunRecord]]
"""Row → seed → record."""

CAMERA, LIDAR = Modality.SILHOUETTE, Modality.RANGE_VIEW
SENSORS = {CAMERA: "camera", LIDAR: "LiDAR"}
ACROSS = [pair for pair in DIRECTIONS if pair[0] is not pair[1]]
"""Both directions across sensors: probe and gallery modality."""
OVERALL = "Overall"
BY_CONDITION = ("rivals", "sharing", "rivals-tuned", "inputs")
"""Groups whose rows are also shown condition by condition."""

Pairs = Sequence[tuple[Modality, Modality]]


def direction(probe: Modality, gallery: Modality) -> str:
    """How a comparison is named: probe → gallery."""
    return f"{SENSORS[probe]} → {SENSORS[gallery]}"


def by_row(records: Iterable[RunRecord]) -> Runs:
    """Records by row, in the order of the ablation, and by seed."""
    order = list(ROWS)
    found = sorted(records, key=lambda r: (order.index(r.row), r.seed))
    return {row: {r.seed: r for r in runs} for row, runs in groupby(found, lambda r: r.row)}


def values(runs: Mapping[int, RunRecord], pairs: Pairs, condition: str = OVERALL) -> Values:
    """`(seeds, people)` Rank-1 in percent, mean over the comparisons."""
    return np.array(
        [np.mean([run.alone(*pair, condition) for pair in pairs], axis=0) for run in runs.values()]
    )


def score(runs: Mapping[int, RunRecord], pairs: Pairs, condition: str = OVERALL) -> Estimate:
    """A row's Rank-1."""
    return estimate(values(runs, pairs, condition))


def gain(
    before: Mapping[int, RunRecord],
    after: Mapping[int, RunRecord],
    pairs: Pairs,
    condition: str = OVERALL,
) -> Estimate | None:
    """`after − before` in points, paired: the same seeds, the same people. None without a seed."""
    seeds = sorted({*before} & {*after})
    if not seeds:
        return None
    first, second = ({s: runs[s] for s in seeds} for runs in (before, after))
    return estimate(values(second, pairs, condition) - values(first, pairs, condition))


def tables(runs: Runs, *, missing: bool = True, shown: Sequence[Row] | None = None) -> str:
    """All groups of rows that have runs: scores and differences of each.

    Args:
        runs: of one preset; also of the rows that those shown are compared with.
        missing: also name the rows of a group that have none.
        shown: these rows alone; None: all.
    """
    found = []
    for group, every in GROUPS.items():
        rows = [row for row in every if shown is None or row in shown]
        done = [row for row in rows if row.name in runs]
        if done:
            without = [row.name for row in rows if row.name not in runs]
            note = [f"Not run yet: {', '.join(without)}."] if without and missing else []
            where = by_condition_tables(runs, done) if group in BY_CONDITION else []
            found.append("\n\n".join([f"### {group}", *_group(runs, done), *where, *note]))
    return "\n\n".join(found)


def _group(runs: Runs, rows: Sequence[Row]) -> list[str]:
    names = [direction(*pair) for pair in ACROSS]
    scores = [["row", "", "seeds", *names, "both", "held out", "paper*"]]
    to = [*(f"to base, {n}" for n in [*names, "both"]), "to full, both", "to full, held out"]
    gains = [["row", "base, full", *to]]
    for row in rows:
        own = runs[row.name]
        found = [_score(score(own, pairs)) for pairs in _columns()]
        what, paper = row.said(next(iter(own.values())).preset)
        scores.append([row.name, what, _seeds(own), *found, _held(own), paper])
        to_base = [_gain(runs, row.base, row, pairs) for pairs in _columns()]
        to_full = [_gain(runs, row.full, row, ACROSS), _held_gain(runs.get(row.full, {}), own)]
        gains.append([row.name, f"{row.base}, {row.full}", *to_base, *to_full])
    return [markdown(scores), markdown(gains)]


def _columns() -> list[Pairs]:
    return [*([pair] for pair in ACROSS), ACROSS]


def against_table(runs: Runs, other: Row, rows: Sequence[Row]) -> str:
    """What rows score above or below any other row of the same people.

    Raises:
        ConfigError: the other row has no run, or its people are not those of a row.
    """
    if other.name not in runs:
        raise ConfigError(f"{other.name} has no run yet: there is nothing to compare with")
    names = [direction(*pair) for pair in ACROSS]
    lines = [["row", f"seeds shared with {other.name}", *names, "both", "held out"]]
    for row in rows:
        if row.changes.get("walkers") != other.changes.get("walkers"):
            raise ConfigError(f"{row.name} is of other people than {other.name}")
        own = runs.get(row.name, {})
        gains = [_gain(runs, other.name, row, pairs) for pairs in _columns()]
        shared = {s: r for s, r in own.items() if s in runs[other.name]}
        lines.append(
            [row.name, _seeds(shared) or "none", *gains, _held_gain(runs[other.name], own)]
        )
    return markdown(lines)


def methods_table(runs: Runs, rows: Sequence[Row]) -> str:
    """Rows of the same people by what they score above the base, the least first."""
    found = [(row, runs[row.name], gain(runs[BASE], runs[row.name], ACROSS)) for row in rows
             if row.name in runs]  # fmt: skip
    lines = [["row", "what", "seeds", "over the base", "over the branch", "held out, %",
              "the paper*"]]  # fmt: skip
    for row, own, above in sorted(found, key=lambda each: each[2].value if each[2] else 0.0):
        over = "–" if row.name == BASE else _signed(above)
        branch = _gain(runs, FULL, row, ACROSS)
        found_there = "–" if row.paper is None else row.paper
        cells = [f"`{row.name}`", row.what, _seeds(own), over, branch, _held(own), found_there]
        lines.append(cells)
    return markdown(lines)


def tuned_table(runs: Runs, methods: Sequence[Row]) -> str:
    """Methods trained in each way, and what they are worth where they find most people held out.

    A method's ways are compared by the seeds that all of them have. Worth is the difference to base
    and full, each at its own best, of the seeds that both have.
    """
    ways = ["", *(f"-{suffix}" for suffix in OTHER_TRAINING)]
    heads = ["as the preset", *(what for what, _ in OTHER_TRAINING.values())]
    found: list[tuple[Row, list[str], str]] = []
    for row in (row for row in methods if row.name in runs):
        tried = [runs.get(row.name + way, {}) for way in ways]
        seeds = set[int].intersection(*(set(own) for own in tried if own))
        held = [_held_mean([own[seed] for seed in sorted(seeds)]) if own else -1 for own in tried]
        best = int(np.argmax(held))
        cells = [f"{value:.1f}" if value >= 0 else "–" for value in held]
        cells[best] = f"**{cells[best]}**"
        found.append((row, [" ".join(map(str, sorted(seeds))), *cells], row.name + ways[best]))
    at_best = {row.name: ROWS[name] for row, _, name in found}
    lines = [["method", "held out, %, of seeds", *heads, "at its best, over the base at its",
              "over the branch at its"]]  # fmt: skip
    for row, cells, name in found:
        over = (_gain(runs, at_best[other].name, ROWS[name], ACROSS) for other in (BASE, FULL))
        lines.append([f"`{row.name}`", *cells, *over])
    return markdown(lines)


def phases_table(runs: Runs) -> str:
    """What each phase adds to each set of others: differences of rows that differ in it alone."""
    names = [direction(*pair) for pair in ACROSS]
    lines = [["phase", "added to", "seeds", *names, "both"]]
    rows = {_phases(row): row.name for row in PHASES}
    for phase, (phases, name) in product((1, 2, 3), sorted(rows.items(), key=lambda x: len(x[0]))):
        without = rows.get(phases - {phase}, "")
        if phase not in phases or without not in runs or name not in runs:
            continue
        gains = [gain(runs[without], runs[name], pairs) for pairs in _columns()]
        seeds = _seeds({s: r for s, r in runs[name].items() if s in runs[without]})
        others = ", ".join(map(str, sorted(phases - {phase}))) or "the base"
        lines.append([str(phase), others, seeds, *map(_signed, gains)])
    return markdown(lines) if len(lines) > 1 else ""


def _phases(row: Row) -> frozenset[int]:
    return frozenset(row.changes.get("diffusion", {}).get("phases", (1, 2, 3)))


def conditions_table(runs: Runs) -> str:
    """Base and full condition by condition: where the gain is."""
    base, full = (runs.get(name, {}) for name in (ROWS[FULL].base, FULL))
    if not {*base} & {*full}:
        return ""
    names = [direction(*pair) for pair in ACROSS]
    lines = [["condition", "base, both", "full, both", *(f"gain, {n}" for n in [*names, "both"])]]
    for condition in dict.fromkeys(s.condition for s in next(iter(full.values())).people_scores):
        found = [_score(score(r, ACROSS, condition)) for r in (base, full)]
        gained = [_signed(gain(base, full, pairs, condition)) for pairs in _columns()]
        lines.append([condition, *found, *gained])
    return markdown(lines)


def by_condition_tables(runs: Runs, rows: Sequence[Row]) -> list[str]:
    """Rank-1 by condition and Rank-5 of base, full and some rows, as the paper's Tables 1 and 2.

    Args:
        runs: of one preset.
        rows: with runs.

    Returns:
        A table for each direction, and one of paired differences to each row's base.
    """
    shown = [ROWS[name] for name in (BASE, FULL) if name in runs]
    shown += [row for row in rows if row not in shown]
    first = next(iter(runs[shown[0].name].values()))
    conditions = tuple(dict.fromkeys(s.condition for s in first.people_scores))
    scores = [_scores_by_condition(runs, shown, pair, conditions) for pair in ACROSS]
    gains = [["both directions, to base", "base", *conditions]]
    for row in shown:
        found = (_gain(runs, row.base, row, ACROSS, condition) for condition in conditions)
        gains.append([row.name, row.base, *found])
    return [*scores, markdown(gains)]


def _scores_by_condition(
    runs: Runs, rows: Sequence[Row], pair: tuple[Modality, Modality], conditions: tuple[str, ...]
) -> str:
    lines = [[f"{direction(*pair)}, Rank-1", "seeds", *conditions, "Rank-5"]]
    for row in rows:
        own = runs[row.name]
        found = [f"{score(own, [pair], condition).value:.1f}" for condition in conditions]
        five = np.mean([r.score(*pair, OVERALL, r.config.distance).rank5 for r in own.values()])
        lines.append([row.name, _seeds(own), *found, f"{five:.1f}"])
        published = TABLES[pair[0]].get(row.name)
        if published is not None:
            given = (published.rank1.get(condition) for condition in conditions)
            cells = ("–" if value is None else f"{value:.1f}" for value in given)
            lines.append([f"*{published.system} in the paper\\**", "", *cells,
                          f"{published.rank5:.1f}"])  # fmt: skip
    return markdown(lines)


def single_table(runs: Runs) -> str:
    """Within one sensor, a reference for every row, and what it gains there on its base."""
    within = [pair for pair in DIRECTIONS if pair[0] is pair[1]]
    names = [direction(*pair) for pair in within]
    lines = [["row", "seeds", *names, *(f"to base, {name}" for name in names)]]
    for name, own in runs.items():
        scores = [_score(score(own, [pair])) for pair in within]
        gains = [_gain(runs, ROWS[name].base, ROWS[name], [pair]) for pair in within]
        lines.append([name, _seeds(own), *scores, *gains])
    return markdown(lines)


def distances_table(runs: Runs) -> str:
    """Every row ranked by either distance, means over seeds; the one it goes by is named."""
    names = [f"{distance}, {direction(*pair)}" for distance in Distance for pair in DIRECTIONS]
    lines = [["row", "seeds", "goes by", *names]]
    for name, own in runs.items():
        means = [
            np.mean([r.score(*pair, OVERALL, distance).rank1 for r in own.values()])
            for distance in Distance
            for pair in DIRECTIONS
        ]
        goes_by = next(iter(own.values())).config.distance
        lines.append([name, _seeds(own), goes_by, *(f"{mean:.1f}" for mean in means)])
    return markdown(lines)


def markdown(lines: Sequence[Sequence[str]]) -> str:
    """A table; the first line is its head."""
    head, *rest = (f"| {' | '.join(line)} |" for line in lines)
    return "\n".join([head, "|" + "---|" * len(lines[0]), *rest])


def _seeds(runs: Mapping[int, RunRecord]) -> str:
    return " ".join(map(str, runs))


def _held(runs: Mapping[int, RunRecord]) -> str:
    return f"{_held_mean(runs.values()):.1f}" if any(r.validation for r in runs.values()) else "–"


def _held_mean(runs: Iterable[RunRecord]) -> float:
    return float(np.mean([value for run in runs for value in run.validation.values()]))


def _held_gain(before: Mapping[int, RunRecord], after: Mapping[int, RunRecord]) -> str:
    """`after − before` in points, mean over the seeds they share: the same people were held out."""
    found = [
        after[seed].validation[way] - value
        for seed in {*before} & {*after}
        for way, value in before[seed].validation.items()
    ]
    return f"{np.mean(found):+.1f}" if found and before is not after else "–"


def _score(found: Estimate) -> str:
    return f"{found.value:.1f} [{found.low:.1f}, {found.high:.1f}]"


def _gain(runs: Runs, other: str, row: Row, pairs: Pairs, condition: str = OVERALL) -> str:
    if other == row.name or other not in runs or row.name not in runs:
        return "–"
    return _signed(gain(runs[other], runs[row.name], pairs, condition))


def _signed(found: Estimate | None) -> str:
    if found is None:
        return "–"
    text = f"{found.value:+.1f} [{found.low:+.1f}, {found.high:+.1f}]"
    sure = found.seeds > 1 and (found.low > 0 or found.high < 0)
    return f"**{text}**" if sure else text
