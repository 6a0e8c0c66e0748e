"""What Milvus has no place for: a gallery's identity, its revision, the next ids, and its names.

A small collection beside the templates. Rows are found by key: `m:` and a word, or `s:` and a
subject's name in hexadecimal, which sorts as the name does and needs no quoting in a condition.
"""

import json
from collections.abc import Collection, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import NamedTuple

from gait.errors import GalleryCorruptError, GalleryError
from gallery.admission import no_subject
from gallery.milvus.server import PAGE, Row, Server, translated

SCHEMA_VERSION = 1
SUFFIX = "_ledger"

_FIELDS = ("key", "sid", "revision", "value")
_NO_VECTOR = [0.0, 0.0]
"""A collection of Milvus must have vectors."""


@dataclass(frozen=True)
class Facts:
    """What a gallery is, for good."""

    gallery: str
    contract: str
    dimension: int
    created: str
    schema: int = SCHEMA_VERSION


@dataclass(frozen=True)
class State:
    """What is committed. Rows of a later revision do not count."""

    revision: int
    next_template: int = 1
    next_subject: int = 1


class Name(NamedTuple):
    """A subject's row."""

    name: str
    id: int
    created: str


class Ledger:
    """The ledger of one collection of templates."""

    def __init__(self, server: Server, collection: str) -> None:
        self._server, self._collection = server, collection + SUFFIX

    def exists(self) -> bool:
        """Whether the collection is there, empty or not."""
        with translated(self._server.address):
            return bool(self._server.client.has_collection(self._collection))

    def create(self) -> None:
        """Makes the collection."""
        from pymilvus import DataType

        client = self._server.client
        with translated(self._server.address):
            schema = client.create_schema(auto_id=False, enable_dynamic_field=False)
            schema.add_field("key", DataType.VARCHAR, is_primary=True, max_length=1100)
            schema.add_field("sid", DataType.INT64)
            schema.add_field("revision", DataType.INT64)
            schema.add_field("value", DataType.VARCHAR, max_length=65535)
            schema.add_field("vector", DataType.FLOAT_VECTOR, dim=len(_NO_VECTOR))
            index = client.prepare_index_params()
            index.add_index("vector", index_type="FLAT", metric_type="IP")
            client.create_collection(
                self._collection, schema=schema, index_params=index, num_shards=1
            )

    def load(self) -> None:
        """Makes the collection ready to be read."""
        with translated(self._server.address):
            self._server.client.load_collection(self._collection)

    def facts(self) -> Facts | None:
        """What the gallery is; None if its making was never finished.

        Raises:
            GalleryError: a newer version made it.
            GalleryCorruptError: it is damaged.
        """
        value = self._value("gallery")
        if value is None:
            return None
        if value.get("schema") != SCHEMA_VERSION:
            raise GalleryError(
                f"{self._collection} has schema {value.get('schema')}, this version reads "
                f"{SCHEMA_VERSION}: use the version that made it, or export it with that one"
            )
        return Facts(**value)

    def finish(self, facts: Facts) -> None:
        """Writes what the gallery is, which makes it one."""
        self.commit(State(0))
        self.put("gallery", asdict(facts))

    def unfinish(self) -> None:
        """Takes back what the gallery is: from now on it is none."""
        self._server.delete(self._collection, 'key == "m:gallery"')

    def state(self) -> State:
        """What is committed.

        Raises:
            GalleryCorruptError: it is missing.
        """
        value = self._value("state")
        if value is None:
            raise GalleryCorruptError(f"{self._collection} has lost its state: restore a backup")
        return State(**value)

    def commit(self, state: State) -> None:
        """Makes what was written with the state's revision count, at one blow."""
        self.put("state", asdict(state))

    def get(self, word: str) -> Row | None:
        """The value kept under a word."""
        return self._value(word)

    def put(self, word: str, value: Row) -> None:
        """Keeps a value under a word."""
        row = _row(f"m:{word}", 0, 0, json.dumps(value))
        self._server.upsert(self._collection, [row])

    def add(self, names: Sequence[Name], revision: int) -> None:
        """Adds subjects, which count from the revision on."""
        rows = [_row(_key(n.name), n.id, revision, json.dumps(n.created)) for n in names]
        if rows:
            self._server.upsert(self._collection, rows)

    def remove(self, name: str) -> None:
        """Deletes a subject."""
        self._server.delete(self._collection, f'key in ["{_key(name)}"]')

    def forget_after(self, revision: int) -> None:
        """Deletes subjects that were written but never committed."""
        self._server.delete(self._collection, f"revision > {revision}")

    def named(self, names: Collection[str], revision: int) -> dict[str, Name]:
        """Subjects by name; those that there are at the revision."""
        found, keys = {}, [_key(name) for name in names]
        for start in range(0, len(keys), PAGE):
            condition = (
                f"key in {json.dumps(keys[start : start + PAGE])} and revision <= {revision}"
            )
            for row in self._server.query(self._collection, condition, _FIELDS):
                subject = _name(row)
                found[subject.name] = subject
        return found

    def one(self, name: str, revision: int) -> Name:
        """The subject of a name.

        Raises:
            SubjectNotFoundError: no such subject at the revision.
        """
        found = self.named([name], revision)
        if name not in found:
            raise no_subject(name)
        return found[name]

    def pages(self, after: str, revision: int, size: int) -> Iterator[list[Name]]:
        """Subjects in order of name, from the one after `after`."""
        condition = f'key > "{_key(after)}" and sid > 0 and revision <= {revision}'
        for rows in self._server.scan(self._collection, condition, _FIELDS, size):
            yield [_name(row) for row in rows]

    def count(self, revision: int) -> int:
        """How many subjects there are at the revision."""
        return self._server.count(self._collection, f"sid > 0 and revision <= {revision}")

    def drop(self) -> None:
        """Deletes the collection."""
        with translated(self._server.address):
            self._server.client.drop_collection(self._collection)

    def _value(self, word: str) -> Row | None:
        rows = self._server.query(self._collection, f'key == "m:{word}"', _FIELDS)
        if not rows:
            return None
        value: Row = json.loads(rows[0]["value"])
        return value


def _row(key: str, sid: int, revision: int, value: str) -> Row:
    return {"key": key, "sid": sid, "revision": revision, "value": value, "vector": _NO_VECTOR}


def _key(name: str) -> str:
    return "s:" + name.encode().hex()


def _name(row: Row) -> Name:
    return Name(bytes.fromhex(row["key"][2:]).decode(), row["sid"], json.loads(row["value"]))
