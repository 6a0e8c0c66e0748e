"""What people said of matches: what is settled, and what the counts say of a calibration."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gait.cli import run
from gait.errors import ConfigError
from gallery.decision.decision import USUAL
from serve.access.key_file import KeyFile
from serve.access.keyring import Grant
from serve.access.scopes import Scope
from serve.audit import __main__ as command
from serve.audit.agreement import StrangersFound, statistics
from serve.audit.cases import CaseState, cases, state_of
from serve.audit.log import AuditLog
from serve.audit.record import Action, AuditEntry, Record
from serve.audit.search import Filter
from serve.settings import load_settings
from tests import services
from tests.audits import MASTER, used

pytestmark = pytest.mark.serving

OPEN, CONFIRMED, REJECTED = CaseState.OPEN, CaseState.CONFIRMED, CaseState.REJECTED


@pytest.fixture
def log(tmp_path: Path) -> Iterator[AuditLog]:
    with AuditLog.open(tmp_path, MASTER) as audit:
        yield audit


def _search(log: AuditLog, decision: str = "match", probe: str = "silhouette") -> AuditEntry:
    found = () if decision == "no_match" else used().candidates
    candidates = tuple(each.model_copy(update={"modality": "range_view"}) for each in found)
    return log.write(used(decision=decision, modality=probe, candidates=candidates))


def _say(log: AuditLog, about: AuditEntry, key: str, who: str, verdict: str, of: str) -> AuditEntry:
    known: dict[str, Any] = {"reviewer": who, "decision": verdict, "candidates": ()}
    known |= {"action": Action.REVIEW, "about": about.sequence, "caller": key}
    return log.write(used(**known).model_copy(update={"subject": of}))


@pytest.mark.parametrize(
    ("said", "one", "two"),
    [
        ([], OPEN, OPEN),
        (["k1 ann confirmed anna"], CONFIRMED, OPEN),
        (["k1 ann unsure anna"], OPEN, OPEN),
        (["k1 ann confirmed anna", "k2 bea confirmed anna"], CONFIRMED, CONFIRMED),
        (["k1 ann confirmed anna", "k1 bea confirmed anna"], CONFIRMED, OPEN),
        (["k1 ann confirmed anna", "k2 ANN confirmed anna"], CONFIRMED, OPEN),
        (["k1 ann confirmed anna", "k2 bea rejected anna"], OPEN, OPEN),
        (
            ["k1 ann confirmed anna", "k2 bea rejected anna", "k1 ann rejected anna"],
            REJECTED,
            REJECTED,
        ),
        (["k1 ann confirmed anna", "k1 ann unsure anna"], OPEN, OPEN),
        (["k1 ann rejected bob", "k2 bea rejected bob"], OPEN, OPEN),
        (["k1 ann rejected anna", "k2 bea confirmed bob"], CONFIRMED, OPEN),
        (["k1 ann confirmed anna", "k2 bea confirmed bob"], OPEN, OPEN),
    ],
)
def test_who_settles_a_case(log: AuditLog, said: list[str], one: CaseState, two: CaseState) -> None:
    search = _search(log)
    reviews = [_say(log, search, *each.split()) for each in said]
    assert state_of(search, reviews, two_reviewers=False) is one
    assert state_of(search, reviews, two_reviewers=True) is two
    (case,) = cases(log, Filter(), two_reviewers=True)
    assert (case.record, list(case.reviews), case.state) == (search, reviews, two)


def test_cases_are_searches_that_found_somebody(log: AuditLog) -> None:
    wanted = [_search(log, decision) for decision in ("match", "no_match", "possible")]
    log.write(used(action=Action.VERIFY, decision="match"))
    log.write(used(decision="1 match"))
    found = cases(log, Filter(), two_reviewers=False)
    assert [each.record for each in found] == [wanted[0], wanted[2]]
    assert cases(log, Filter(galleries=frozenset({"other"})), two_reviewers=False) == []


def _counted(log: AuditLog) -> None:
    """20 matches of camera clips, of which 4 are settled, and 40 searches that found nobody."""
    found = [_search(log) for _ in range(20)]
    for search, verdict in zip(
        found, ("confirmed", "rejected", "rejected", "rejected"), strict=False
    ):
        _say(log, search, "k1", "ann", verdict, "anna")
    _search(log, "possible")
    for _ in range(40):
        _search(log, "no_match")


def test_the_counts_are_of_each_pair_of_sensors(log: AuditLog) -> None:
    _counted(log)
    _search(log, probe="range_view")
    counted = statistics(log, Filter(), USUAL, two_reviewers=False)
    told = [
        (each.probe, each.enrolled_by, each.decision, each.cases, each.confirmed, each.rejected)
        for each in counted.pairs
    ]
    assert told == [
        ("range_view", "range_view", "match", 1, 0, 0),
        ("silhouette", "range_view", "match", 20, 1, 3),
        ("silhouette", "range_view", "possible", 1, 0, 0),
    ]
    assert all(each.cases == each.confirmed + each.rejected + each.open for each in counted.pairs)
    none, _, match, possible = counted.strangers
    assert (none.searches, none.rejected, none.contradicted) == (1, 0, False)
    assert (match.searches, match.rejected) == (60, 3)
    assert match.rate == pytest.approx(0.05)
    assert match.low < match.rate < match.high
    assert match.contradicted, "promised is 1 %"
    assert (possible.promised, possible.contradicted) == (USUAL.possible_fpir, False)
    counted = statistics(log, Filter(), USUAL, two_reviewers=True)
    assert {each.open for each in counted.pairs} == {20, 1}


def test_few_searches_contradict_nothing() -> None:
    few = StrangersFound("silhouette", "match", 10, 1, 0.1, 0.005, 0.4, 0.01)
    assert not few.contradicted


def test_the_command_prints_them(
    log: AuditLog, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _counted(log)
    monkeypatch.setattr(command, "_key", lambda _: log.key)
    for more in ([], ["--json"]):
        arguments = ["audit", "reviews", str(log.path.parent), *more]
        monkeypatch.setattr(sys, "argv", arguments)
        with pytest.raises(SystemExit) as exit_:
            run(command.main)
        assert not exit_.value.code
    text, _, told = capsys.readouterr().out.partition("{")
    assert "20 cases, 1 confirmed, 3 rejected, 16 open" in text
    assert "3 strangers of 60 searches, at least 5.00%" in text
    assert "promised 1.00%: CONTRADICTED" in text
    assert json.loads("{" + told)["strangers"][0]["rejected"] == 3


def test_two_reviewers_need_keys(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="two_reviewers needs keys"):
        load_settings(data=tmp_path, two_reviewers=True)


def test_the_service_wants_two_keys(tmp_path: Path) -> None:
    keys = KeyFile(tmp_path / "keys.json")
    one, other = (
        {"Authorization": f"Bearer {keys.new(Grant(scopes=tuple(Scope))).token}"} for _ in range(2)
    )
    with (
        services.opened(tmp_path, keys=keys.path, two_reviewers=True) as service,
        services.client(service, keys) as client,
    ):
        search = service.audit.write(Record(**dict(used(decision="match"))))

        def say(who: str, headers: dict[str, str]) -> str:
            new = {"audit_id": search.audit_id, "verdict": "rejected", "reviewer": who}
            reply = client.post("/v1/reviews", json=new, headers=headers)
            assert reply.status_code == 201, reply.text
            return str(reply.json()["state"])

        assert say("ann", one) == say("Ann", other) == "open", "one name with two keys"
        assert say("ann", one) == "open"
        queue = client.get("/v1/reviews/cases", params={"state": "open"}, headers=one).json()
        assert queue["two_reviewers"]
        assert [len(case["reviews"]) for case in queue["cases"]] == [3]
        assert say("cleo", other) == "rejected"
        queue = client.get("/v1/reviews/cases", params={"state": "open"}, headers=one).json()
        assert queue["cases"] == []
        counted = client.get("/v1/reviews/statistics", headers=one).json()
        assert [each["rejected"] for each in counted["pairs"]] == [1]
        assert client.get("/v1/access", headers=one).json()["limits"]["two_reviewers"]
