"""The collection of templates: one row each, and a vector index over them."""

from collections.abc import Iterator, Sequence
from contextlib import closing
from typing import NamedTuple, TypeVar

import numpy as np

from gait.errors import GalleryError
from gait.modality import Modality
from gallery.admission import no_template
from gallery.milvus.server import PAGE, TIMEOUT, Row, Server, translated
from gallery.template import Candidate, Enrolment, Matrix, Template, Vector, iso_time

T = TypeVar("T")

MOST_FOUND = 16384
"""Results of one search; Milvus gives no more."""

_TEXT_LIMIT = 65535
_BYTES = 8 * 1024 * 1024
"""Of the embeddings in one request; Milvus takes 64 MB."""
_PLAIN = (
    *("id", "sid", "subject", "modality", "source", "frames", "created", "authorisation"),
    *("expires", "digest", "revision"),
)


class Owner(NamedTuple):
    """A template's id, its subject's, and its clip's digest."""

    id: int
    sid: int
    digest: str


class Templates:
    """The rows of one collection. A condition is one of Milvus, without text from outside."""

    def __init__(self, server: Server, collection: str, dimension: int) -> None:
        self._server, self._collection = server, collection
        self._page = max(1, _BYTES // (4 * dimension))
        self.dimension = dimension

    def exists(self) -> bool:
        """Whether the collection is there."""
        with translated(self._server.address):
            return bool(self._server.client.has_collection(self._collection))

    def create(self) -> None:
        """Makes the collection, with the index that the URL names."""
        from pymilvus import DataType

        client = self._server.client
        with translated(self._server.address):
            schema = client.create_schema(auto_id=False, enable_dynamic_field=False)
            schema.add_field("id", DataType.INT64, is_primary=True)
            for name in ("sid", "frames", "expires", "revision"):
                schema.add_field(name, DataType.INT64)
            texts = {"subject": 512, "modality": 16, "created": 32, "digest": 64}
            for name, limit in (texts | {"source": _TEXT_LIMIT, "authorisation": 1024}).items():
                schema.add_field(name, DataType.VARCHAR, max_length=limit)
            schema.add_field("embedding", DataType.FLOAT_VECTOR, dim=self.dimension)
            index = client.prepare_index_params()
            kind, numbers = self._server.address.building()
            index.add_index("embedding", index_type=kind, metric_type="IP", params=numbers)
            index.add_index("sid", index_type="INVERTED")
            client.create_collection(
                self._collection, schema=schema, index_params=index, num_shards=1
            )

    def load(self) -> None:
        """Makes the collection ready to be searched."""
        with translated(self._server.address):
            self._server.client.load_collection(self._collection)

    def index(self) -> str:
        """Type of the vector index, in Milvus's words."""
        with translated(self._server.address):
            described = self._server.client.describe_index(self._collection, "embedding")
        return str(described["index_type"])

    def drop(self) -> None:
        """Deletes the collection."""
        with translated(self._server.address):
            self._server.client.drop_collection(self._collection)

    def add(self, rows: Sequence[Row]) -> None:
        """Adds rows whose ids are new."""
        for some in self._portions(rows):
            self._server.insert(self._collection, some)

    def replace(self, rows: Sequence[Row]) -> None:
        """Writes rows in place of those with the same ids."""
        for some in self._portions(rows):
            self._server.upsert(self._collection, some)

    def delete(self, ids: Sequence[int]) -> None:
        """Takes templates out of search."""
        for start in range(0, len(ids), PAGE):
            self._server.delete(self._collection, f"id in {list(ids[start : start + PAGE])}")

    def forget_after(self, revision: int) -> None:
        """Deletes what was written but never committed."""
        self._server.delete(self._collection, f"revision > {revision}")

    def purge(self) -> None:
        """Asks Milvus to write the deletions out and to merge what is deleted away."""
        with translated(self._server.address):
            self._server.client.flush(self._collection, timeout=TIMEOUT)
            self._server.client.compact(self._collection)

    def described(self, condition: str) -> list[Template]:
        """Templates that fit a condition, by id."""
        pages = self._server.scan(self._collection, condition, _PLAIN)
        return [_template(row) for page in pages for row in page]

    def one(self, template: int, revision: int) -> Template:
        """The template with this id.

        Raises:
            TemplateNotFoundError: no such template at the revision.
        """
        if not 0 < template < 2**63:
            raise no_template(template)
        found = self.described(f"id == {template} and revision <= {revision}")
        if not found:
            raise no_template(template)
        return found[0]

    def rated(self, condition: str, query: Vector) -> Iterator[tuple[str, Modality, float]]:
        """Subject, modality and similarity to a query of each template that fits a condition."""
        fields = ["id", "subject", "modality", "embedding"]
        for page in self._server.scan(self._collection, condition, fields, self._page):
            similarities = np.array([row["embedding"] for row in page], np.float32) @ query
            for row, similarity in zip(page, similarities.tolist(), strict=True):
                yield row["subject"], Modality(row["modality"]), similarity

    def owners(self, condition: str) -> list[Owner]:
        """Ids, subjects and digests of the templates that fit a condition, by id."""
        pages = self._server.scan(self._collection, condition, ["id", "sid", "digest"])
        return [Owner(row["id"], row["sid"], row["digest"]) for page in pages for row in page]

    def first(self, condition: str, count: int) -> list[int]:
        """Ids of the first templates that fit a condition, at most `count`."""
        pages = self._server.scan(self._collection, condition, ["id"], count)
        with closing(pages):
            return [row["id"] for row in next(pages, [])]

    def modalities(self, condition: str) -> Iterator[tuple[int, Modality]]:
        """Subject's id and modality of each template that fits a condition."""
        for page in self._server.scan(self._collection, condition, ["sid", "modality"]):
            for row in page:
                yield row["sid"], Modality(row["modality"])

    def whole(self, ids: Sequence[int]) -> Iterator[list[Row]]:
        """Rows with all fields, as `replace` takes them."""
        for some in self._portions(ids):
            condition = f"id in {list(some)}"
            rows = self._server.query(self._collection, condition, [*_PLAIN, "embedding"])
            yield [{name: row[name] for name in (*_PLAIN, "embedding")} for row in rows]

    def embeddings(self, ids: Sequence[int], revision: int) -> Matrix:
        """Embeddings `(n, dimension)` of templates, in the given order.

        Raises:
            TemplateNotFoundError: one of them is not there.
        """
        embeddings = np.empty((len(ids), self.dimension), np.float32)
        for start in range(0, len(ids), self._page):
            some = list(ids[start : start + self._page])
            condition = f"id in {some} and revision <= {revision}"
            rows = self._server.query(self._collection, condition, ["id", "embedding"])
            found = {row["id"]: row["embedding"] for row in rows}
            for place, template in enumerate(some, start=start):
                if template not in found:
                    raise no_template(template)
                embeddings[place] = found[template]
        return embeddings

    def count(self, condition: str) -> int:
        """How many templates fit a condition."""
        return self._server.count(self._collection, condition)

    def search(
        self, query: Vector, condition: str, top_k: int, effort: dict[str, int]
    ) -> list[Candidate]:
        """The best template of each subject that fits a condition, the most similar first.

        Args:
            query: `(dimension,)` float32.
            condition: on the templates.
            top_k: subjects wanted, at most `MOST_FOUND`.
            effort: parameters of the search in the index.
        """
        asked = min(top_k + 16, MOST_FOUND)  # equally similar ones are put in order here
        with translated(self._server.address):
            (hits,) = self._server.client.search(
                self._collection,
                data=[query],
                anns_field="embedding",
                filter=condition,
                limit=asked,
                group_by_field="sid",
                search_params={"metric_type": "IP", "params": effort},
                output_fields=["subject", "modality", "source"],
                consistency_level="Strong",
                timeout=TIMEOUT,
            )
        found = [_candidate(hit) for hit in hits]
        return sorted(found, key=lambda c: (-c.similarity, c.template))[:top_k]

    def _portions(self, rows: Sequence[T]) -> Iterator[Sequence[T]]:
        for start in range(0, len(rows), self._page):
            yield rows[start : start + self._page]


def new_row(id: int, sid: int, enrolment: Enrolment, created: str, revision: int) -> Row:
    """The row of a template to be added.

    Raises:
        GalleryError: its source is longer than Milvus takes.
    """
    if len(enrolment.source.encode()) > _TEXT_LIMIT:
        raise GalleryError(f"got a source of more than {_TEXT_LIMIT} bytes: Milvus takes no longer")
    return {
        "id": id,
        "sid": sid,
        "subject": enrolment.subject,
        "modality": str(enrolment.modality),
        "source": enrolment.source,
        "frames": enrolment.frames,
        "created": created,
        "authorisation": enrolment.authorisation.reference,
        "expires": enrolment.authorisation.seconds,
        "digest": enrolment.digest,
        "revision": revision,
        "embedding": enrolment.embedding,
    }


def _template(row: Row) -> Template:
    return Template(
        row["id"],
        row["subject"],
        Modality(row["modality"]),
        row["source"],
        row["frames"],
        row["created"],
        row["authorisation"],
        iso_time(row["expires"]),
        row["digest"],
    )


def _candidate(hit: Row) -> Candidate:
    fields = hit["entity"]
    modality = Modality(fields["modality"])
    return Candidate(
        fields["subject"], float(hit["distance"]), hit["id"], modality, fields["source"]
    )
