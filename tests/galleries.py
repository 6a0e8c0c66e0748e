"""The tiny bundle, clips of patterned people, and galleries of random embeddings."""

import hashlib
import shutil
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gait.clip import Clip
from gait.manifest import FileRecord, Manifest, contract_id
from gait.modality import Modality
from gait.range_style import RangeStyle
from gallery.record.plain_template import PlainTemplate
from gallery.search.cohort import Cohort
from gallery.template import Authorisation, Enrolment

TINY = Path(__file__).parent / "data" / "tiny_bundle"
VARIANTS = Path(__file__).parent / "data" / "tiny_variants"
"""The same network in every arithmetic."""

DIMENSION = 256
"""Of the tiny bundle: 16 parts of 16 numbers."""

AUTHORISATION = Authorisation("consent 17", datetime(2999, 1, 1, tzinfo=UTC))
AUTHORISED = ("--authorisation", "consent 17", "--expires", "2999-01-01", "--quality", "off")
"""The same as arguments of `gallery.build`; the clips of most tests show nobody."""


def random_embeddings(count: int, seed: int = 0, dimension: int = DIMENSION) -> NDArray[np.float32]:
    """`(count, dimension)` of norm 1."""
    vectors = np.random.default_rng(seed).standard_normal((count, dimension), np.float32)
    unit: NDArray[np.float32] = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return unit


def stored(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Embeddings `(count, DIMENSION)` as a gallery keeps them."""
    return np.array([PlainTemplate.of(vector).embedding for vector in vectors])


def enrolment(
    subject: str,
    embedding: NDArray[np.float32],
    modality: Modality = Modality.SILHOUETTE,
    source: str = "test",
    authorisation: Authorisation = AUTHORISATION,
) -> Enrolment:
    """An enrolment whose digest is that of the embedding."""
    digest = hashlib.sha256(embedding.tobytes()).hexdigest()
    return Enrolment(subject, modality, embedding, source, 10, digest, authorisation)


def enrolments(subjects: Sequence[str], seed: int = 0) -> list[Enrolment]:
    """One random silhouette enrolment of each."""
    vectors = random_embeddings(len(subjects), seed)
    return [enrolment(subject, vector) for subject, vector in zip(subjects, vectors, strict=True)]


def walk(person: int, frames: int, modality: Modality, seed: int = 0) -> Clip:
    """A clip of a person: a blocky pattern of that person, and noise that differs by seed."""
    rng = np.random.default_rng(person)
    pattern = rng.integers(0, 200, (3, 8, 8)).repeat(8, axis=1).repeat(8, axis=2)
    noise = np.random.default_rng((person, seed)).integers(0, 56, (frames, 3, 64, 64))
    return Clip((pattern + noise)[:, : modality.channels].astype(np.uint8), modality)


def other_bundle(folder: Path) -> Path:
    """A copy of the tiny bundle that counts as another model: one file has a byte more."""
    shutil.copytree(TINY, folder)
    manifest = Manifest.load(TINY)
    name = manifest.models[Modality.SILHOUETTE].file
    data = (TINY / name).read_bytes() + b"\0"
    (folder / name).write_bytes(data)
    files = manifest.files | {name: FileRecord.of(data)}
    contract = contract_id(manifest.models, files)
    manifest.model_copy(update={"files": files, "contract": contract}).save(folder)
    return folder


def bundle_with_cohort(folder: Path, people: int = 24) -> Path:
    """A copy of the tiny bundle with a cohort of random people."""
    shutil.copytree(TINY, folder)
    _, file = Cohort.of({m: random_embeddings(people, seed=90 + len(m)) for m in Modality})
    (folder / "cohort.npz").write_bytes(file)
    manifest = Manifest.load(TINY)
    files = manifest.files | {"cohort.npz": FileRecord.of(file)}
    manifest.model_copy(update={"files": files, "cohort": "cohort.npz"}).save(folder)
    return folder


def scattering(bundle: Path, folder: Path) -> Path:
    """The bundle with a manifest that says its network was trained on scatter plots."""
    shutil.copytree(bundle, folder)
    manifest = Manifest.load(folder)
    inputs = manifest.inputs.model_copy(update={"range_style": RangeStyle.SCATTER})
    contract = contract_id(manifest.models, manifest.files, range_style=inputs.range_style)
    manifest.model_copy(update={"inputs": inputs, "contract": contract}).save(folder)
    return folder
