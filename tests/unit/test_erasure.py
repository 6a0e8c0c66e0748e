"""What was erased is nowhere: not in the folder, not in the log, not in a backup of templates.

`found` reads a folder as somebody with the master key would who knows how a gallery is built: it
takes every wrapped key and every sealed embedding it can find in any byte of any file.
"""

import random
import re
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from gait.errors import GalleryError, SubjectNotFoundError
from gallery.gallery import Gallery
from gallery.opening import create_gallery, open_gallery
from gallery.record.location import DATABASE_FILE
from gallery.record.master_key import MasterKey
from gallery.record.plain_template import PlainTemplate
from gallery.record.sealing import Row, Sealer
from gallery.record.subject_key import WRAPPED_BYTES, SubjectKey
from tests.galleries import TINY, enrolment, enrolments, random_embeddings, stored

pytestmark = pytest.mark.serving

FINGERPRINT = re.compile(rb"(?<![0-9a-f])[0-9a-f]{32}(?![0-9a-f]{8})")


@pytest.fixture
def gallery(tmp_path: Path) -> Iterator[Gallery]:
    """An empty gallery, open."""
    with create_gallery(tmp_path / "gallery", TINY) as made:
        yield made


def _folder(gallery: Gallery) -> Path:
    return Path(gallery.location)


def _bytes(*folders: Path) -> bytes:
    files = [p for folder in folders for p in folder.rglob("*") if p.is_file()]
    return b"\0".join(p.read_bytes() for p in files if "bundle" not in p.parts)


def _keys(gallery: str, data: bytes, subjects: int = 10) -> list[SubjectKey]:
    """Every key of the first subjects that the master key opens, anywhere in the data."""
    master, keys = MasterKey.load(), []
    for match in FINGERPRINT.finditer(data):  # in a row the wrapped key follows its fingerprint
        wrapped = data[match.end() : match.end() + WRAPPED_BYTES]
        for subject in range(1, subjects):
            place = f"key {gallery} {subject} {match.group().decode()}".encode()
            try:
                keys.append(SubjectKey.unwrap(wrapped, master, place))
                break
            except GalleryError:
                continue
    return keys


def found(gallery: Gallery, *backups: Path) -> set[tuple[int, bytes]]:
    """Template ids and embeddings that can be read from the folder and backups of it."""
    keys = _keys(gallery.id, _bytes(_folder(gallery), *backups))
    read: set[tuple[int, bytes]] = set()
    for folder in (_folder(gallery), *backups):
        database = sqlite3.connect(folder / DATABASE_FILE)
        rows = database.execute(
            "SELECT t.id, subject, name, modality, source, frames, digest, t.created,"
            " authorisation, expires, sealed FROM templates t JOIN subjects s ON s.id = subject"
            " JOIN embeddings e ON e.template = t.id"
        ).fetchall()
        database.close()
        sealer = Sealer(gallery._record.facts, MasterKey.load())
        for *described, sealed in rows:
            place = sealer._place(Row(*described))
            opened = [key.open(sealed, place) for key in keys]
            read |= {(described[0], plain) for plain in opened if plain is not None}
    return read


def _backup(gallery: Gallery, to: Path) -> Path:
    """A copy of everything but the keys, log emptied."""
    to.mkdir()
    shutil.copy(_folder(gallery) / DATABASE_FILE, to)
    database = sqlite3.connect(to / DATABASE_FILE)
    database.execute("PRAGMA secure_delete = ON")
    database.execute("DELETE FROM subject_keys")
    database.commit()
    database.execute("VACUUM")
    database.close()
    return to


def test_a_template_is_never_plain_found_with_its_key_and_never_after_removal(
    gallery: Gallery, tmp_path: Path
) -> None:
    people = enrolments(["a", "b"])
    gallery.enrol(people)
    gallery.identify(people[0].embedding)
    backup = _backup(gallery, tmp_path / "backup")
    plain = [PlainTemplate.of(person.embedding).packed for person in people]
    data = _bytes(_folder(gallery), backup)
    assert not any(each[:32] in data or each[-32:] in data for each in plain)
    assert found(gallery, backup) == {(1, plain[0]), (2, plain[1])}

    receipt = gallery.remove_subject("a")
    assert (receipt.subject, receipt.templates, receipt.revision) == ("a", (1,), 2)
    assert found(gallery, backup) == {(2, plain[1])}
    assert [key.id for key in _keys(gallery.id, _bytes(_folder(gallery)))] != [receipt.key]
    assert receipt.key not in {k.id for k in _keys(gallery.id, _bytes(_folder(gallery)))}
    gallery.close()
    reopened = open_gallery(_folder(gallery))
    with reopened:
        assert found(reopened, backup) == {(2, plain[1])}


def test_erasing_one_template_leaves_the_others_and_nothing_of_it(
    gallery: Gallery, tmp_path: Path
) -> None:
    vectors = random_embeddings(3)
    gallery.enrol([enrolment("a", vector) for vector in vectors])
    backup = _backup(gallery, tmp_path / "backup")
    receipt = gallery.remove_template(2)
    assert receipt.templates == (2,)
    packed = [PlainTemplate.of(vector).packed for vector in vectors]
    assert found(gallery, backup) == {(1, packed[0]), (3, packed[2])}
    assert [t.id for t in gallery.templates("a")] == [1, 3]
    assert np.array_equal(gallery.embeddings([3, 1]), stored(vectors[[2, 0]]))
    assert gallery.identify(vectors[1], 1)[0].similarity < 0.9
    gallery.remove_template(1)
    assert gallery.remove_template(3).key != receipt.key
    assert found(gallery, backup) == set()
    with pytest.raises(SubjectNotFoundError):
        gallery.templates("a")


def test_merging_moves_templates_under_the_other_key(gallery: Gallery, tmp_path: Path) -> None:
    vectors = random_embeddings(4)
    same = enrolment("a", vectors[0])
    gallery.enrol([same, enrolment("a", vectors[1]), enrolment("b", vectors[2])])
    gallery.enrol([enrolment("b", vectors[0]), enrolment("c", vectors[3])])
    backup = _backup(gallery, tmp_path / "backup")
    assert gallery.merge("a", into="b") == 1  # the clip of both is kept once
    assert [t.id for t in gallery.templates("b")] == [2, 3, 4]
    assert np.array_equal(gallery.embeddings([2]), stored(vectors[1:2]))
    assert gallery.identify(vectors[1], 1)[0].subject == "b"
    assert {s.name for s in gallery.subjects()} == {"b", "c"}
    gallery.remove_subject("b")
    assert found(gallery, backup) == {(5, PlainTemplate.of(vectors[3]).packed)}
    with pytest.raises(SubjectNotFoundError, match="'b'"):
        gallery.merge("c", into="b")
    with pytest.raises(GalleryError, match="twice"):
        gallery.merge("c", into="c")


def test_destroyed_keys_leave_no_trace_in_any_page(tmp_path: Path) -> None:
    """Subjects are added, erased and wrapped anew in random order, over many pages."""
    rng = random.Random(3)
    with create_gallery(tmp_path / "gallery", TINY) as gallery:
        live = list[str]()
        for turn in range(5):
            new = [f"{turn} {number}" for number in range(rng.randint(30, 50))]
            gallery.enrol(enrolments(new, seed=turn))
            live += new
            rng.shuffle(live)
            gone, live = live[: len(live) // 3], live[len(live) // 3 :]
            destroyed = {gallery.remove_subject(name).key for name in gone}
            gallery.rotate(MasterKey.load())
            readable = {key.id for key in _keys(gallery.id, _bytes(_folder(gallery)), 260)}
            assert not readable & destroyed
            assert len(readable) == len(live)
        assert len(live) > 50
