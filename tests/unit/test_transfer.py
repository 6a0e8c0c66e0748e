"""Moving a gallery: what travels, what is refused, and what a kill leaves behind."""

import base64
import importlib.util
import io
import json
import os
import pickle
import signal
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

import numpy as np
import pytest

from gait.errors import ConfigError, ContractMismatchError, TransferError
from gait.modality import Modality
from gallery.exchange.sealed_file import read_passphrase, read_sealed, write_sealed
from gallery.exchange.templates import Moved
from gallery.export import export_file, export_gallery
from gallery.gallery import Gallery
from gallery.identity import Identity
from gallery.load import Export
from gallery.opening import create_gallery, open_gallery
from gallery.record import clock
from gallery.template import Authorisation, Enrolment
from tests.damage import flipped
from tests.galleries import (
    AUTHORISATION,
    DIMENSION,
    TINY,
    enrolment,
    enrolments,
    other_bundle,
    random_embeddings,
)

pytestmark = pytest.mark.serving

ALICE, BOB = Identity.make(), Identity.make()
SOON = 2_000_000_000
BRIEF = Authorisation("warrant 5", datetime.fromtimestamp(SOON, UTC))
NO_POSTGRES = importlib.util.find_spec("psycopg") is None


def people() -> list[Enrolment]:
    """Twelve templates of four people, of both modalities, some under a brief authorisation."""
    return [
        enrolment(
            f"p{i % 4}",
            vector,
            list(Modality)[i % 2],
            source=f"walk {i}",
            authorisation=BRIEF if i % 5 == 0 else AUTHORISATION,
        )
        for i, vector in enumerate(random_embeddings(12))
    ]


def made(folder: Path, name: str = "gallery") -> Gallery:
    """A gallery of `people`."""
    gallery = create_gallery(str(folder / name), TINY)
    gallery.enrol(people())
    return gallery


def exported(gallery: Gallery, to: Identity = BOB) -> io.BytesIO:
    """An export of a gallery by Alice."""
    file = io.BytesIO()
    export_gallery(gallery, file, sender=ALICE, to=to.party)
    return file


def loaded(gallery: Gallery, file: IO[bytes]) -> Moved:
    """Loads an export of Alice's as Bob."""
    return Export(file, ALICE.party, BOB).enrol(gallery)


def content(gallery: Gallery) -> list[tuple[object, ...]]:
    """Everything that travels."""
    rows: list[tuple[object, ...]] = []
    for subject in gallery.subjects():
        for t in sorted(gallery.templates(subject.name), key=lambda t: t.digest):
            (embedding,) = gallery.embeddings([t.id])
            facts = (t.subject, t.modality, t.source, t.frames, t.authorisation, t.expires)
            rows.append((*facts, t.digest, embedding.tobytes()))
    return rows


def forged(*pieces: bytes) -> io.BytesIO:
    """A file that Alice signed, of pieces that no export would write."""
    file = io.BytesIO()
    write_sealed(file, pieces, sender=ALICE, to=BOB.party)
    return file


def test_everything_travels_and_twice_changes_nothing(tmp_path: Path) -> None:
    with made(tmp_path) as old, create_gallery(str(tmp_path / "new"), TINY) as new:
        file = exported(old)
        assert loaded(new, file) == Moved(templates=12)
        assert content(new) == content(old)
        revision = new.revision
        assert loaded(new, file) == Moved(present=12)
        assert new.revision == revision


@pytest.mark.skipif(NO_POSTGRES, reason="needs psycopg, the extra `postgres`")
def test_people_move_to_postgresql_and_back(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    location = f"{request.getfixturevalue('postgres_url')}?gallery=people"
    with (
        made(tmp_path) as local,
        create_gallery(location, TINY) as remote,
        create_gallery(str(tmp_path / "back"), TINY) as back,
    ):
        assert loaded(remote, exported(local)).templates == 12
        assert content(remote) == content(local)
        assert loaded(back, exported(remote)).templates == 12
        assert content(back) == content(local)


def test_a_passphrase_in_a_file(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("correct horse battery\nnot this\n")
    assert read_passphrase(secret) == "correct horse battery"
    secret.write_text("short\n")
    with pytest.raises(ConfigError, match="shorter than"):
        read_passphrase(secret)
    secret.write_bytes(b"\xff" * 20)
    with pytest.raises(ConfigError, match="no text"):
        read_passphrase(secret)
    with pytest.raises(ConfigError, match="cannot read"):
        read_passphrase(tmp_path / "nothing")


def test_the_expired_are_left_behind_by_either_side(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with made(tmp_path) as old, create_gallery(str(tmp_path / "new"), TINY) as new:
        before = exported(old)
        monkeypatch.setattr(clock, "now", lambda: SOON)
        assert loaded(new, before) == Moved(templates=9, expired=3)
        file = io.BytesIO()
        assert export_gallery(old, file, sender=ALICE, to=BOB.party) == Moved(9, expired=3)
        with create_gallery(str(tmp_path / "late"), TINY) as late:
            assert loaded(late, file) == Moved(templates=9)
            assert content(late) == content(new)


def test_a_larger_gallery_travels_in_several_pieces(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gallery.export.MOST_ROWS", 5)
    with made(tmp_path) as old, create_gallery(str(tmp_path / "new"), TINY) as new:
        file = exported(old)
        file.seek(0)
        assert len(list(read_sealed(file, trusted=ALICE.party, to=BOB))) == 4
        assert loaded(new, file).templates == 12
        assert content(new) == content(old)


def test_memory_is_that_of_a_piece_not_of_the_gallery(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gallery.export.MOST_ROWS", 50)
    path, count = tmp_path / "export", 4000
    with create_gallery(str(tmp_path / "large"), TINY) as gallery, path.open("w+b") as file:
        gallery.enrol([enrolment(f"p{i % 40}", v) for i, v in enumerate(random_embeddings(count))])
        tracemalloc.start()
        try:
            export_gallery(gallery, file, sender=ALICE, to=BOB.party)
            assert loaded(gallery, file) == Moved(present=count)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert path.stat().st_size > 4 * DIMENSION * count
    assert peak < 2 * DIMENSION * count


@pytest.mark.parametrize("place", ["middle", "end"])
@pytest.mark.parametrize("harm", [lambda data, place: data[:place], flipped])
def test_a_damaged_export_changes_nothing(
    tmp_path: Path, place: str, harm: Callable[[bytes, int], bytes]
) -> None:
    with made(tmp_path) as old, create_gallery(str(tmp_path / "new"), TINY) as new:
        data = exported(old).getvalue()
        bad = harm(data, len(data) // 2 if place == "middle" else len(data) - 2)
        with pytest.raises(TransferError):
            loaded(new, io.BytesIO(bad))
        assert new.counts().templates == new.revision == 0


def test_an_end_that_is_damaged_is_noticed_before_the_first_template_is_enrolled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gallery.export.MOST_ROWS", 2)
    with made(tmp_path) as old, create_gallery(str(tmp_path / "new"), TINY) as new:
        data = exported(old).getvalue()
        with pytest.raises(TransferError):
            loaded(new, io.BytesIO(data[:-1]))
        assert new.counts().templates == 0


def test_others_cannot_open_it_and_other_senders_are_refused(tmp_path: Path) -> None:
    with made(tmp_path) as old, create_gallery(str(tmp_path / "new"), TINY) as new:
        file = exported(old)
        with pytest.raises(TransferError, match="does not open"):
            Export(file, ALICE.party, ALICE).enrol(new)
        with pytest.raises(TransferError, match="signed by another key"):
            Export(file, BOB.party, BOB).enrol(new)
        assert new.revision == 0


def test_another_model_is_refused(tmp_path: Path) -> None:
    bundle = other_bundle(tmp_path / "other")
    with made(tmp_path) as old, create_gallery(str(tmp_path / "new"), bundle) as new:
        with pytest.raises(ContractMismatchError, match=r"gallery\.reembed"):
            loaded(new, exported(old))
        assert new.revision == 0


UNIT = random_embeddings(1)[0]
CONTRACT = json.loads((TINY / "manifest.json").read_text())["contract"]
HEAD = json.dumps({"contract": CONTRACT, "dimension": DIMENSION}).encode()


def _rows(count: int = 1, embedding: np.ndarray = UNIT, **changed: object) -> bytes:
    row = {
        "subject": "a",
        "modality": "silhouette",
        "source": "",
        "frames": 3,
        "digest": "0" * 64,
        "authorisation": "consent 1",
        "expires": "2999-01-01T00:00:00Z",
        "embedding": base64.b64encode(embedding.tobytes()).decode(),
    }
    return json.dumps([row | changed] * count).encode()


@pytest.mark.parametrize(
    "piece",
    [
        b"",
        b"[",
        b"{}",
        b"\xff",
        pickle.dumps([1]),
        _rows(embedding=UNIT[:-1]),
        _rows(embedding=UNIT.astype(np.float64)),
        _rows(embedding=2 * UNIT),
        _rows(embedding=np.full_like(UNIT, np.nan)),
        _rows().replace(b'"embedding": "', b'"embedding": "!'),
        _rows(embedding=np.frombuffer(UNIT.tobytes()[:-1], np.uint8)),
        _rows(subject=""),
        _rows(subject="a/b"),
        _rows(modality="gait"),
        _rows(digest="../etc"),
        _rows(frames=0),
        _rows(authorisation=""),
        _rows(expires="2999-01-01T00:00:00"),
        _rows(2000),
        b"[" * 60000,
    ],
    ids=range(20),
)
def test_a_trusted_sender_cannot_make_it_take_nonsense(tmp_path: Path, piece: bytes) -> None:
    with create_gallery(str(tmp_path / "gallery"), TINY) as gallery:
        with pytest.raises(TransferError):
            loaded(gallery, forged(HEAD, _rows(), piece))
        assert gallery.revision == 0
        assert loaded(gallery, forged(HEAD, _rows())) == Moved(templates=1)


@pytest.mark.parametrize("pieces", [[], [b""], [_rows()], [HEAD[:-1] + b', "more": 1}', _rows()]])
def test_an_export_begins_with_its_model(tmp_path: Path, pieces: list[bytes]) -> None:
    with create_gallery(str(tmp_path / "gallery"), TINY) as gallery:
        with pytest.raises(TransferError, match="does not say of which model"):
            loaded(gallery, forged(*pieces))
        assert gallery.revision == 0


def test_an_export_appears_whole_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out" / "people.gallery"
    out.parent.mkdir()
    with made(tmp_path) as gallery:
        with monkeypatch.context() as patch:
            patch.setattr("gallery.export.export_gallery", _interrupted)
            with pytest.raises(KeyboardInterrupt):
                export_file(gallery, out, ALICE, BOB.party)
        assert list(out.parent.iterdir()) == []
        export_file(gallery, out, ALICE, BOB.party)
        assert [p.name for p in out.parent.iterdir()] == [out.name]
        assert out.stat().st_mode & 0o777 == 0o600
        with pytest.raises(ConfigError, match="exists already"):
            export_file(gallery, out, ALICE, BOB.party)


def _interrupted(*_: object, **__: object) -> Moved:
    raise KeyboardInterrupt


def _command(module: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", module, *map(str, arguments)], capture_output=True, text=True
    )


def test_the_commands_move_a_gallery_and_say_what_is_wrong(tmp_path: Path) -> None:
    made(tmp_path).close()
    for name in ("alice", "bob"):
        assert _command("gallery.identity", "--out", tmp_path / name).returncode == 0
    out, new = tmp_path / "people.gallery", tmp_path / "new"
    key, to = ("--key", tmp_path / "alice.key"), ("--to", tmp_path / "bob.pub")
    done = _command("gallery.export", "--gallery", tmp_path / "gallery", "--out", out, *key)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "--passphrase-file" in done.stderr
    done = _command(
        *("gallery.export", "--gallery", tmp_path / "gallery", "--out", out, *key, *to, "--json")
    )
    assert json.loads(done.stdout)["templates"] == 12, done.stderr
    load = ("gallery.load", out, "--gallery", new, "--bundle", TINY, "--json")
    done = _command(*load, "--sender", tmp_path / "bob.pub", "--key", tmp_path / "bob.key")
    assert done.returncode == 1
    assert "[gallery.transfer]" in done.stderr
    assert "Traceback" not in done.stderr
    assert not new.exists(), "an empty gallery was left behind"
    other = ("--bundle", other_bundle(tmp_path / "other"), "--sender", tmp_path / "alice.pub")
    done = _command(*load, *other, "--key", tmp_path / "bob.key")
    assert "[gallery.contract]" in done.stderr
    assert not new.exists(), "an empty gallery was left behind"
    done = _command(*load, "--sender", tmp_path / "alice.pub", "--key", tmp_path / "bob.key")
    assert json.loads(done.stdout)["templates"] == 12, done.stderr
    with open_gallery(str(tmp_path / "gallery")) as old, open_gallery(str(new)) as copy:
        assert content(copy) == content(old)


KILLED = """
import sys
from pathlib import Path
from typing import IO
from gallery.opening import open_gallery
from gallery.identity import Identity, Party
from gallery.load import Export
folder = Path(sys.argv[1])
with open_gallery(str(folder / "new")) as gallery, (folder / "export").open("rb") as file:
    export = Export(file, Party.load(folder / "alice.pub"), Identity.load(folder / "bob.key"))
    export.enrol(gallery, lambda n: print(n, flush=True))
"""


def test_an_import_that_was_killed_goes_on_when_run_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gallery.export.MOST_ROWS", 1)
    ALICE.save(tmp_path / "alice")
    BOB.save(tmp_path / "bob")
    with create_gallery(str(tmp_path / "gallery"), TINY) as old:
        old.enrol(enrolments([f"p{i}" for i in range(60)]))
        (tmp_path / "export").write_bytes(exported(old).getvalue())
        want = content(old)
    create_gallery(str(tmp_path / "new"), TINY).close()
    seen = []
    for after in (1, 7, 20):
        child = subprocess.Popen(
            [sys.executable, "-c", KILLED, str(tmp_path)], stdout=subprocess.PIPE, text=True
        )
        assert child.stdout is not None
        for _ in range(after):
            assert child.stdout.readline()
        time.sleep(0.003 * after)
        os.kill(child.pid, signal.SIGKILL)
        child.wait()
        child.stdout.close()
        with open_gallery(str(tmp_path / "new")) as half:
            got = content(half)
            seen.append(len(got))
            assert set(got) <= set(want)
    assert 0 < seen[0] < 60
    with open_gallery(str(tmp_path / "new")) as new:
        moved = loaded(new, io.BytesIO((tmp_path / "export").read_bytes()))
        assert moved.present == seen[-1]
        assert moved.templates == 60 - seen[-1]
        assert content(new) == want
