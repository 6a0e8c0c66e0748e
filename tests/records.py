"""Records of runs that nobody trained, for tests of tables."""

import numpy as np

from bench.ablation.record import PeopleScores, RunRecord, Scores, config_hash
from bench.ablation.rows import ROWS, configured
from gait.metrics import Distance
from train.config import TrainConfig
from train.report.summary import DIRECTIONS


def write_record(
    preset: TrainConfig,
    row: str,
    seed: int,
    rank1: np.ndarray,
    walks: str = "d" * 64,
    frames: str = "e" * 64,
    simulated: bool = True,
    simulator: int | None = 2,
) -> RunRecord:
    """A record in which `rank1`, `(people,)`, is every comparison's."""
    config = configured(preset, ROWS[row], seed)
    return RunRecord(
        preset=preset.name,
        row=row,
        seed=seed,
        simulated=simulated,
        simulator=simulator,
        config=config,
        config_sha256=config_hash(config),
        commit="0123456789ab",
        walks_sha256=walks,
        frames_sha256=frames,
        torch="2",
        processor="none",
        losses={"ce": 1.0},
        validation={"silhouette → range_view": float(rank1.mean())},
        people=tuple(f"{p:04d}" for p in range(len(rank1))),
        scores=tuple(
            Scores(
                probe=p,
                gallery=g,
                distance=distance,
                condition="Overall",
                rank1=float(rank1.mean()) - (distance is Distance.EUCLIDEAN),
                rank5=100,
                mAP=100,
            )
            for p, g in DIRECTIONS
            for distance in Distance
        ),
        people_scores=tuple(
            PeopleScores(probe=p, gallery=g, condition="Overall", rank1=tuple(rank1.tolist()))
            for p, g in DIRECTIONS
        ),
    )
