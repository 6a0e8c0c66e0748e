"""A sealed file of pieces: round trips, and every damage is refused before it is decrypted."""

import hashlib
import io
import shutil
import struct
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from gait.errors import ConfigError, TransferError
from gallery.exchange.sealed_file import FIELD_LIMIT, MAGIC, read_sealed, write_sealed
from gallery.identity import Identity, Party
from tests.damage import flipped

pytestmark = pytest.mark.serving

SENDER, RECEIVER, STRANGER = Identity.make(), Identity.make(), Identity.make()
PIECES = [b"one", b"", b"three" * 1000]


def sealed(to: str | Party = RECEIVER.party, sender: Identity = SENDER) -> bytes:
    """A file of `PIECES`."""
    file = io.BytesIO()
    write_sealed(file, PIECES, sender=sender, to=to)
    return file.getvalue()


def opened(
    data: bytes, to: str | Identity = RECEIVER, trusted: Party = SENDER.party
) -> list[bytes]:
    """What a file holds."""
    return list(read_sealed(io.BytesIO(data), trusted=trusted, to=to))


def fields(data: bytes) -> list[bytes]:
    """The fields of a file: sender, locked key, and a piece and its signature in turn."""
    found, at = [], len(MAGIC)
    while at < len(data):
        end = at + 4 + struct.unpack_from(">I", data, at)[0]
        found.append(data[at:end])
        at = end
    return found


def signed_parts(data: bytes) -> tuple[bytes, list[bytes]]:
    """A file cut into its beginning, and its pieces with their signatures."""
    sender, locked, *rest = fields(data)
    pairs = zip(rest[::2], rest[1::2], strict=True)
    return MAGIC + sender + locked, [piece + signature for piece, signature in pairs]


def test_pieces_come_back_in_order_for_the_receiver() -> None:
    data = sealed()
    assert opened(data) == PIECES
    assert b"three" not in data


def test_a_passphrase_opens_and_another_does_not() -> None:
    data = sealed("correct horse")
    assert opened(data, "correct horse") == PIECES
    with pytest.raises(TransferError, match="passphrase does not open"):
        opened(data, "battery staple")
    with pytest.raises(TransferError, match="encrypted with a passphrase"):
        opened(data, RECEIVER)


def test_another_identity_or_a_passphrase_does_not_open() -> None:
    with pytest.raises(TransferError, match="identity does not open"):
        opened(sealed(), STRANGER)
    with pytest.raises(TransferError, match="encrypted for a receiver's identity"):
        opened(sealed(), "correct horse")


def test_a_foreign_signature_is_refused() -> None:
    with pytest.raises(TransferError, match="signed by another key"):
        opened(sealed(sender=STRANGER))


def test_a_beginning_that_claims_the_trusted_key_does_not_help() -> None:
    data = sealed(sender=STRANGER)
    with pytest.raises(TransferError, match="not signed by the trusted key"):
        opened(data.replace(STRANGER.party.key, SENDER.party.key))


def test_nobody_can_sign_what_another_encrypted() -> None:
    """A party that the receiver trusts too takes the pieces of a stranger for its own."""
    _, _, *rest = fields(sealed(sender=STRANGER))
    parts, file = [SENDER.party.key, b""], MAGIC
    for content in parts:
        file += struct.pack(">I", len(content)) + content
    for piece in rest[::2]:
        file += piece
        file += struct.pack(">I", 64) + SENDER.key.sign(hashlib.sha256(file).digest())
    with pytest.raises(TransferError, match="another sender encrypted"):
        opened(file)


def test_every_flipped_byte_is_noticed() -> None:
    data = sealed()
    for place in {*range(0, len(data), 37), *range(600), len(data) - 1}:
        with pytest.raises(TransferError):
            opened(flipped(data, place))


def test_every_cut_is_noticed() -> None:
    data = sealed()
    for length in {*range(0, len(data), 41), len(data) - 1}:
        with pytest.raises(TransferError):
            opened(data[:length])


@pytest.mark.parametrize(
    "moved",
    [
        lambda f: [f[1], f[0], f[2], f[3]],
        lambda f: [f[0], f[2], f[3]],
        lambda f: [f[0], f[1], f[2]],
        lambda f: [f[0], f[0], f[1], f[2], f[3]],
        lambda f: [*f, f[3]],
        lambda f: [f[0], f[3]],
        lambda f: [f[3]],
        lambda _: [],
    ],
)
def test_pieces_moved_left_out_or_repeated_are_refused(
    moved: Callable[[list[bytes]], list[bytes]],
) -> None:
    start, parts = signed_parts(sealed())
    assert opened(start + b"".join(parts)) == PIECES
    with pytest.raises(TransferError):
        opened(start + b"".join(moved(parts)))


def test_a_piece_of_another_file_of_the_same_sender_is_refused() -> None:
    start, parts = signed_parts(sealed())
    _, others = signed_parts(sealed())
    with pytest.raises(TransferError, match="not signed by the trusted key"):
        opened(start + parts[0] + others[1] + b"".join(parts[2:]))


def test_nothing_of_a_bad_piece_is_decrypted(monkeypatch: pytest.MonkeyPatch) -> None:
    start, parts = signed_parts(sealed(sender=STRANGER))
    monkeypatch.setattr("pyrage.decrypt", lambda *_: pytest.fail("decrypted"))
    with pytest.raises(TransferError, match="not signed"):
        opened(start.replace(STRANGER.party.key, SENDER.party.key) + b"".join(parts))


def test_sizes_are_capped_before_anything_is_read() -> None:
    start, _ = signed_parts(sealed())
    for before in (start, MAGIC):
        with pytest.raises(TransferError, match="at most"):
            opened(before + struct.pack(">I", 2**32 - 1))
    with pytest.raises(TransferError, match="at most"):
        write_sealed(io.BytesIO(), [bytes(FIELD_LIMIT)], sender=SENDER, to=RECEIVER.party)


def test_an_identity_is_kept_private_and_never_overwritten(tmp_path: Path) -> None:
    key, public = SENDER.save(tmp_path / "alice")
    assert key.stat().st_mode & 0o777 == 0o600
    assert Party.load(public) == Identity.load(key).party == SENDER.party
    with pytest.raises(ConfigError, match="exists already"):
        STRANGER.save(tmp_path / "alice")
    assert Party.load(public) == SENDER.party
    with pytest.raises(ConfigError, match="not a private identity"):
        Identity.load(public)
    with pytest.raises(TransferError, match=r"alice\.key is not a public identity"):
        Party.load(key)
    with pytest.raises(ConfigError, match="cannot read"):
        Party.load(tmp_path / "nobody.pub")


@pytest.mark.parametrize("content", [b"", b"[1]", bytes(range(200)), b"secret\xff"])
def test_a_broken_identity_file_is_said_without_showing_it(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.key"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match="is not a private identity") as refused:
        Identity.load(path)
    assert "secret" not in str(refused.value)


def test_an_identity_is_also_made_by_openssh(tmp_path: Path) -> None:
    if shutil.which("ssh-keygen") is None:
        pytest.skip("ssh-keygen is not installed")
    make = ["ssh-keygen", "-q", "-t", "ed25519", "-C", "bob", "-f"]
    subprocess.run([*make, tmp_path / "bob", "-N", ""], check=True)
    bob, party = Identity.load(tmp_path / "bob"), Party.load(tmp_path / "bob.pub")
    assert bob.party == party
    assert opened(sealed(party), bob) == PIECES
    subprocess.run([*make, tmp_path / "locked", "-N", "a passphrase"], check=True)
    with pytest.raises(ConfigError, match="without a passphrase"):
        Identity.load(tmp_path / "locked")


def test_the_secret_is_not_shown() -> None:
    secret = SENDER.key.private_bytes_raw()
    assert secret.hex() not in repr(SENDER)
    assert repr(secret) not in repr(SENDER)
