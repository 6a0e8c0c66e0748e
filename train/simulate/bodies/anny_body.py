"""Builds the body basis from Anny once, and keeps the part we need in our own cache.

Anny (NAVER, arXiv:2511.03589): Apache-2.0 code, CC0 body data inside its wheel; nothing is
downloaded. Its first build takes about a minute and leaves over a gigabyte of intermediate
files; these go to a temporary folder and are removed.
"""

import hashlib
import json
import os
import re
import shutil
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor
from importlib.metadata import version
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock
from numpy.typing import NDArray

from train.simulate.bodies.basis import BodyBasis
from train.simulate.bodies.surface import sample_mesh, vertex_normals
from train.simulate.movement.motion import SEGMENTS

Array = NDArray[np.float32]

POINTS = 10_000
"""Surface samples: about 1.4 cm apart."""
_SCRATCH = "building-"
_LAYOUT = 1
"""Raised when what is kept changes."""
_TO_OURS = np.array([[0, -1, 0], [1, 0, 0], [0, 0, 1]], np.float32)
"""Anny faces −y with its left at +x; we face +x with the left at +y."""

_HEADS = {
    "pelvis": "root",
    "lumbar": "spine04",
    "thorax": "spine02",
    "neck": "neck01",
    "head": "head",
    "clavicle": "clavicle",
    "upper_arm": "upperarm01",
    "forearm": "lowerarm01",
    "hand": "wrist",
    "thigh": "upperleg01",
    "shank": "lowerleg01",
    "foot": "foot",
    "toes": "toe2-1",
}
_BONES = {
    "pelvis": r"root|pelvis|spine05",
    "lumbar": r"spine0[34]",
    "thorax": r"spine0[12]|breast",
    "neck": r"neck\d+",
    "head": r"head|eye",
    "clavicle": r"clavicle|shoulder01",
    "upper_arm": r"upperarm0[12]",
    "forearm": r"lowerarm0[12]",
    "hand": r"wrist|metacarpal\d|finger\d-\d",
    "thigh": r"upperleg0[12]",
    "shank": r"lowerleg0[12]",
    "foot": r"foot",
    "toes": r"toe\d-\d",
}
_FINE = re.compile(
    r"finger|hand-trans|foot-trans|trans-out|trans-forward|point|navel|pregnant|-age-"
)
_COARSE = re.compile(
    r"(measure|head|neck|torso|hip|stomach|buttocks|breast|upperlegs|lowerlegs|bulge"
    r"|[lr]-(upperarm|lowerarm|upperleg|lowerleg|leg|hand|foot))-"
)


def cache_folder() -> Path:
    """`$DIFFCROSSGAIT_CACHE`, or `~/.cache/diffcrossgait`."""
    default = Path.home() / ".cache" / "diffcrossgait"
    return Path(os.environ.get("DIFFCROSSGAIT_CACHE", default))


def basis_file() -> Path:
    """The cached basis; built first, by one process, if it is missing or damaged."""
    folder = cache_folder() / f"body-{_LAYOUT}-anny-{version('anny')}-{POINTS}"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{folder}.lock"):
        if not _intact(folder):
            shutil.rmtree(folder, ignore_errors=True)
            _build_into(folder)
    return folder / "basis.npz"


def _intact(folder: Path) -> bool:
    """Whether the basis has the hash that was noted when it was written."""
    try:
        noted = json.loads((folder / "manifest.json").read_text())["sha256"]
        with (folder / "basis.npz").open("rb") as file:
            return bool(hashlib.file_digest(file, "sha256").hexdigest() == noted)
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _build_into(folder: Path) -> None:
    """Builds in another process, so that torch and its threads are gone afterwards."""
    for abandoned in folder.parent.glob(f"{_SCRATCH}*"):
        shutil.rmtree(abandoned, ignore_errors=True)
    print("building the body model; this happens once and takes about a minute", file=sys.stderr)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=_SCRATCH) as scratch:
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
            pool.submit(_build, Path(scratch)).result()
        (Path(scratch) / "basis").rename(folder)


def _build(scratch: Path) -> None:
    os.environ["WARP_CACHE_PATH"] = str(scratch / "warp")
    os.dup2(2, 1)  # libraries announce themselves on stdout, which belongs to results
    import anny
    import torch
    from anny.paths import set_anny_cache_path

    torch.set_num_threads(1)
    set_anny_cache_path(scratch / "anny")
    made = scratch / "basis"
    made.mkdir()
    keep(extract(anny.Anny(local_changes="default", skinning_method="lbs")), made)


def keep(basis: BodyBasis, folder: Path) -> None:
    """Writes a basis and a manifest with its sha256 to a folder."""
    path = folder / "basis.npz"
    basis.save(path)
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    manifest = {"sha256": digest, "anny": version("anny"), "points": len(basis.points)}
    (folder / "manifest.json").write_text(json.dumps(manifest))


def extract(model: Any) -> BodyBasis:
    """Samples an Anny model's surface and keeps its coarse shape changes.

    Args:
        model: an `anny.Anny` with the default local changes.
    """
    mean = model(phenotype_kwargs={"age": 0.8})["rest_vertices"][0].detach().numpy()
    faces = model.faces.numpy().astype(np.int64)
    outside = (mean @ _TO_OURS.T).astype(np.float32)
    surface = sample_mesh(outside, faces, POINTS, seed=0)
    names, mix = _coarse_changes(list(model.local_change_labels), len(model.blendshapes))
    bones = list(model.bone_labels)

    def ours(values: Array) -> Array:
        return np.asarray(values @ _TO_OURS.T, np.float32)

    def mixed(values: Array) -> Array:
        return ours(np.tensordot(mix, values, axes=1))

    joints = _joint_picker(bones)
    shapes = mixed(model.blendshapes.numpy())
    return BodyBasis(
        points=surface.take(ours(model.template_vertices.numpy())),
        normals=surface.take(vertex_normals(outside, faces)),
        weights=surface.take(_segment_weights(model, bones)),
        joints=joints @ ours(model.template_bone_heads.numpy()),
        components=np.stack([surface.take(shape) for shape in shapes]),
        joint_components=joints @ mixed(model.bone_heads_blendshapes.numpy()),
        mask=model.stacked_phenotype_blend_shapes_mask.numpy().astype(np.float32),
        projection=model.phenotype_blendshape_projection.numpy().astype(np.float32),
        local_changes=np.array(names),
    )


def _coarse_changes(labels: list[str], rows: int) -> tuple[list[str], Array]:
    """Names of the changes kept, and the `(k, rows)` matrix that keeps them.

    Left and right change together, and what is finer than a pixel (faces, fingers) is left out.
    """
    first = rows - 2 * len(labels)
    groups: dict[str, list[int]] = {}
    for index, label in enumerate(labels):
        if _COARSE.match(label) and not _FINE.search(label):
            groups.setdefault(re.sub(r"^[lr]-", "", label), []).append(first + 2 * index)
    mix = np.zeros((first + 2 * len(groups), rows), np.float32)
    mix[:first, :first] = np.eye(first)
    for row, members in enumerate(groups.values()):
        for way in (0, 1):
            mix[first + 2 * row + way, [member + way for member in members]] = 1
    return list(groups), mix


def _joint_picker(bones: list[str]) -> Array:
    """`(23, bones)`: heads of the segments, toes at their middle, then where fingers begin."""
    picked = np.zeros((len(SEGMENTS) + 2, len(bones)), np.float32)
    for index, segment in enumerate(SEGMENTS):
        kind, dot, side = segment.partition(".")
        picked[index, bones.index(_HEADS[kind] + dot + side)] = 1
    for index, side in enumerate("LR"):
        picked[len(SEGMENTS) + index, bones.index(f"finger3-1.{side}")] = 1
    return picked


def _segment_weights(model: Any, bones: list[str]) -> Array:
    """`(vertices, 21)`: the bones' skinning weights summed over each segment's bones."""
    owner = np.array([_segment_of(bone) for bone in bones])
    indices = model.vertex_bone_indices.numpy()
    weights = np.zeros((len(indices), len(SEGMENTS)), np.float32)
    rows = np.arange(len(indices))[:, None]
    np.add.at(weights, (rows, owner[indices]), model.vertex_bone_weights.numpy())
    return weights


def _segment_of(bone: str) -> int:
    stem, dot, side = bone.partition(".")
    kind = next(kind for kind, pattern in _BONES.items() if re.fullmatch(pattern, stem))
    return SEGMENTS.index(kind + dot + side if kind + dot + side in SEGMENTS else kind)
