"""The same model behind LitServe, with its batching, to be compared with.

LitServe is no requirement of this project: `pip install --target FOLDER litserve`, with our
constraints, and put the folder on PYTHONPATH.
"""

from pathlib import Path
from typing import Any

import litserve  # type: ignore[import-not-found]
import tyro

from bench.serving.plain_server import PATH, Arguments, Bare
from gait.cli import run
from gait.clip import Clip
from gait.decode import decode_clip
from gait.manifest import Manifest

Found = list[dict[str, float]]


class Identify(litserve.LitAPI):  # type: ignore[misc]
    """Decodes, embeds and searches batches of up to 16 clips that came within 5 ms."""

    def __init__(self, bundle: Path, people: int) -> None:
        super().__init__(max_batch_size=16, batch_timeout=0.005, api_path=PATH)
        self.bundle, self.people = bundle, people
        self.style = Manifest.load(bundle).inputs.range_style

    def setup(self, device: str) -> None:  # noqa: ARG002
        self.bare = Bare(self.bundle, self.people)

    def decode_request(self, request):  # type: ignore[no-untyped-def]
        # No annotation: LitServe takes one as the type of the body.
        return decode_clip(request["clip"].file.read(), style=self.style).clip

    def batch(self, inputs: list[Clip]) -> list[Clip]:
        return inputs

    def predict(self, clips: list[Clip]) -> list[Found]:
        return self.bare.search(self.bare.embed(clips))

    def unbatch(self, output: list[Found]) -> list[Found]:
        return output

    def encode_response(self, output: Found) -> dict[str, Any]:
        return {"candidates": output}


def main() -> None:
    """Serves until it is stopped."""
    given = tyro.cli(Arguments, prog="python -m bench.serving.litserve_server")
    server = litserve.LitServer(
        Identify(given.bundle, given.people),
        accelerator="cpu",
        healthcheck_path="/readyz",
        timeout=120,
    )
    server.run(
        host="127.0.0.1",
        port=given.port,
        num_api_servers=1,
        log_level="warning",
        generate_client_file=False,
    )


if __name__ == "__main__":
    run(main)
