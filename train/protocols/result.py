"""The result of a protocol: valid by construction, printed as a table, kept as JSON."""

from collections.abc import Iterator
from typing import Annotated, Self

from pydantic import Field, ValidationError, model_validator

from gait.errors import EvaluationError
from gait.metrics import Distance
from gait.modality import Modality
from train.protocols.difference import Differences, differences
from train.protocols.records import Count, Record, Row, Score
from train.protocols.table import block


class ProtocolResult(Record):
    """Scores of one set of embeddings under one protocol.

    Args:
        protocol: whose rules were followed.
        simulated: whether the people are simulated; every table says so.
        distance: what this result goes by: reported first, and meant where none is named.
        gallery_rule: how the gallery was chosen.
        left_out: reason → probes left out altogether.
        metrics: names of the metrics, in order.
        bootstrap: resamples of people behind each interval.
        seed: of the resamples.
        people_sha256: hash of the sorted subject ids; other people may have the same ids.
        walks_sha256: hash of what the protocol knows of each walk that was scored: its subject and
            its type and view, or its role. None in old files.
        frames_sha256: hash of the frames that they came from; None where nobody said which.
        notes: what has to be known beside the scores.
        rows: the scores.
    """

    protocol: Annotated[str, Field(min_length=1)]
    simulated: bool
    distance: Distance = Distance.COSINE
    gallery_rule: str
    left_out: dict[str, Count]
    metrics: tuple[str, ...]
    bootstrap: Annotated[int, Field(ge=1)]
    seed: Count
    people_sha256: str
    walks_sha256: str | None = None
    frames_sha256: str | None = None
    notes: tuple[str, ...] = ()
    rows: tuple[Row, ...]

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if len({row.key for row in self.rows}) < len(self.rows):
            raise ValueError("got two rows for the same comparison")
        for row in self.rows:
            if row.scores and tuple(row.scores) != self.metrics:
                raise ValueError(f"got scores {tuple(row.scores)}, need {self.metrics}")
            if row.resamples is not None and {len(r) for r in row.resamples.values()} - {
                self.bootstrap
            }:
                raise ValueError(f"need {self.bootstrap} resamples of each metric")
        return self

    def row(
        self,
        *,
        probe: Modality,
        gallery: Modality,
        distance: Distance | str | None = None,
        condition: str = "Overall",
        view: str | None = None,
    ) -> Row:
        """The row of one comparison; without a distance, by that of the result.

        Raises:
            EvaluationError: there is none.
        """
        distance = distance or self.distance
        for row in self.rows:
            if row.key == (probe, gallery, distance, condition, view):
                return row
        raise EvaluationError(
            f"got no scores for {probe} → {gallery}, {distance}, {condition}, view {view}; "
            f"conditions here: {list(dict.fromkeys(row.condition for row in self.rows))}"
        )

    def score(
        self,
        *,
        probe: Modality,
        gallery: Modality,
        distance: Distance | str | None = None,
        condition: str = "Overall",
        view: str | None = None,
        metric: str = "rank1",
    ) -> Score:
        """One score with its interval and counts.

        Raises:
            EvaluationError: no such row or metric, or every cell of it is empty.
        """
        row = self.row(
            probe=probe, gallery=gallery, distance=distance, condition=condition, view=view
        )
        if metric not in row.scores:
            raise EvaluationError(f"got metric {metric!r}, have {list(row.scores)} in this row")
        interval = row.scores[metric]
        return Score(
            interval.value,
            interval.low,
            interval.high,
            row.probes,
            row.subjects,
            row.misses,
            row.empty_cells,
        )

    def groups(self) -> Iterator[tuple[Row, ...]]:
        """The rows of each probe modality, gallery modality and distance, by the own one first."""
        heads = dict.fromkeys(row.key[:3] for row in self.rows)
        for head in sorted(heads, key=lambda head: head[2] != self.distance):
            yield tuple(row for row in self.rows if row.key[:3] == head)

    def to_json(self, *, resamples: bool = False) -> str:
        """As JSON; with `resamples`, on one line, a later comparison can be paired (some MB)."""
        if resamples:
            return self.model_dump_json()
        return self.model_dump_json(indent=2, exclude={"rows": {"__all__": {"resamples"}}})

    @classmethod
    def from_json(cls, text: str | bytes) -> "ProtocolResult":
        """Reads `to_json`.

        Raises:
            EvaluationError: not the JSON of a valid result.
        """
        try:
            return cls.model_validate_json(text)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"])) or "the whole"
            raise EvaluationError(
                f"got no valid protocol result: {where}: {first['msg']}; need a file written by "
                "train.evaluate"
            ) from error

    @property
    def remarks(self) -> list[str]:
        """What no score should be quoted without: the gallery, who was left out, and notes."""
        return [
            f"gallery: {self.gallery_rule}",
            *(f"probes left out, {why}: {count}" for why, count in self.left_out.items()),
            *(f"note: {note}" for note in self.notes),
        ]

    def table(self, *, views: bool = False) -> str:
        """Plain text, one block per modalities and distance; with `views` a line per probe view."""
        title = f"{self.protocol} protocol{', simulated' * self.simulated}"
        notes = [
            f"compared by {self.distance} distance; the other is shown beside it",
            f"percent [95 % interval over {self.bootstrap} resamples of people, gallery fixed]",
            *self.remarks,
        ]
        blocks = [block(title, rows, self.metrics, views=views) for rows in self.groups()]
        return "\n\n".join([*blocks, "\n".join(notes)])

    def compare(self, other: "ProtocolResult") -> Differences:
        """How much better `other` is: its scores minus these, row by row over all views.

        First each by the distance that it goes by, then both by the same one.

        The intervals are paired, from the same resampled people, where both results hold their
        resamples of the same walks and seed; else there are none, and a note says why.

        Raises:
            EvaluationError: the protocols, galleries or kinds of people differ.
        """
        ours, theirs = (
            (r.protocol, r.gallery_rule, "simulated" if r.simulated else "real")
            for r in (self, other)
        )
        if ours != theirs:
            raise EvaluationError(f"got results of {ours} and {theirs}, need the same to compare")
        unpaired = self._unpaired(other)
        note = f"not paired: {unpaired}" if unpaired else self._paired_by_ids(other)
        own = (self.distance, other.distance)
        both = [(distance, distance) for distance in (self.distance, *Distance)]
        order = list(dict.fromkeys([own, *both]))
        changes = differences(self.rows, other.rows, order, paired=unpaired is None)
        return Differences(
            title=f"{self.protocol} protocol{', simulated' * self.simulated}: before goes by "
            f"{own[0]} distance, after by {own[1]} distance",
            differences=tuple(changes),
            note=note,
        )

    def _unpaired(self, other: "ProtocolResult") -> str | None:
        """Why equal positions in both results' resamples are not the same people, if so."""
        walks = self.walks_sha256, other.walks_sha256
        if None in walks:
            return "an older version wrote one of them, which does not say which walks it scored"
        if walks[0] != walks[1]:
            return "other walks were scored"
        frames = self.frames_sha256, other.frames_sha256
        if None not in frames and frames[0] != frames[1]:
            return "the walks have the same ids, but their frames are others"
        if self.simulated and frames.count(None) == 1:
            return "one of them does not say from which frames, and simulated people share ids"
        if (self.seed, self.bootstrap) != (other.seed, other.bootstrap):
            return "other resamples were drawn: give both the same --seed and --bootstrap"
        if any(row.resamples is None for r in (self, other) for row in r.rows if row.view is None):
            return "one of them holds no resamples: write it with --out"
        return None

    def _paired_by_ids(self, other: "ProtocolResult") -> str | None:
        if None in (self.frames_sha256, other.frames_sha256):
            return "paired by ids alone: no hash of the frames in one of them, or in both"
        return None
