"""The same model behind a plain FastAPI handler, and without any server, to be compared with.

python -m bench.serving.plain_server --bundle bundle --port 8001

It decodes the clip, embeds it and searches a matrix of embeddings; there are no keys, audit
records, store, limits or deletion.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tyro
import uvicorn
from fastapi import FastAPI, UploadFile

from bench.measuring.options import Bundle
from gait.cli import run
from gait.clip import Clip
from gait.decode import decode_clip
from gallery.network.encoder import Encoder
from gallery.template import Matrix

PATH = "/v1/identify"
TOP = 5


class Bare:
    """An encoder and a matrix of random embeddings that is searched.

    Args:
        bundle: folder of the model.
        people: rows of the matrix.
    """

    def __init__(self, bundle: Path, people: int) -> None:
        self.encoder = Encoder.load(bundle)
        shape = (people, self.encoder.manifest.dimension)
        self._gallery = np.random.default_rng(0).standard_normal(shape, np.float32)

    def embed(self, clips: Sequence[Clip]) -> Matrix:
        """Embeddings of clips."""
        return self.encoder.embed(clips)

    def search(self, embeddings: Matrix) -> list[list[dict[str, float]]]:
        """The nearest rows of each embedding."""
        similarities = embeddings @ self._gallery.T
        nearest = np.argsort(-similarities, axis=1)[:, :TOP]
        return [
            [{"subject": int(row), "similarity": float(of[row])} for row in rows]
            for of, rows in zip(similarities, nearest, strict=True)
        ]


def plain(bare: Bare) -> FastAPI:
    """The handler that everybody writes first: one clip at a time, in the framework's threads."""
    app = FastAPI()

    @app.get("/readyz")
    def ready() -> dict[str, str]:
        return {"status": "ready"}

    @app.post(PATH)
    def identify(clip: UploadFile) -> list[dict[str, float]]:
        decoded = decode_clip(clip.file.read(), style=bare.encoder.range_style).clip
        (found,) = bare.search(bare.embed([decoded]))
        return found

    return app


@dataclass(frozen=True)
class Arguments:
    """Serves the model without anything around it, to be compared with.

    Args:
        port: TCP port on this machine.
        people: embeddings that are searched.
    """

    bundle: Bundle
    port: int
    people: int = 64


def main() -> None:
    """Serves until it is stopped."""
    given = tyro.cli(Arguments, prog="python -m bench.serving.plain_server")
    app = plain(Bare(given.bundle, given.people))
    uvicorn.run(app, port=given.port, log_level="warning", access_log=False)


if __name__ == "__main__":
    run(main)
