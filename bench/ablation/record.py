"""What one run leaves: a small JSON with all that tables and comparisons need."""

import hashlib
import json
from pathlib import Path
from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from gait.errors import EvaluationError
from gait.metrics import Distance
from gait.modality import Modality
from train.config import TrainConfig
from train.data.identity import PackIdentity
from train.data.pack import Index


class Part(BaseModel):
    """Frozen, without unknown fields or NaN."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Scores(Part):
    """The protocol's scores of one comparison, percent.

    Args:
        probe, gallery, distance, condition: which comparison.
        rank1, rank5, mAP: the scores.
    """

    probe: Modality
    gallery: Modality
    distance: Distance
    condition: str
    rank1: float
    rank5: float
    mAP: float  # noqa: N815


class PeopleScores(Part):
    """Rank-1 of each test person alone, percent.

    Args:
        probe, gallery, distance, condition: which comparison; old records hold cosine alone.
        rank1: in the order of the record's people; None for a person without such a probe.
    """

    probe: Modality
    gallery: Modality
    distance: Distance = Distance.COSINE
    condition: str
    rank1: tuple[float | None, ...]


Data = tuple[str, str]
"""What tells the people of comparable runs apart: the walks, and the frames where they are real."""


def comparable_data(walks: str, frames: str, simulated: bool, simulator: int | None) -> Data:
    """What runs that are compared have in common, beside the configuration of the walkers.

    Frames count where they are real. Those of the same simulated walks differ by a few pixels where
    another processor rounds otherwise, and by more where another simulator drew them.
    """
    return walks, f"simulator {simulator}" if simulated else frames


def pack_data(index: Index) -> Data:
    """The people of a pack."""
    own = PackIdentity.of(index)
    return comparable_data(own.walks_sha256, own.frames_sha256, index.simulated, own.simulator)


class RunRecord(Part):
    """One finished run.

    Args:
        format: version of this file's layout.
        preset: name of the benchmark at its scale.
        row: of the ablation.
        seed: of initial weights, batches, noise, and of who is held out. Weights are drawn
            module by module: the denoiser's differ between rows that have others before it.
        simulated: whether the people are.
        simulator: version of what drew them; None of real people, and of old records.
        config: resolved configuration.
        config_sha256: of all in it that decides what is learned.
        commit: of the code that evaluated it, with `+` if files were changed; None outside a
            repository.
        walks_sha256: of who walks, how often, seen from where, in which split.
        frames_sha256: of their frames.
        torch, processor: what computed.
        losses: each term, its mean over the last twentieth of the iterations.
        validation: cross-modal Rank-1 of the held-out people at the end, percent, by direction.
        people: ids of the test people.
        scores: of the protocol.
        people_scores: person by person.
    """

    format: Literal[1] = 1
    preset: str
    row: str
    seed: int
    simulated: bool
    simulator: int | None = None
    config: TrainConfig
    config_sha256: str
    commit: str | None
    walks_sha256: str
    frames_sha256: str
    torch: str
    processor: str
    losses: dict[str, float]
    validation: dict[str, float]
    people: tuple[str, ...]
    scores: tuple[Scores, ...]
    people_scores: tuple[PeopleScores, ...]

    @model_validator(mode="after")
    def _one_score_a_person(self) -> Self:
        if any(len(s.rank1) != len(self.people) for s in self.people_scores):
            raise ValueError(f"need one score for each of {len(self.people)} people")
        return self

    @property
    def data(self) -> Data:
        """The people of this run."""
        hashes = self.walks_sha256, self.frames_sha256
        return comparable_data(*hashes, self.simulated, self.simulator)

    def alone(self, probe: Modality, gallery: Modality, condition: str) -> NDArray[np.float64]:
        """`(people,)` Rank-1 of each person by the run's own distance, percent; NaN where there is
        none.

        Raises:
            EvaluationError: nothing was compared so.
        """
        wanted = probe, gallery, condition, self.config.distance
        for scores in self.people_scores:
            if (scores.probe, scores.gallery, scores.condition, scores.distance) == wanted:
                return np.array(scores.rank1, dtype=np.float64)
        raise EvaluationError(f"{self.row} {self.seed} has no {probe} → {gallery}, {condition}")

    def score(
        self, probe: Modality, gallery: Modality, condition: str, distance: Distance
    ) -> Scores:
        """The protocol's scores of one comparison.

        Raises:
            EvaluationError: nothing was compared so.
        """
        wanted = probe, gallery, condition, distance
        for scores in self.scores:
            if (scores.probe, scores.gallery, scores.condition, scores.distance) == wanted:
                return scores
        raise EvaluationError(f"{self.row} {self.seed} has no {probe} → {gallery}, {condition}")

    def to_json(self) -> str:
        """As JSON: an entry a line, and each list of numbers on one line."""
        content = self.model_dump(mode="json")
        lists = {name: content.pop(name) for name in ("scores", "people_scores")}
        head = json.dumps(content, ensure_ascii=False, indent=1)[:-2]
        tail = (f' "{name}": [\n{_lines(rows)}\n ]' for name, rows in lists.items())
        return ",\n".join([head, *tail]) + "\n}\n"

    @classmethod
    def read(cls, path: Path) -> "RunRecord":
        """Reads a record.

        Raises:
            EvaluationError: the file is damaged or something else.
        """
        try:
            return cls.model_validate_json(path.read_bytes())
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"])) or "the whole"
            raise EvaluationError(
                f"{path} is no record of bench.ablation: {where}: {first['msg']}; "
                "remove it and run its row again"
            ) from error


def _lines(rows: list[dict[str, object]]) -> str:
    return ",\n".join("  " + json.dumps(row, separators=(",", ":")) for row in rows)


def config_hash(config: TrainConfig) -> str:
    """sha256 of all that decides what is learned: all but the name and the section `run`."""
    content = json.dumps(config.model_dump(mode="json", exclude={"run", "name"}), sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()
