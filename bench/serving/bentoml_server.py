"""The same model behind BentoML, to be compared with.

BentoML is no requirement of this project and does not take the versions of our constraints:
`uv pip install --target FOLDER 'bentoml>=1.4'`, and put the folder on PYTHONPATH.
"""

import os
import sys
from pathlib import Path

import bentoml  # type: ignore[import-not-found]
import tyro

from bench.serving.plain_server import PATH, Arguments, Bare
from gait.cli import run
from gait.decode import decode_clip

BUNDLE, PEOPLE = "BENCH_BUNDLE", "BENCH_PEOPLE"
"""Its worker is a process of its own, which imports this file: it learns from its environment what
to serve."""


@bentoml.service(workers=1, traffic={"timeout": 120})
class Identify:
    """Decodes, embeds and searches one clip at a time, in the framework's threads."""

    def __init__(self) -> None:
        self.bare = Bare(Path(os.environ[BUNDLE]), int(os.environ[PEOPLE]))

    @bentoml.api(route=PATH)  # type: ignore[untyped-decorator]
    def identify(
        self,
        clip: Path,
        modality: str,  # noqa: ARG002
        top_k: int,  # noqa: ARG002
        purpose: str,  # noqa: ARG002
    ) -> list[dict[str, float]]:
        """The nearest rows of one clip."""
        decoded = decode_clip(clip.read_bytes(), style=self.bare.encoder.range_style).clip
        (found,) = self.bare.search(self.bare.embed([decoded]))
        return found


def main() -> None:
    """Serves until it is stopped."""
    given = tyro.cli(Arguments, prog="python -m bench.serving.bentoml_server")
    os.environ |= {BUNDLE: str(given.bundle), PEOPLE: str(given.people)}
    os.environ.setdefault("BENTOML_DO_NOT_TRACK", "True")
    words = ["serve", "bench.serving.bentoml_server:Identify", "--port", str(given.port)]
    os.execv(sys.executable, [sys.executable, "-m", "bentoml", *words])


if __name__ == "__main__":
    run(main)
