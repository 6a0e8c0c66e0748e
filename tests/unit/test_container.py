"""A container of frames: round trips, and every damage is refused before it is decrypted."""

import io
import json
import os
import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from gait.errors import ConfigError, TransferError
from gallery.exchange.container import FRAME_LIMIT, MAGIC, Reader, write_header
from gallery.exchange.envelope import Passphrase
from gallery.identity import Identity, Party

pytestmark = pytest.mark.serving

SENDER, RECEIVER, STRANGER = Identity.make(), Identity.make(), Identity.make()
FRAMES = [b"one", b"", b"three" * 1000]


def sealed(to: Passphrase | Party = RECEIVER.party, sender: Identity = SENDER) -> bytes:
    """A container of `FRAMES`."""
    file = io.BytesIO()
    writer = write_header(file, sender, to, {"rows": 3})
    for number, frame in enumerate(FRAMES, start=1):
        writer.write(frame, last=number == len(FRAMES))
    return file.getvalue()


def opened(
    data: bytes, to: Passphrase | Identity = RECEIVER, trusted: Party = SENDER.party
) -> list[bytes]:
    """What a container holds."""
    return list(Reader(io.BytesIO(data), trusted, to).frames())


def pieces(data: bytes) -> tuple[bytes, list[bytes]]:
    """A container cut into its beginning and its frames."""
    (length,) = struct.unpack_from(">I", data, len(MAGIC))
    at = len(MAGIC) + 4 + length
    start, frames = data[:at], []
    while at < len(data):
        size = 5 + struct.unpack_from(">I", data, at + 1)[0] + 64
        frames.append(data[at : at + size])
        at += size
    return start, frames


def test_frames_come_back_in_order_for_the_receiver() -> None:
    data = sealed()
    assert opened(data) == FRAMES
    assert Reader(io.BytesIO(data), SENDER.party, RECEIVER).about == {"rows": 3}
    assert b"three" not in data


def test_a_passphrase_opens_and_another_does_not() -> None:
    data = sealed(Passphrase(b"correct horse"))
    assert opened(data, Passphrase(b"correct horse")) == FRAMES
    with pytest.raises(TransferError, match="passphrase does not open"):
        opened(data, Passphrase(b"battery staple"))


@pytest.mark.parametrize("to", [STRANGER, Passphrase(b"secret")])
def test_another_key_or_kind_of_secret_does_not_open(to: Passphrase | Identity) -> None:
    with pytest.raises(TransferError, match="sealed for a recipient"):
        opened(sealed(), to)


def test_a_foreign_signature_is_refused() -> None:
    with pytest.raises(TransferError, match="signed by another key"):
        opened(sealed(sender=STRANGER))


def test_a_header_that_claims_the_trusted_key_does_not_help() -> None:
    data = sealed(sender=STRANGER)
    start, frames = pieces(data)
    header = json.loads(start[len(MAGIC) + 4 :])
    header["sender"] = SENDER.party.verify.hex()
    forged = json.dumps(header).encode()
    with pytest.raises(TransferError, match="frame 0"):
        opened(MAGIC + struct.pack(">I", len(forged)) + forged + b"".join(frames))


def test_every_flipped_byte_is_noticed() -> None:
    data = sealed()
    for place in {*range(0, len(data), 37), *range(600), len(data) - 1}:
        damaged = bytearray(data)
        damaged[place] ^= 1
        with pytest.raises(TransferError):
            opened(bytes(damaged))


def test_every_cut_is_noticed() -> None:
    data = sealed()
    for length in {*range(0, len(data), 41), len(data) - 1}:
        with pytest.raises(TransferError):
            opened(data[:length])


@pytest.mark.parametrize(
    "moved",
    [
        lambda f: [f[1], f[0], f[2]],
        lambda f: [f[0], f[2]],
        lambda f: [f[0], f[1]],
        lambda f: [f[0], f[0], f[1], f[2]],
        lambda f: [*f, f[2]],
        lambda f: [f[2]],
        lambda _: [],
    ],
)
def test_frames_moved_left_out_or_repeated_are_refused(
    moved: Callable[[list[bytes]], list[bytes]],
) -> None:
    start, frames = pieces(sealed())
    with pytest.raises(TransferError):
        opened(start + b"".join(moved(frames)))


def test_a_frame_of_another_file_of_the_same_sender_is_refused() -> None:
    start, frames = pieces(sealed())
    _, others = pieces(sealed())
    with pytest.raises(TransferError, match="frame 1"):
        opened(start + frames[0] + others[1] + frames[2])


def test_sizes_are_capped_before_anything_is_read() -> None:
    start, _ = pieces(sealed())
    with pytest.raises(TransferError, match="frame 0"):
        opened(start + struct.pack(">BI", 0, 2**32 - 1))
    with pytest.raises(TransferError, match="header has"):
        opened(MAGIC + struct.pack(">I", 2**32 - 1))
    writer = write_header(io.BytesIO(), SENDER, RECEIVER.party, {})
    with pytest.raises(TransferError, match="at most"):
        writer.write(bytes(FRAME_LIMIT + 1))


def test_an_identity_is_kept_private_and_never_overwritten(tmp_path: Path) -> None:
    key, public = SENDER.save(tmp_path / "alice")
    assert key.stat().st_mode & 0o777 == 0o600
    assert Party.load(public) == Identity.load(key).party == SENDER.party
    with pytest.raises(ConfigError, match="exists already"):
        STRANGER.save(tmp_path / "alice")
    assert Party.load(public) == SENDER.party
    with pytest.raises(ConfigError, match="private identity"):
        Identity.load(public)
    with pytest.raises(ConfigError, match="cannot read"):
        Party.load(tmp_path / "nobody.pub")


def test_a_broken_identity_file_is_said_without_showing_it(tmp_path: Path) -> None:
    path = tmp_path / "a.key"
    for content in (b"", b"[1]", b'{"kind": "diffcrossgait private identity"}', os.urandom(200)):
        path.write_bytes(content)
        with pytest.raises(ConfigError, match=r"is not a diffcrossgait private identity"):
            Identity.load(path)
