"""Where results are written: asked before work, and never in place of a pipe or behind a link."""

import os
import threading
from pathlib import Path

import pytest

from gait.errors import StorageError
from train.storage import require_place, write_atomically


def test_a_place_is_asked_for_and_its_folder_made(tmp_path: Path) -> None:
    require_place(None)
    require_place(tmp_path / "new" / "out.json")
    assert (tmp_path / "new").is_dir()
    assert not (tmp_path / "new" / "out.json").exists()
    with pytest.raises(StorageError, match="it is a folder"):
        require_place(tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match=r"out\.json"):
        require_place(tmp_path / "file" / "out.json")


def test_a_place_that_may_not_be_written_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Path] = []
    monkeypatch.setattr(os, "access", lambda path, _: asked.append(path))  # as root may everything
    with pytest.raises(StorageError, match="not allowed"):
        require_place(tmp_path / "out.json")
    (tmp_path / "old.json").touch()
    with pytest.raises(StorageError, match="not allowed"):
        require_place(tmp_path / "old.json")
    assert asked == [tmp_path, tmp_path / "old.json"]


def test_a_link_to_itself_is_an_error_like_others(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    with pytest.raises(StorageError, match="loop"):
        write_atomically(tmp_path / "loop" / "out.json", b"new")


def test_what_a_link_points_to_is_written(tmp_path: Path) -> None:
    target, link = tmp_path / "a" / "target", tmp_path / "link"
    target.parent.mkdir()
    target.write_bytes(b"old")
    link.symlink_to(target)
    write_atomically(link, b"new")
    assert link.is_symlink()
    assert target.read_bytes() == b"new"
    assert [*target.parent.iterdir()] == [target]


def test_a_pipe_gets_what_is_written_and_stays_one(tmp_path: Path) -> None:
    pipe, got = tmp_path / "pipe", list[bytes]()
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: got.append(pipe.read_bytes()))
    reader.start()
    write_atomically(pipe, b"result")
    reader.join(20)
    assert got == [b"result"]
    assert pipe.is_fifo()
    write_atomically(Path("/dev/null"), b"result")
    assert Path("/dev/null").is_char_device()
