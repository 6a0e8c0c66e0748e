"""Similarity less what everybody has of it: who resembles many resembles nobody in particular.

Some embeddings are near to very many others ("hubs"), and strangers are mostly taken for those. How
near is learned from a cohort of people who are neither enrolled nor searched for, kept in the model
bundle. With p a probe, t a template and r(x) the mean similarity of x to the people of the cohort
who are most like it, as the other one's sensor sees them, the similarity is p·t − λ(r(p) + r(t)),
and a little less between clips of one sensor. λ is kept with the cohort: thresholds hold for one.

Conneau et al., "Word translation without parallel data", 2018, call it CSLS; AS-norm in speaker
verification divides by deviations as well, which was worse here (results/trials.md).
"""

import hashlib
import io
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from gait.errors import BundleError
from gait.manifest import Manifest
from gait.modality import Modality
from gallery.template import Matrix, Shares, Vector

WEIGHT: Final = 0.45
"""λ of new cohorts."""
EARLIER: Final = 0.3
"""λ of cohorts whose file holds none."""
NEAREST: Final = 10
"""People of the cohort over whom the mean is taken."""
SAME_SENSOR: Final = 0.03
"""Taken off between clips of one sensor, which are more alike: or people whom the other sensor
enrolled would be harder to find beside them."""


@dataclass(frozen=True, eq=False)
class Cohort:
    """People to whom similarities are compared.

    Args:
        people: `(n, dimension)` float32 for each modality, of unit norm.
        weight: λ.
        sha256: of the file that both are kept in.
    """

    people: dict[Modality, Matrix]
    weight: float
    sha256: str

    @classmethod
    def of(cls, people: dict[Modality, Matrix]) -> tuple[Self, bytes]:
        """A cohort, and the file to keep it in.

        Args:
            people: `(n, dimension)` for each modality, the same people.
        """
        file = io.BytesIO()
        stacked = np.stack([people[modality] for modality in Modality]).astype(np.float16)
        np.savez(file, people=stacked, weight=np.float64(WEIGHT))
        return cls.parse(file.getvalue()), file.getvalue()

    @classmethod
    def parse(cls, file: bytes) -> Self:
        """A cohort from its file.

        Raises:
            BundleError: it is none.
        """
        try:
            held = np.load(io.BytesIO(file), allow_pickle=False)
            alone = isinstance(held, np.ndarray)
            stacked, weight = (held, EARLIER) if alone else (held["people"], float(held["weight"]))
        except (ValueError, EOFError, KeyError, TypeError, BadZipFile) as error:
            raise BundleError(f"not a cohort: {error}") from error
        if stacked.ndim != 3 or len(stacked) != len(Modality) or stacked.shape[1] < NEAREST:
            raise BundleError(f"got a cohort of shape {stacked.shape}: export the bundle again")
        if not 0 <= weight <= 1:
            raise BundleError(f"got a cohort of weight {weight}, need 0 to 1")
        unit = stacked.astype(np.float32)
        unit /= np.linalg.norm(unit, axis=2, keepdims=True)
        people = dict(zip(Modality, unit, strict=True))
        return cls(people, weight, hashlib.sha256(file).hexdigest())

    @property
    def id(self) -> str:
        """The first half of its SHA-256."""
        return self.sha256[:32]

    def of_template(self, modality: Modality, embedding: Vector) -> Shares:
        """What is taken off similarities to a template, for its part, by probes of each sensor."""
        one, two = (self.share(modality, embedding, seen_by) for seen_by in Modality)
        return Shares(self.id, (one, two))

    def share(self, modality: Modality, embedding: Vector, other: Modality) -> float:
        """What is taken off the similarity of an embedding to one of a sensor, for its part.

        The same to the bit whatever is computed beside it.

        Args:
            modality: of the embedding.
            embedding: `(dimension,)` float32.
            other: modality of what it is compared with.
        """
        similar = np.einsum("nd,d->n", self.people[other], embedding)
        nearest = np.sort(np.partition(similar, -NEAREST)[-NEAREST:]).astype(np.float64)
        return self.weight * float(nearest.mean()) + (modality == other) * SAME_SENSOR / 2

    def shares(self, modalities: NDArray[np.str_], embeddings: Matrix) -> NDArray[np.float64]:
        """What is taken off similarities of many embeddings: `(n, 2)`, to each modality."""
        found = []
        for modality in Modality:
            similar = embeddings @ self.people[modality].T
            nearest = np.partition(similar, -NEAREST, axis=1)[:, -NEAREST:]
            same = (modalities == modality) * SAME_SENSOR / 2
            found.append(self.weight * nearest.astype(np.float64).mean(axis=1) + same)
        return np.stack(found, axis=1)


def similarity_of(
    cohort: Cohort | None, one: tuple[Modality, Vector], two: tuple[Modality, Vector]
) -> float:
    """The similarity of two clips, given by modality and embedding, normalised by a cohort."""
    (first, a), (second, b) = one, two
    similarity = float(np.dot(a, b))
    if cohort is None:
        return similarity
    return similarity - cohort.share(first, a, second) - cohort.share(second, b, first)


def bundle_cohort(bundle: Path) -> Cohort | None:
    """The cohort that a model bundle carries.

    Raises:
        BundleError: there is no bundle, or its cohort is none of this version.
        BundleTamperedError: the cohort is not the one that was exported.
    """
    manifest = Manifest.load(bundle)
    return None if manifest.cohort is None else Cohort.parse(manifest.read(bundle, manifest.cohort))
