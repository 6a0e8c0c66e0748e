"""URLs of galleries in Milvus, who one is there, and what is said where pymilvus is missing."""

import sys

import pytest

from gait.errors import ConfigError
from gallery.gallery import open_gallery
from gallery.milvus.address import CA, PASSWORD, TOKEN, USER, Address, credentials

pytestmark = pytest.mark.serving


@pytest.mark.parametrize(
    ("location", "uri", "collection"),
    [
        ("milvus://db.example:1234/people", "http://db.example:1234", "people"),
        ("milvus://db.example/people", "http://db.example:19530", "people"),
        ("milvuss://db.example:443/people", "https://db.example:443", "people"),
        ("milvus://[::1]:19530/people", "http://[::1]:19530", "people"),
        ("milvus+lite:/data/file.db/people", "/data/file.db", "people"),
    ],
)
def test_a_url_names_a_server_and_a_collection(location: str, uri: str, collection: str) -> None:
    address = Address.parse(location)
    assert (address.uri, address.collection) == (uri, collection)
    assert address.building() == ("FLAT", {})
    assert address.searching("FLAT", 10) == {}


def test_options_choose_the_database_and_the_index() -> None:
    address = Address.parse("milvus://h/people?database=gait&index=hnsw&M=16&ef=40")
    assert address.database == "gait"
    assert address.building() == ("HNSW", {"M": 16, "efConstruction": 200})
    assert address.searching("HNSW", 10) == {"ef": 40}
    assert address.searching("HNSW", 200) == {"ef": 200}
    assert address.searching("IVF_FLAT", 10) == {"nprobe": 32}


@pytest.mark.parametrize(
    ("location", "said"),
    [
        ("milvus:///people", "no host"),
        ("milvus://h:port/people", "address"),
        ("milvus://h:99999/people", "address"),
        ("milvus://h", "collection"),
        ("milvus://h/a/b", "collection"),
        ("milvus://h/a-b", "collection"),
        ("milvus://user:secret@h/people", USER),
        ("milvus+lite:/data/people", r"FILE\.db"),
        ("milvus://h/people?index=gpu", "index"),
        ("milvus://h/people?indx=flat", "indx"),
        ("milvus://h/people?M=0", "1\\.\\."),
        ("milvus://h/people?M=many", "number"),
        ("milvus://h/people?ef=999999999999", "number"),
    ],
)
def test_a_wrong_url_is_said(location: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said) as error:
        Address.parse(location)
    assert "secret" not in str(error.value)


def test_who_one_is_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (USER, PASSWORD, TOKEN, CA):
        monkeypatch.delenv(name, raising=False)
    assert credentials() == {}
    monkeypatch.setenv(USER, "gait")
    with pytest.raises(ConfigError, match="both"):
        credentials()
    monkeypatch.setenv(PASSWORD, "secret")
    assert credentials() == {"user": "gait", "password": "secret"}
    monkeypatch.setenv(TOKEN, "token")
    assert credentials()["token"] == "token"


def test_a_missing_pymilvus_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pymilvus", None)
    with pytest.raises(ConfigError, match=r"extra `milvus`"):
        open_gallery("milvus://localhost:1/people")
