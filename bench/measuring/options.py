"""Command-line options that several commands share, each spelt and explained once."""

from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg

Json = Annotated[bool, arg(name="json", help="Print JSON instead of the table.")]
OutFile = Annotated[Path | None, arg(help="A file that gets everything as JSON.")]
Bundle = Annotated[Path, arg(help="Model bundle of export.onnx.")]
Checkpoint = Annotated[Path, arg(help="Checkpoint of train.run.")]
Preset = Annotated[Positional[str], arg(help="Name of a file in configs/, or a .yaml file.")]
OtherPeople = Annotated[
    Path | None, arg(help="Pack of train.pack with other people than the configuration's.")
]
Dataset = Annotated[
    Path, arg(help="Tree in SUSTech1K's layout of simulated people the model was not trained on.")
]
EmbeddingCache = Annotated[Path, arg(help="Folder where the embeddings of walks are kept.")]
EMBEDDING_CACHE = Path("work/bench")
