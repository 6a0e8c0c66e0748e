"""What every rival is: losses of one forward pass, beside those of Eq. 5, in training only."""

from typing import NamedTuple

from torch import Tensor, nn

from train.losses import Gather, gather_pair


class Seen(NamedTuple):
    """What a rival sees of one forward pass; all in float32, first silhouettes, then range views.

    Args:
        maps: `(2, n, c, h, w)` of Eq. 1.
        embeddings: `(2, n, p, d)` of Eq. 3.
        cosines: `(2, n, p, N)` of Eq. 4.
        labels: `(n,)` int64 subjects; row i of both modalities is the same walk.
        gather: joins rows of all processes; None for a single one.
    """

    maps: Tensor
    embeddings: Tensor
    cosines: Tensor
    labels: Tensor
    gather: Gather | None = None

    def of_all(self, pair: Tensor) -> tuple[Tensor, Tensor]:
        """A pair `(2, n, …)` and the labels, with the rows of all processes."""
        return gather_pair(pair, self.labels, self.gather)


class Rival(nn.Module):
    """Losses of its own, and the heads they need. Its parameters never ship.

    Every parameter takes part in every step, no value is read back to the host, and no shape
    depends on the data, so a step runs on several processes and can be compiled or recorded.
    """

    def forward(self, seen: Seen) -> dict[str, Tensor]:
        """The rival's losses by name, scalars before `rival.weight`; runs without autocast."""
        raise NotImplementedError

    def at(self, progress: float) -> None:
        """Told before every step which share of the run is done with it, above 0 and up to 1."""
