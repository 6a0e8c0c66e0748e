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

from gait.errors import GalleryCorruptError, GalleryError, SubjectNotFoundError
from gallery.local import KEYS, STORE, LocalGallery
from gallery.record.master_key import MasterKey
from gallery.subject_key import SubjectKey
from gallery.subject_keys import WRAPPED_BYTES
from tests.galleries import DIMENSION, TINY, enrolment, enrolments, random_embeddings

pytestmark = pytest.mark.serving

FINGERPRINT = re.compile(rb"[0-9a-f]{32}")


@pytest.fixture
def gallery(tmp_path: Path) -> Iterator[LocalGallery]:
    """An empty gallery, open."""
    with LocalGallery.create(tmp_path / "gallery", TINY) as made:
        yield made


def _folder(gallery: LocalGallery) -> Path:
    return Path(gallery.location)


def _bytes(*folders: Path) -> bytes:
    files = [p for folder in folders for p in folder.rglob("*") if p.is_file()]
    return b"\0".join(p.read_bytes() for p in files if "bundle" not in p.parts)


def _keys(identity: str, data: bytes) -> list[SubjectKey]:
    """Every subject key that the master key opens, anywhere in the data."""
    master, keys = MasterKey.load(), []
    for match in FINGERPRINT.finditer(data):
        place = f"{identity} {match.group().decode()}".encode()
        for start in range(match.end(), match.end() + 4):  # a row: fingerprint, flag, wrapped
            try:
                secret = master.unwrap(data[start : start + WRAPPED_BYTES], place)
            except GalleryError:
                continue
            keys.append(SubjectKey(secret))
    return keys


def found(gallery: LocalGallery, *backups: Path) -> set[tuple[int, bytes]]:
    """Template ids and embeddings that can be read from the folder and backups of it."""
    keys = _keys(gallery.identity, _bytes(_folder(gallery), *backups))
    read: set[tuple[int, bytes]] = set()
    for folder in (_folder(gallery), *backups):
        database = sqlite3.connect(folder / STORE)
        rows = database.execute("SELECT id, subject, sealed FROM templates").fetchall()
        database.close()
        for template, subject, sealed in rows:
            place = f"{gallery.contract} {subject} {template}".encode()
            opened = [key.open(sealed, place) for key in keys]
            read |= {(template, e.tobytes()) for e in opened if e is not None}
    return read


def _backup(gallery: LocalGallery, to: Path) -> Path:
    """A copy of the templates alone, log included."""
    to.mkdir()
    for path in _folder(gallery).glob(f"{STORE}*"):
        shutil.copy(path, to)
    return to


def test_a_template_is_never_plain_found_with_its_key_and_never_after_removal(
    gallery: LocalGallery, tmp_path: Path
) -> None:
    people = enrolments(["a", "b"])
    gallery.enrol(people)
    gallery.identify(people[0].embedding)
    backup = _backup(gallery, tmp_path / "backup")
    plain = [person.embedding.tobytes() for person in people]
    data = _bytes(_folder(gallery), backup)
    assert not any(each[:32] in data or each[-32:] in data for each in plain)
    assert found(gallery, backup) == {(1, plain[0]), (2, plain[1])}

    receipt = gallery.remove_subject("a")
    assert (receipt.subject, receipt.templates, receipt.revision) == ("a", (1,), 2)
    assert found(gallery, backup) == {(2, plain[1])}
    assert [key.id for key in _keys(gallery.identity, _bytes(_folder(gallery)))] != [receipt.key]
    assert receipt.key not in {k.id for k in _keys(gallery.identity, _bytes(_folder(gallery)))}
    gallery.close()
    reopened = LocalGallery.open(_folder(gallery))
    with reopened:
        assert found(reopened, backup) == {(2, plain[1])}


def test_erasing_one_template_leaves_the_others_and_nothing_of_it(
    gallery: LocalGallery, tmp_path: Path
) -> None:
    vectors = random_embeddings(3)
    gallery.enrol([enrolment("a", vector) for vector in vectors])
    backup = _backup(gallery, tmp_path / "backup")
    receipt = gallery.remove_template(2)
    assert receipt.templates == (2,)
    assert found(gallery, backup) == {(1, vectors[0].tobytes()), (3, vectors[2].tobytes())}
    assert [t.id for t in gallery.templates("a")] == [1, 3]
    assert np.array_equal(gallery.embeddings([3, 1]), vectors[[2, 0]])
    assert gallery.identify(vectors[1], 1)[0].similarity < 0.9
    gallery.remove_template(1)
    assert gallery.remove_template(3).key != receipt.key
    assert found(gallery, backup) == set()
    with pytest.raises(SubjectNotFoundError):
        gallery.templates("a")


def test_merging_moves_templates_under_the_other_key(gallery: LocalGallery, tmp_path: Path) -> None:
    vectors = random_embeddings(4)
    same = enrolment("a", vectors[0])
    gallery.enrol([same, enrolment("a", vectors[1]), enrolment("b", vectors[2])])
    gallery.enrol([enrolment("b", vectors[0]), enrolment("c", vectors[3])])
    backup = _backup(gallery, tmp_path / "backup")
    assert gallery.merge("a", into="b") == 1  # the clip of both is kept once
    assert [t.id for t in gallery.templates("b")] == [2, 3, 4]
    assert np.array_equal(gallery.embeddings([2]), vectors[1:2])
    assert gallery.identify(vectors[1], 1)[0].subject == "b"
    assert {s.name for s in gallery.subjects()} == {"b", "c"}
    gallery.remove_subject("b")
    assert found(gallery, backup) == {(5, vectors[3].tobytes())}
    with pytest.raises(SubjectNotFoundError, match="'b'"):
        gallery.merge("c", into="b")
    with pytest.raises(GalleryError, match="twice"):
        gallery.merge("c", into="c")


def test_destroyed_keys_leave_no_trace_in_any_page(tmp_path: Path) -> None:
    """Keys are added, destroyed and wrapped anew in random order, over many pages."""
    rng = random.Random(3)
    with LocalGallery.create(tmp_path / "gallery", TINY) as gallery:
        keys, live = gallery._store.keys, list[str]()
        for _ in range(12):
            live += [key.id for key in keys.add(rng.randint(40, 90))]
            rng.shuffle(live)
            gone, live = live[: len(live) // 3], live[len(live) // 3 :]
            keys.destroy(gone)
            keys.rotate(MasterKey.load())
            readable = {k.id for k in _keys(gallery.identity, _bytes(_folder(gallery)))}
            assert readable == set(live)
        assert len(live) > 100


def test_an_old_backup_put_back_does_not_bring_the_erased_back(
    gallery: LocalGallery, tmp_path: Path
) -> None:
    gallery.enrol(enrolments(["a", "b"]))
    gallery.close()
    backup = _backup(gallery, tmp_path / "backup")
    with LocalGallery.open(_folder(gallery)) as opened:
        opened.remove_subject("a")
    shutil.copy(backup / STORE, _folder(gallery) / STORE)
    with LocalGallery.open(_folder(gallery), readonly=True) as reader:
        assert [c.subject for c in reader.identify(random_embeddings(1)[0])] == ["b"]
    with LocalGallery.open(_folder(gallery)) as opened:
        assert [s.name for s in opened.subjects()] == ["b"]


def test_keys_older_than_the_templates_destroy_nothing(
    gallery: LocalGallery, tmp_path: Path
) -> None:
    first, second = enrolments(["a", "b"])
    gallery.enrol([first])
    gallery.close()
    shutil.copy(_folder(gallery) / KEYS, tmp_path / "old.db")
    with LocalGallery.open(_folder(gallery)) as opened:
        opened.enrol([second])
    shutil.copy(_folder(gallery) / KEYS, tmp_path / "new.db")
    shutil.copy(tmp_path / "old.db", _folder(gallery) / KEYS)
    with LocalGallery.open(_folder(gallery)) as opened:
        with pytest.raises(GalleryCorruptError, match="key of template 2 is lost"):
            opened.embeddings([2])
        assert opened.embeddings([1]).shape == (1, DIMENSION)
    shutil.copy(tmp_path / "new.db", _folder(gallery) / KEYS)
    with LocalGallery.open(_folder(gallery)) as opened:
        assert np.array_equal(opened.embeddings([2])[0], second.embedding)
