"""The manifest of a model bundle: all the runtime must know about a model, and its fingerprint.

A bundle is a folder with `silhouette.onnx`, `range_view.onnx`, perhaps the same in other arithmetic
(`silhouette_int8.onnx`, …), `parity.json` and `manifest.json`.
The hashes find files that were changed or mixed up after the export; they are not a signature, so
whoever can rewrite the manifest too is not kept out.
"""

import hashlib
import json
from datetime import datetime
from pathlib import Path
from typing import Final, Literal

from pydantic import Field, JsonValue, ValidationError, model_validator

from gait.errors import BundleError, BundleTamperedError
from gait.frozen import FileName, Frozen, Sha256
from gait.modality import Modality
from gait.range_style import RangeStyle
from gait.variant import Build, Model, Variant

MANIFEST = "manifest.json"
METRIC: Final = "mean_part_cosine"
VERSION: Final = 3


class FileRecord(Frozen):
    """Hash and size in bytes of one file of the bundle."""

    sha256: Sha256
    size: int = Field(ge=0)

    @classmethod
    def of(cls, data: bytes) -> "FileRecord":
        """The record of these bytes."""
        return cls(sha256=hashlib.sha256(data).hexdigest(), size=len(data))


class Shape(Frozen):
    """Shape of what the network gives for a clip: `(parts, dim)`, each part of unit norm."""

    parts: int = Field(ge=1)
    dim: int = Field(ge=1)


class Inputs(Frozen):
    """What the graphs take. The layout is fixed: another one is another schema version.

    Args:
        frames, index, size, normalisation: of the graphs' inputs.
        range_style: how the range views were drawn that the network was trained on, and so how
            point clouds are drawn for it. Bundles of before there were two styles say nothing.
    """

    frames: Literal["uint8 (f, c, 64, 64)"] = "uint8 (f, c, 64, 64)"
    index: Literal["int64 (n, s), the rows of frames that are a clip's, -1 beyond its end"] = (
        "int64 (n, s), the rows of frames that are a clip's, -1 beyond its end"
    )
    size: Literal[64] = 64
    normalisation: Literal["value / 255, inside the graph"] = "value / 255, inside the graph"
    range_style: RangeStyle = Field(
        default=RangeStyle.BINS, exclude_if=lambda style: style == RangeStyle.BINS
    )


class Origin(Frozen):
    """What the bundle was made from."""

    sha256: Sha256
    iteration: int = Field(ge=0)


class Manifest(Frozen):
    """Everything the runtime knows about a model. Only a consistent one can be made.

    Args:
        schema_version: of this manifest.
        contract: fingerprint of the embedding space, see `contract_id`.
        created: when the bundle was written, UTC.
        simulated: whether the network was trained on simulated people.
        metric: similarity of two embeddings: the mean over parts of the parts' cosine.
        variants: the networks in each arithmetic; fp32 is always there.
        calibration: file of what similarities mean (`gallery.decision.calibration`); None where the
            model was exported without people to learn it from.
        cohort: file of people by whom similarities are normalised (`gallery.search.cohort`); None
            where they are not.
        centre: file of what is taken off embeddings at a site (`gallery.network.site_centre`); None
            where nothing is.
        files: every other file of the bundle by name.
        training: the resolved training configuration.
        versions: packages the bundle was made with.
    """

    schema_version: Literal[3] = VERSION
    contract: str
    created: datetime
    simulated: bool
    metric: Literal["mean_part_cosine"] = METRIC
    embedding: Shape
    inputs: Inputs = Inputs()
    variants: dict[Variant, Build]
    calibration: FileName | None = None
    cohort: FileName | None = None
    centre: FileName | None = None
    files: dict[FileName, FileRecord]
    checkpoint: Origin
    training: dict[str, JsonValue]
    versions: dict[str, str]

    @model_validator(mode="after")
    def _consistent(self) -> "Manifest":
        if Variant.FP32 not in self.variants:
            raise ValueError("no fp32 variant, which every bundle has")
        for name in (self.calibration, self.cohort, self.centre):
            if name is not None and name not in self.files:
                raise ValueError(f"{name} has no hash")
        for variant, build in self.variants.items():
            if missing := set(Modality) - set(build.models):
                raise ValueError(f"no {variant} model for {sorted(missing)}")
            for modality, model in build.models.items():
                self._check(modality, model)
            if variant is not Variant.FP32 and build.accuracy is None:
                raise ValueError(f"nothing shows that {variant} may stand in for fp32")
        style = self.inputs.range_style
        if self.contract != (want := contract_id(self.models, self.files, self.centre, style)):
            raise BundleTamperedError(
                f"the manifest's contract is {self.contract}, but its hashes give {want}: "
                "it was edited after the export; export the bundle again"
            )
        return self

    def _check(self, modality: Modality, model: Model) -> None:
        if model.file not in self.files:
            raise ValueError(f"{model.file} has no hash")
        if model.channels != modality.channels:
            raise ValueError(f"{model.file} takes {model.channels} channels")
        size = 4 * len(model.golden.lengths) * self.dimension
        if len(model.golden.embedding) != size:
            raise ValueError(f"the golden embedding of {model.file} is not {size} bytes")

    @property
    def models(self) -> dict[Modality, Model]:
        """The fp32 graphs, which the embedding space is named after."""
        return self.variants[Variant.FP32].models

    def size(self, variant: Variant) -> int:
        """Bytes of the graphs of a variant."""
        return sum(self.files[model.file].size for model in self.variants[variant].models.values())

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
        _check_version(path, text)
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


def contract_id(
    models: dict[Modality, Model],
    files: dict[str, FileRecord],
    centre: str | None = None,
    range_style: RangeStyle = RangeStyle.BINS,
) -> str:
    """Identity of an embedding space: embeddings may be compared if and only if it is equal.

    The first 32 hex digits of the SHA-256 over both fp32 graphs' hashes, that of a site's centre if
    there is one, how points are drawn if not in bins, and the metric, as sorted JSON. The other
    variants of a bundle share it: none is let in whose embeddings are not found among those of
    fp32, and the other way round, as well as the trained network's are.
    """
    hashes = {str(modality): files[model.file].sha256 for modality, model in models.items()}
    own = {} if centre is None else {"centre": files[centre].sha256}
    if range_style is not RangeStyle.BINS:
        own["range_style"] = str(range_style)
    text = json.dumps({"metric": METRIC, "models": hashes, **own}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def is_bundle(folder: Path) -> bool:
    """Whether a folder holds a bundle, of this version or of another one, whole or not.

    Raises:
        OSError: it cannot be read.
    """
    try:
        said = json.loads((folder / MANIFEST).read_bytes())
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return False
    return isinstance(said, dict) and {"schema_version", "contract"} <= set(said)


def _check_version(path: Path, text: bytes) -> None:
    """Tells a bundle of another release from one that is damaged."""
    try:
        version = json.loads(text).get("schema_version")
    except (ValueError, AttributeError):
        return  # what is wrong with it is said by whoever validates it
    if isinstance(version, int) and version != VERSION:
        raise BundleError(
            f"{path} has schema_version {version}, this release reads {VERSION}: export the "
            "checkpoint again; galleries made with the old bundle then need gallery.reembed"
        )


def _first(error: ValidationError) -> str:
    problem = error.errors()[0]
    place = ".".join(str(part) for part in problem["loc"])
    return f"{place}: {problem['msg']}" if place else problem["msg"]
