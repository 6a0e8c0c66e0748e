"""Whether two packs, or what was scored of them, are of the same people.

Ids alone do not say it: all simulated packs number their people alike.
"""

import hashlib
import json
from collections.abc import Iterable

from pydantic import BaseModel

from train.data.pack import Index


def walks_hash(walks: Iterable[tuple[str, ...]]) -> str:
    """sha256 of walks in their order, each by its subject and what else tells it from others."""
    return hashlib.sha256(json.dumps([*walks]).encode()).hexdigest()


def frames_hash(index: Index) -> str:
    """sha256 of a pack's frames, by the hashes of its stores."""
    return hashlib.sha256(index.model_dump_json(include={"stores"}).encode()).hexdigest()


class PackIdentity(BaseModel, frozen=True, extra="forbid"):
    """What tells a pack from others, wherever it lies.

    Args:
        walks_sha256: of who is in it, in which walks and in which split.
        frames_sha256: of its frames.
        simulator: version of what drew them; None of real people, and of old packs.
    """

    walks_sha256: str
    frames_sha256: str
    simulator: int | None = None

    @classmethod
    def of(cls, index: Index) -> "PackIdentity":
        """That of the pack with this index."""
        walks = walks_hash((r.subject, r.type, r.view, r.split) for r in index.records)
        return cls(walks_sha256=walks, frames_sha256=frames_hash(index), simulator=index.simulator)

    def changes(self, other: "PackIdentity", *, drawn: bool) -> list[str]:
        """In what another pack differs, in words; nothing if it is the same.

        Args:
            other: of the other pack.
            drawn: both hold the walkers of one configuration. Their frames then differ by some
                pixels where another processor drew them, and the simulator's version counts.
        """
        found = []
        if self.walks_sha256 != other.walks_sha256:
            found.append("the pack (its walks are others)")
        if not drawn and self.frames_sha256 != other.frames_sha256:
            found.append("the pack (its frames are others)")
        if drawn and self.simulator != other.simulator:
            found.append(f"the simulator ({self.simulator} → {other.simulator})")
        return found
