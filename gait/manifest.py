"""The manifest of a model bundle: all that the runtime must know about a model, and its identity.

A bundle is a folder with `silhouette.onnx`, `range_view.onnx`, `parity.json` and `manifest.json`.
The hashes find files that were changed or mixed up after the export; they are not a signature, so
whoever can rewrite the manifest too is not kept out.
"""

import base64
import hashlib
import json
from datetime import datetime
from pathlib import Path
from typing import Annotated, Final, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import (
    Base64Bytes,
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    ValidationError,
    model_validator,
)

from gait.clip import Frames
from gait.errors import BundleError, BundleTamperedError
from gait.modality import SIZE, Modality

MANIFEST = "manifest.json"
METRIC: Final = "mean_part_cosine"
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
FileName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_]+(\.[A-Za-z0-9_]+)*$")]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class FileRecord(_Frozen):
    """Hash and size in bytes of one file of the bundle."""

    sha256: Sha256
    size: int = Field(ge=0)

    @classmethod
    def of(cls, data: bytes) -> "FileRecord":
        """The record of these bytes."""
        return cls(sha256=hashlib.sha256(data).hexdigest(), size=len(data))


class Shape(_Frozen):
    """Shape of what the network gives for a clip: `(parts, dim)`, each part of unit norm."""

    parts: int = Field(ge=1)
    dim: int = Field(ge=1)


class Inputs(_Frozen):
    """What the graphs take. The values are fixed: another layout is another schema version."""

    frames: Literal["uint8 (n, s, c, 64, 64)"] = "uint8 (n, s, c, 64, 64)"
    lengths: Literal["int64 (n,), frames in use of each clip, the rest is padding"] = (
        "int64 (n,), frames in use of each clip, the rest is padding"
    )
    size: Literal[64] = 64
    normalisation: Literal["value / 255, inside the graph"] = "value / 255, inside the graph"


class Golden(_Frozen):
    """Clips anyone can make again from a seed, and the embedding the trained network gives them.

    Args:
        seed: start of the byte stream, see `noise_frames`.
        lengths: frames in use of each clip.
        embedding: `(n, parts, dim)` from the trained network in torch; in the file it is base64 of
            little-endian float32.
    """

    seed: int
    lengths: tuple[Annotated[int, Field(ge=1)], ...] = Field(min_length=1)
    embedding: Base64Bytes

    @classmethod
    def of(cls, seed: int, lengths: tuple[int, ...], embedding: NDArray[np.float32]) -> "Golden":
        """The golden embedding `(n, parts, dim)` of clips of these lengths."""
        data = embedding.astype("<f4").tobytes()
        return cls(seed=seed, lengths=lengths, embedding=base64.b64encode(data))

    def frames(self, modality: Modality) -> Frames:
        """Frames `(n, max(lengths), c, 64, 64)`, the same on every machine and version."""
        return noise_frames(self.seed, len(self.lengths), max(self.lengths), modality)

    def embeddings(self) -> NDArray[np.float32]:
        """The embedding, float32 `(n, parts * dim)`."""
        flat = np.frombuffer(self.embedding, "<f4").astype(np.float32)
        return flat.reshape(len(self.lengths), -1)


class Model(_Frozen):
    """One graph of the bundle."""

    file: FileName
    channels: int
    golden: Golden


class Origin(_Frozen):
    """What the bundle was made from."""

    sha256: Sha256
    iteration: int = Field(ge=0)


class Manifest(_Frozen):
    """Everything the runtime knows about a model. Only a consistent one can be made.

    Args:
        schema_version: of this manifest.
        contract: identity of the embedding space, see `contract_id`.
        created: when the bundle was written, UTC.
        simulated: whether the network was trained on simulated people.
        metric: similarity of two embeddings: the mean over parts of the parts' cosine.
        files: every other file of the bundle by name.
        training: the resolved training configuration.
        versions: packages the bundle was made with.
    """

    schema_version: Literal[1] = 1
    contract: str
    created: datetime
    simulated: bool
    metric: Literal["mean_part_cosine"] = METRIC
    embedding: Shape
    inputs: Inputs = Inputs()
    models: dict[Modality, Model]
    files: dict[FileName, FileRecord]
    checkpoint: Origin
    training: dict[str, JsonValue]
    versions: dict[str, str]

    @model_validator(mode="after")
    def _consistent(self) -> "Manifest":
        if missing := set(Modality) - set(self.models):
            raise ValueError(f"no model for {sorted(missing)}")
        for modality, model in self.models.items():
            if model.file not in self.files:
                raise ValueError(f"{model.file} has no hash")
            if model.channels != modality.channels:
                raise ValueError(f"{model.file} takes {model.channels} channels")
            size = 4 * len(model.golden.lengths) * self.dimension
            if len(model.golden.embedding) != size:
                raise ValueError(f"the golden embedding of {model.file} is not {size} bytes")
        if self.contract != (want := contract_id(self.models, self.files)):
            raise BundleTamperedError(
                f"the manifest's contract is {self.contract}, but its hashes give {want}: "
                "it was edited after the export; export the bundle again"
            )
        return self

    @property
    def dimension(self) -> int:
        """Length of an embedding laid flat, `parts * dim`."""
        return self.embedding.parts * self.embedding.dim

    @classmethod
    def load(cls, bundle: Path) -> "Manifest":
        """Reads and checks `bundle/manifest.json`. `contents` checks the other files.

        Raises:
            BundleError: there is no bundle, or its manifest is not one this version reads.
        """
        path = bundle / MANIFEST
        try:
            text = path.read_bytes()
        except (FileNotFoundError, NotADirectoryError) as error:
            raise BundleError(
                f"{bundle} is not a model bundle: it has no {MANIFEST}; "
                "make one with `python -m export.onnx ckpt.pt`"
            ) from error
        try:
            return cls.model_validate_json(text)
        except ValidationError as error:
            raise BundleError(
                f"{path} is not a manifest this version reads: {_first(error)}"
            ) from error

    def save(self, bundle: Path) -> None:
        """Writes `bundle/manifest.json`."""
        (bundle / MANIFEST).write_text(self.model_dump_json(indent=1) + "\n", encoding="utf-8")

    def read(self, bundle: Path, name: str) -> bytes:
        """The bytes of a file of the bundle, after its hash was checked.

        Raises:
            BundleTamperedError: the file is missing or is not the one that was exported.
        """
        try:
            data = (bundle / name).read_bytes()
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
            raise BundleTamperedError(f"{bundle} has no {name}: export the bundle again") from error
        if (got := FileRecord.of(data)) != self.files[name]:
            raise BundleTamperedError(
                f"{bundle / name} is not the file that was exported: sha256 {got.sha256[:12]} "
                f"({got.size} bytes), the manifest says {self.files[name].sha256[:12]} "
                f"({self.files[name].size} bytes); export the bundle again"
            )
        return data

    def contents(self, bundle: Path) -> dict[str, bytes]:
        """Every other file of the bundle by name, after its hash was checked.

        Raises:
            BundleTamperedError: a file is missing or is not the one that was exported.
        """
        return {name: self.read(bundle, name) for name in self.files}


def contract_id(models: dict[Modality, Model], files: dict[str, FileRecord]) -> str:
    """Identity of an embedding space: embeddings may be compared if and only if it is equal.

    The first 32 hex digits of the SHA-256 over both graphs' hashes and the metric, as sorted JSON.
    """
    identity = {str(modality): files[model.file].sha256 for modality, model in models.items()}
    text = json.dumps({"metric": METRIC, "models": identity}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def noise_frames(seed: int, clips: int, frames: int, modality: Modality) -> Frames:
    """Uniform noise `(clips, frames, c, 64, 64)`, a function of the arguments alone.

    The bytes are SHAKE-256 of a text, because no random generator promises its stream for ever.
    """
    shape = (clips, frames, modality.channels, SIZE, SIZE)
    stream = hashlib.shake_256(f"{modality} {seed}".encode()).digest(int(np.prod(shape)))
    noise: NDArray[np.uint8] = np.frombuffer(stream, np.uint8).reshape(shape)
    return noise


def _first(error: ValidationError) -> str:
    problem = error.errors()[0]
    place = ".".join(str(part) for part in problem["loc"])
    return f"{place}: {problem['msg']}" if place else problem["msg"]
