"""Templates as they travel: JSON in the pieces of a sealed file, read with no pickle.

The first piece is a `Head`; each of the others is an array of `Row`, with the embeddings in them.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Annotated

import numpy as np
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, TypeAdapter

from gait.errors import SubjectNotFoundError
from gait.modality import Modality
from gallery.gallery import Gallery
from gallery.template import Authorisation, Enrolment, Template, Vector

MOST_ROWS = 1024
"""Templates of a piece."""

_PAGE = 1000


class Head(BaseModel):
    """Which model the embeddings are of, and how long they are."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    contract: str
    dimension: Annotated[int, Field(ge=1)]


class Row(BaseModel):
    """A template as it travels; `embedding` is float32, little-endian."""

    model_config = ConfigDict(frozen=True, ser_json_bytes="base64", val_json_bytes="base64")
    subject: str
    modality: Modality
    source: Annotated[str, Field(max_length=65536)]
    frames: Annotated[int, Field(ge=1, le=10**9)]
    digest: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    authorisation: str
    expires: AwareDatetime
    embedding: bytes

    @classmethod
    def of(cls, template: Template, embedding: Vector) -> "Row":
        """A template of a gallery, without its id and the time of its enrolment."""
        data = embedding.astype("<f4").tobytes()
        return cls.model_validate(asdict(template) | {"embedding": data})

    def enrolment(self, dimension: int) -> Enrolment:
        """The enrolment it was.

        Raises:
            ValueError: the embedding has another length, or its norm is not 1.
            GalleryError: the name or the authorisation cannot be used.
        """
        vector = np.frombuffer(self.embedding, "<f4").astype(np.float32)
        if len(vector) != dimension:
            raise ValueError(f"an embedding has {len(vector)} numbers, need {dimension}")
        if not abs(np.linalg.norm(vector) - 1) < 1e-2:  # not: NaN fails as well
            raise ValueError("an embedding's norm is not 1")
        allowed = Authorisation(self.authorisation, self.expires)
        return Enrolment(
            self.subject, self.modality, vector, self.source, self.frames, self.digest, allowed
        )


ROWS = TypeAdapter(Annotated[list[Row], Field(max_length=MOST_ROWS)])


@dataclass
class Moved:
    """What became of the templates.

    Attributes:
        templates: that were written, or enrolled.
        present: that the gallery had already.
        expired: left out.
    """

    templates: int = 0
    present: int = 0
    expired: int = 0


def every_template(gallery: Gallery) -> Iterator[Template]:
    """All templates, by subject; those of somebody erased meanwhile may be left out."""
    after: str | None = None
    while page := gallery.subjects(after, _PAGE):
        for subject in page:
            try:
                yield from gallery.templates(subject.name)
            except SubjectNotFoundError:
                continue  # erased just now
        after = page[-1].name
