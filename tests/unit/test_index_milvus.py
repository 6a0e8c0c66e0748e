"""An index in a real Milvus server: what it proposes, whatever happens to the server."""

import random
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import cast

import numpy as np
import pytest

from gait.errors import ConfigError, StorageError
from gait.modality import Modality
from gallery.index import milvus as milvus_index
from gallery.index import milvus_server
from gallery.index.interface import CodeMatrix, Codes, CodeSource, Ids, Index
from gallery.index.milvus import MilvusIndex
from gallery.index.milvus_address import CA, PASSWORD, USER, MilvusAddress
from tests import servers
from tests.code_sources import CODE_BYTES, MemorySource, probe_of

pytestmark = pytest.mark.serving

RANDOM = np.random.default_rng(1)


@contextmanager
def opened(source: CodeSource, uri: str, gallery: str) -> Iterator[MilvusIndex]:
    """An index that has followed."""
    index = MilvusIndex(source, uri, gallery)
    try:
        index.follow()
        yield index
    finally:
        index.close()


@pytest.fixture
def gallery(milvus_uri: str) -> Iterator[str]:
    """Id of a gallery, whose collections are dropped afterwards."""
    name = str(uuid.uuid4())
    yield name
    index = MilvusIndex(MemorySource(), milvus_uri, name)
    index.drop()
    index.close()
    assert not _collections(milvus_uri, name)


def _probe(length: int = CODE_BYTES) -> CodeMatrix:
    return RANDOM.integers(0, 256, length, dtype=np.uint8)


def _proposed(index: Index, code: CodeMatrix, count: int, modality: Modality | None) -> list[int]:
    return cast("list[int]", index.propose(probe_of(code), count, modality).tolist())


def _assert_exact(index: Index, source: MemorySource, probes: int = 5, count: int = 32) -> None:
    """Whatever the modality, proposals are those of an exact ranking.

    At equal distance the last ones may be others, so distances are compared.
    """
    for modality in (None, *Modality):
        for code in (_probe(source.code_bytes) for _ in range(probes)):
            found = _proposed(index, code, count, modality)
            expected = source.nearest(code, count, modality)
            assert len(set(found)) == len(found)
            assert [_distance(source, n, code) for n in found] == [
                _distance(source, n, code) for n in expected
            ]
            wanted = {list(Modality).index(one) for one in ([modality] if modality else Modality)}
            assert {source.rows[n][1] for n in found} <= wanted


def _distance(source: MemorySource, number: int, code: CodeMatrix) -> int:
    return int(np.unpackbits(source.rows[number][2] ^ code).sum())


def _until(done: Callable[[], bool], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def _written(index: MilvusIndex) -> None:
    """Waits until all that the index knows is in Milvus."""
    _until(lambda: not index._known.tail and not index._known.removed)


def _client(uri: str) -> milvus_server.MilvusServer:
    return milvus_server.MilvusServer(MilvusAddress.parse(uri))


def _collections(uri: str, gallery: str) -> list[str]:
    server = _client(uri)
    try:
        return [n for n in server.collections() if gallery.replace("-", "_") in n]
    finally:
        server.close()


def _drop(uri: str, name: str) -> None:
    server = _client(uri)
    server.drop(name)
    server.close()


def test_proposals_are_those_of_an_exact_ranking(milvus_uri: str, gallery: str) -> None:
    source = MemorySource()
    source.add(3000)
    with opened(source, milvus_uri, gallery) as index:
        _assert_exact(index, source)
        _written(index)
        assert index._known.time > 0, "every search would wait as if it were strongly consistent"
        _assert_exact(index, source)
        source.add(50)
        index.follow()
        _assert_exact(index, source, count=3050)
        assert index.health() == ("milvus", source.revision(), 3050)


def test_added_is_proposed_and_removed_is_not_at_once(milvus_uri: str, gallery: str) -> None:
    source = MemorySource()
    with opened(source, milvus_uri, gallery) as index:
        assert _proposed(index, _probe(), 5, None) == []
        for _ in range(60):
            (number,) = source.add(1)
            if len(source.rows) > 3 and RANDOM.random() < 0.5:
                gone = int(RANDOM.choice(list(source.rows)))
                code = source.rows[gone][2]
                source.remove([gone])
                index.follow()
                assert gone not in _proposed(index, code, 3, None)
            index.follow()
            assert index.revision == source.revision()
            if number in source.rows:
                assert _proposed(index, source.rows[number][2], 3, None)[0] == number
            time.sleep(float(RANDOM.uniform(0, 0.05)))
        _written(index)
        _assert_exact(index, source)
        assert index.health().templates == len(source.rows)


def _noted(asked: list[int], after: int, read: Callable[[int], Iterator[Codes]]) -> Iterator[Codes]:
    asked.append(after)
    return read(after)


def test_a_process_that_starts_reads_what_is_new_alone(
    milvus_uri: str, gallery: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = MemorySource()
    source.add(500)
    with opened(source, milvus_uri, gallery) as index:
        _until(lambda: source.index_revision(index._known.name) == 1)
    source.add(3)
    source.remove([7])
    asked: list[int] = []
    monkeypatch.setattr(
        source, "codes", lambda after, read=source.codes: _noted(asked, after, read)
    )
    with opened(source, milvus_uri, gallery) as index:
        assert asked == [1]
        _assert_exact(index, source)


def test_a_dropped_collection_is_made_anew(milvus_uri: str, gallery: str) -> None:
    source = MemorySource()
    source.add(2000)
    with opened(source, milvus_uri, gallery) as index:
        _written(index)
        first = index._known.name
        _drop(milvus_uri, first)
        _assert_exact(index, source)
        assert _collections(milvus_uri, gallery) == [index._known.name] != [first]
        _written(index)
        _drop(milvus_uri, index._known.name)
        source.add(1)
        index.follow()
        _assert_exact(index, source)


def test_an_emptied_collection_and_one_of_other_codes_are_made_anew(
    milvus_uri: str, gallery: str
) -> None:
    source = MemorySource()
    source.add(300)
    with opened(source, milvus_uri, gallery) as index:
        _written(index)
        server = index._server
        server.delete(index._known.name, list(source.rows))
        server.settle(index._known.name)
    with opened(source, milvus_uri, gallery) as index:
        _assert_exact(index, source)
    longer = MemorySource(2 * CODE_BYTES)
    longer.notes = source.notes
    longer.add(300)
    with opened(longer, milvus_uri, gallery) as index:
        _assert_exact(index, longer)
        assert len(_collections(milvus_uri, gallery)) == 1


def test_a_released_collection_is_loaded_again(milvus_uri: str, gallery: str) -> None:
    source = MemorySource()
    source.add(300)
    with opened(source, milvus_uri, gallery) as index:
        _written(index)
        with index._server._client() as client:
            client.release_collection(index._known.name)
        _assert_exact(index, source)


def test_two_replicas_share_a_collection(milvus_uri: str, gallery: str) -> None:
    source = MemorySource()
    with (
        opened(source, milvus_uri, gallery) as one,
        opened(source, milvus_uri, gallery) as other,
    ):
        assert one._known.name == other._known.name
        for _ in range(20):
            source.add(random.randint(1, 40))
            source.remove([random.choice(list(source.rows))])
            for index in random.sample([one, other], 2):
                index.follow()
                _assert_exact(index, source, probes=1)
        for index in (one, other):
            _written(index)  # until both have, one's row may stand that the other still deletes
        for index in (one, other):
            _assert_exact(index, source)
            # what a replica says of its health was counted before what the other removed since
            assert index._server.settle(index._known.name)[1] == len(source.rows)
        _drop(milvus_uri, one._known.name)
        for index in (other, one):
            _assert_exact(index, source)
        assert one._known.name == other._known.name


def test_what_a_killed_replica_wrote_after_its_removal_is_deleted(
    milvus_uri: str, gallery: str
) -> None:
    source = MemorySource()
    source.add(10)
    late = next(source.codes(0))
    source.remove([3])
    with opened(source, milvus_uri, gallery) as index:
        _written(index)
        index._server.write(index._known.name, late)
    with opened(source, milvus_uri, gallery) as index:
        assert 3 not in _proposed(index, late.codes[2], 10, None)
        _written(index)
        assert index.health().templates == 9


def test_more_than_the_memory_may_hold(
    milvus_uri: str, gallery: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(milvus_index, "TAIL_ROWS", 500)
    monkeypatch.setattr(milvus_index, "REMOVED_ROWS", 100)
    source = MemorySource(page=200)
    source.add(3000)
    with opened(source, milvus_uri, gallery) as index:
        _assert_exact(index, source)
        source.remove(list(source.rows)[:1500])
        index.follow()
        _assert_exact(index, source)


def test_groups_are_an_option(milvus_uri: str, gallery: str) -> None:
    source = MemorySource()
    source.add(2000)
    with opened(source, f"{milvus_uri}?index=ivf_flat&nlist=16&nprobe=16", gallery) as index:
        _written(index)
        with index._server._client() as client:
            kind = client.describe_index(index._known.name, "code")
        assert kind["index_type"] == "BIN_IVF_FLAT"
        _assert_exact(index, source)


@pytest.mark.slow
def test_a_server_that_stops_and_starts_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(milvus_server, "_SECONDS", 5.0)
    server = servers.start("milvus", tmp_path)
    uri, source = f"milvus://127.0.0.1:{server['port']}", MemorySource()
    source.add(2000)
    with opened(source, uri, "stopped") as index:
        _written(index)
        (number,) = source.add(1)
        index.follow()
        servers.stop(server)
        with pytest.raises(StorageError, match=f"127.0.0.1:{server['port']}"):
            index.propose(probe_of(_probe()), 3, None)
        (after,) = source.add(1)
        index.follow()
        servers.start("milvus", tmp_path)
        _until(lambda: _answers(index), 120)
        for one in (number, after):
            assert _proposed(index, source.rows[one][2], 1, None) == [one]
        _assert_exact(index, source)
        _written(index)
        _assert_exact(index, source)


def _answers(index: Index) -> bool:
    try:
        index.propose(probe_of(_probe()), 1, None)
    except StorageError:
        return False
    return True


@pytest.mark.slow
def test_a_server_that_asks_who_comes_over_tls(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = servers.start("milvus", tmp_path, login=True, tls=True)
    source = MemorySource()
    source.add(20)
    plain, verified = (f"{s}://localhost:{server['port']}" for s in ("milvus", "milvuss"))
    login = {USER: servers.MILVUS_LOGIN["user"], PASSWORD: servers.MILVUS_LOGIN["password"]}
    right = login | {CA: server["ca"]}
    wrong = [
        (plain, login),
        (verified, login),
        (verified, {CA: server["ca"]}),
        (verified, right | {PASSWORD: "another"}),
        (verified.replace("localhost", "127.0.0.1"), right),
    ]
    for uri, environment in wrong:
        with monkeypatch.context() as patched:
            for name, value in environment.items():
                patched.setenv(name, value)
            with pytest.raises(StorageError), opened(source, uri, "tls"):
                pass
    for name, value in right.items():
        monkeypatch.setenv(name, value)
    with opened(source, verified, "tls") as index:
        _assert_exact(index, source)
        _written(index)
        assert index._known.time > 0
        _assert_exact(index, source)


def test_no_server_is_an_error_that_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(milvus_server, "_SECONDS", 1.0)
    (port,) = servers.free_ports(1)
    with (
        pytest.raises(StorageError, match=f"127.0.0.1:{port}"),
        opened(MemorySource(), f"milvus://127.0.0.1:{port}", "nobody"),
    ):
        pass


@pytest.mark.parametrize(
    ("address", "says"),
    [
        ("http://host", "scheme"),
        ("milvus://", "HOST"),
        ("milvus://user:word@host", "environment|user"),
        ("milvus://host:port", "host:port"),
        ("milvus://host/one/two", "DATABASE"),
        ("milvus://host?index=hnsw", "ivf_flat"),
        ("milvus://host?nprobe=0", "nprobe"),
        ("milvus://host?ef=3", "'ef'"),
    ],
)
def test_an_address_that_is_none(address: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        MilvusIndex(MemorySource(), address, "a")


def test_a_gallery_id_that_is_none_and_half_a_login(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="gallery id"):
        MilvusIndex(MemorySource(), "milvus://host", "a_b")
    monkeypatch.setenv(USER, "somebody")
    with pytest.raises(ConfigError, match=PASSWORD):
        MilvusIndex(MemorySource(), "milvus://host", "a")


def test_numbers_are_as_the_interface_says(milvus_uri: str, gallery: str) -> None:
    source = MemorySource()
    source.add(3)
    with opened(source, milvus_uri, gallery) as index:
        found: Ids = index.propose(probe_of(_probe()), 5, None)
        assert found.dtype == np.int64
        assert sorted(found.tolist()) == [1, 2, 3]
