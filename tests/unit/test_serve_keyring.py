"""Keys: who is admitted, for how long, and at what cost."""

import hashlib
import hmac
import secrets
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from gait.errors import KeyNotFoundError, KeyStateError
from serve.access import keyring as keyrings
from serve.access.keyring import Grant, Keyring, State
from serve.access.scopes import Caller, Scope

pytestmark = pytest.mark.serving

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
DAY, SECOND = timedelta(days=1), timedelta(seconds=1)
GATE = Grant(scopes=(Scope.IDENTIFY,), galleries=("site-7",), note="gate")


def _id(token: str) -> str:
    return token.partition(".")[0]


def _ring(count: int = 1) -> tuple[Keyring, list[str]]:
    ring, tokens = Keyring(), []
    for _ in range(count):
        ring, issued = ring.new(GATE, NOW)
        tokens.append(issued.token)
    return ring, tokens


def test_only_the_whole_key_is_admitted() -> None:
    ring, (token, other) = _ring(2)
    key_id, _, secret = token.partition(".")
    caller = ring.admits(token, NOW)
    assert caller is not None
    assert caller == Caller(key_id, frozenset({Scope.IDENTIFY}), frozenset({"site-7"}))
    halves = ["", ".", key_id, secret, f"{key_id}.", f".{secret}", f"{_id(other)}.{secret}"]
    altered = [f"{token}x", token.upper(), f"00000000.{secret}", token[:-1], "é.ü", "a.b.c"]
    for wrong in halves + altered:
        assert ring.admits(wrong, NOW) is None, wrong


def test_expiry_follows_the_clock_both_ways() -> None:
    ring, (token,) = _ring()
    end = NOW + 90 * DAY
    assert ring.find(_id(token)).expires == end
    for moment, admitted in [
        (NOW, True), (end - SECOND, True), (end, False), (end + 9999 * DAY, False),
        (NOW + DAY, True), (NOW - 365 * DAY, True),
    ]:  # fmt: skip
        assert bool(ring.admits(token, moment)) == admitted, moment


def test_a_rotated_key_has_two_secrets_for_a_while() -> None:
    ring, (old,) = _ring()
    then = NOW + 80 * DAY
    ring, issued = ring.rotate(_id(old), then, overlap=DAY, lasts=90 * DAY)
    assert _id(issued.token) == _id(old)
    assert issued.token != old
    caller = ring.admits(issued.token, then)
    assert caller == ring.admits(old, then + DAY - SECOND)
    assert caller is not None
    assert ring.admits(old, then + DAY) is None
    assert ring.admits(issued.token, then + 90 * DAY - SECOND)
    assert ring.admits(issued.token, then + 90 * DAY) is None


def test_rotation_never_prolongs_the_old_secret() -> None:
    ring, (old,) = _ring()
    end = NOW + 90 * DAY
    ring, new = ring.rotate(_id(old), end - SECOND, overlap=30 * DAY, lasts=90 * DAY)
    assert ring.admits(old, end - SECOND)
    assert ring.admits(old, end) is None
    assert ring.admits(new.token, end)


def test_a_second_rotation_ends_the_first_secret_at_once() -> None:
    ring, (first,) = _ring()
    ring, second = ring.rotate(_id(first), NOW, overlap=DAY, lasts=90 * DAY)
    ring, third = ring.rotate(_id(first), NOW, overlap=DAY, lasts=90 * DAY)
    assert ring.admits(first, NOW) is None
    assert ring.admits(second.token, NOW)
    assert ring.admits(third.token, NOW)


def test_no_overlap_ends_the_old_secret_at_once() -> None:
    ring, (old,) = _ring()
    ring, new = ring.rotate(_id(old), NOW, overlap=0 * DAY, lasts=DAY)
    assert ring.admits(old, NOW) is None
    assert ring.admits(new.token, NOW)


def test_revocation_ends_both_secrets_for_good() -> None:
    ring, (old, other) = _ring(2)
    ring, new = ring.rotate(_id(old), NOW, overlap=DAY, lasts=90 * DAY)
    ring, revoked = ring.revoke(_id(old), NOW)
    assert revoked.state(NOW) is State.REVOKED
    for token in (old, new.token):
        for moment in (NOW, NOW - DAY, NOW + DAY):
            assert ring.admits(token, moment) is None
    assert ring.admits(other, NOW)
    again, same = ring.revoke(_id(old), NOW + DAY)
    assert (again, same.revoked) == (ring, NOW)


def test_what_has_ended_is_not_rotated() -> None:
    ring, (token,) = _ring()
    with pytest.raises(KeyStateError, match="expired"):
        ring.rotate(_id(token), NOW + 90 * DAY, overlap=DAY, lasts=DAY)
    ring, _ = ring.revoke(_id(token), NOW)
    with pytest.raises(KeyStateError, match="revoked"):
        ring.rotate(_id(token), NOW, overlap=DAY, lasts=DAY)
    with pytest.raises(KeyNotFoundError):
        ring.rotate("ffffffff", NOW, overlap=DAY, lasts=DAY)


def test_every_token_costs_the_same_comparisons(monkeypatch: pytest.MonkeyPatch) -> None:
    """No early exit: not for an unknown id, not after a match, not for an ended key."""
    ring, tokens = _ring(5)
    ring, rotated = ring.rotate(_id(tokens[2]), NOW, overlap=DAY, lasts=90 * DAY)
    ring, _ = ring.revoke(_id(tokens[4]), NOW)
    compared: list[tuple[int, int]] = []

    def compare(left: Any, right: Any) -> bool:
        compared.append((len(left), len(right)))
        return original(left, right)

    original = hmac.compare_digest
    monkeypatch.setattr(hmac, "compare_digest", compare)
    tried = [*tokens, rotated.token, "00000000.secret", f"{_id(tokens[0])}.wrong", "00000000."]
    shapes = []
    for token in tried:
        compared.clear()
        ring.admits(token, NOW)
        shapes.append(list(compared))
    assert len(shapes[0]) == 3 * 5, "id, secret and old secret of each key"
    assert all(shape == shapes[0] for shape in shapes)


def test_a_key_without_an_old_secret_has_none_that_matches() -> None:
    ring, (token,) = _ring()
    assert hashlib.sha256(b"").hexdigest() != keyrings._NO_HASH
    assert ring.admits(f"{_id(token)}.{'0' * 64}", NOW) is None


def test_ids_are_not_used_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    ids = iter(["aaaaaaaa", "aaaaaaaa", "bbbbbbbb"])
    monkeypatch.setattr(secrets, "token_hex", lambda _: next(ids))
    ring, tokens = _ring(2)
    assert [_id(token) for token in tokens] == ["aaaaaaaa", "bbbbbbbb"]
    twice = {"keys": [ring.keys[0].model_dump(), ring.keys[0].model_dump()]}
    with pytest.raises(ValidationError, match="twice"):
        Keyring.model_validate(twice)


def test_administrators_cannot_be_restricted() -> None:
    with pytest.raises(ValidationError, match="cannot be restricted"):
        Grant(scopes=(Scope.ADMIN,), galleries=("site-7",))


@pytest.mark.parametrize(
    "wrong",
    [
        {"scopes": ["everything"]}, {"galleries": []}, {"galleries": ["../x"]}, {"days": 0},
        {"days": 99999}, {"note": "x" * 201}, {"more": 1},
    ],
)  # fmt: skip
def test_what_cannot_be_granted(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Grant.model_validate({"scopes": ["identify"], **wrong})
