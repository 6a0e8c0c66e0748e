"""Every use of the service leaves a record, and no result leaves without one."""

from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from gait.errors import AuditUnavailableError
from gait.modality import Modality
from serve.app import ROUTERS
from serve.audit.log import AuditLog
from serve.audit.record import CHANGES, Action, AuditEntry, Outcome, Record
from serve.audit.verify import verify
from serve.work.service import Service
from tests import services
from tests.contract.test_scopes import routes_of
from tests.services import AUTHORISATION, PURPOSE, SUBJECTS, add, enrol, identify, probe

pytestmark = pytest.mark.serving
CLIP = probe(0, Modality.SILHOUETTE)
LISTINGS = {
    "/v1/access",
    "/v1/galleries",
    "/v1/galleries/{g}",
    "/v1/galleries/{g}/ending",
    "/v1/galleries/{g}/strangers",
    "/v1/galleries/{g}/subjects",
    "/v1/galleries/{g}/subjects/{subject}",
    "/v1/galleries/{g}/subjects/{subject}/templates",
    "/v1/galleries/{g}/subjects/{subject}/templates/{template}",
    "/v1/keys",
    "/v1/models",
}
"""Paths whose GET shows what there is, without a comparison or an embedding: not recorded."""


def _actions() -> dict[tuple[str, str], Action | None]:
    app = FastAPI(openapi_url=None)
    for router in ROUTERS:
        app.include_router(router)
    return {(each.method, each.path): each.needs[0].action for each in routes_of(app)}


ACTIONS = {route: action for route, action in _actions().items() if action is not None}


def _records(service: Service) -> list[AuditEntry]:
    return service.audit.select("sequence > 1")


def _ended(service: Service, action: Action) -> AuditEntry:
    return next(
        each
        for each in reversed(_records(service))
        if each.action is action and each.outcome is not Outcome.INTENDED
    )


def test_every_route_is_an_action_or_a_listing() -> None:
    for (method, path), action in _actions().items():
        listed = method in ("GET", "HEAD") and path in LISTINGS
        assert (action is None) == listed, f"{method} {path} leaves no record"
    assert set(ACTIONS.values()) == set(Action) - {Action.EXPIRE, Action.BEGIN_LOG, Action.RETIRE}


def _path(path: str) -> str:
    names = {"g": "default", "subject": "p000", "template": "1", "key": "00000000"}
    for name, value in names.items():
        path = path.replace(f"{{{name}}}", value)
    return path


@pytest.mark.parametrize(("method", "path"), sorted(ACTIONS))
def test_each_route_produces_a_record(tmp_path: Path, method: str, path: str) -> None:
    """Whatever comes of an empty request: refused, done or failed."""
    with services.opened(tmp_path) as service:
        client = services.client(service)
        reply = client.request(method, _path(path))
        written = _records(service)
        assert written, f"{method} {path} leaves no record"
        last = written[-1]
        assert last.action is ACTIONS[method, path]
        assert last.outcome is not Outcome.INTENDED
        assert last.request == reply.headers["X-Request-ID"]
        assert last.audit_id == reply.headers["X-Audit-ID"]
        if last.action in CHANGES:
            assert written[-2].outcome is Outcome.INTENDED
            assert last.intent == written[-2].sequence


def test_an_identification_is_told_whole(tmp_path: Path) -> None:
    with services.opened(tmp_path) as service:
        client = services.client(service)
        enrol(client, 2)
        reply = identify(client, CLIP).json()
        entry = service.audit.find(reply["audit_id"])
        record = entry
        assert (record.action, record.outcome) == (Action.IDENTIFY, Outcome.DONE)
        assert (record.caller, record.purpose, record.gallery) == ("local", "test", "default")
        assert (record.request, record.revision) == (reply["request_id"], reply["gallery_revision"])
        assert record.probes == (service.audit.key.probe(CLIP),)
        shown = [(c["subject"], c["similarity"], c["template"]) for c in reply["candidates"]]
        assert [(c.subject, c.similarity, c.template) for c in record.candidates] == shown
    assert verify(tmp_path / "data", service.audit.key, [reply["audit_id"]]).intact


def test_changes_are_recorded_before_and_after(tmp_path: Path) -> None:
    with services.opened(tmp_path) as service:
        client = services.client(service)
        added = add(client, "anna", [CLIP]).json()
        removed = client.delete(f"{SUBJECTS}/anna").json()
        intended, enrolled, meant, erased = _records(service)
        assert (intended.outcome, meant.outcome) == (Outcome.INTENDED, Outcome.INTENDED)
        assert service.audit.find(added["audit_id"]) == enrolled
        assert service.audit.find(removed["audit_id"]) == erased
        assert enrolled.templates == erased.templates == (added["templates"][0]["template"],)
        assert enrolled.detail == AUTHORISATION["authorisation"]
        assert {r.subject for r in (intended, enrolled, meant, erased)} == {"anna"}


def test_refused_uses_are_recorded_with_the_reason(tmp_path: Path) -> None:
    with services.opened(tmp_path) as service:
        client = services.client(service)
        assert identify(client, b"no clip").status_code == 415
        record = _records(service)[-1]
        assert (record.outcome, record.detail) == (Outcome.REFUSED, "decode.format")
        assert (record.purpose, record.candidates) == ("test", ())


def test_an_unforeseen_failure_is_recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with services.opened(tmp_path) as service:
        client = services.client(service, raise_server_exceptions=False)
        monkeypatch.setattr(service, "decode", None)
        assert identify(client, CLIP).status_code == 500
        record = _records(service)[-1]
        assert (record.outcome, record.detail) == (Outcome.FAILED, "internal")


def _cannot(*_: object) -> list[AuditEntry]:
    raise AuditUnavailableError("no space")


@pytest.mark.parametrize(("method", "path"), sorted(ACTIONS))
def test_without_a_record_nothing_leaves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: str, path: str
) -> None:
    with services.opened(tmp_path) as service:
        client = services.client(service)
        enrol(client, 1)
        monkeypatch.setattr(AuditLog, "write_together", _cannot)
        sent = PURPOSE | AUTHORISATION
        files = {"clip": ("c", CLIP), "clips": ("c", CLIP)}
        body: dict[str, Any] = {"data": sent, "files": files} if method == "POST" else {}
        reply = client.request(method, _path(path), **body)
        assert (reply.status_code, reply.json()["code"]) == (503, "audit.unavailable")
        assert "p000" not in reply.text
        monkeypatch.undo()
        assert client.get(f"{SUBJECTS}/p000").status_code == 200  # nothing was removed either


def test_an_outcome_that_fails_after_the_act_is_made_up_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with services.opened(tmp_path) as service:
        client = services.client(service)
        audit, real = service.audit, service.audit._append
        calls = iter([real])
        monkeypatch.setattr(audit, "_append", lambda r: next(calls, _cannot)(r))
        assert add(client, "anna", [CLIP]).status_code == 503
        monkeypatch.undo()
        assert client.get(f"{SUBJECTS}/anna").status_code == 200  # it had happened
        assert identify(client, CLIP).status_code == 200
        enrolled = _ended(service, Action.ENROL)
        assert (enrolled.outcome, enrolled.intent) == (Outcome.DONE, 2)
        assert service.audit.settle() == 0


def _page(client: TestClient, path: str, **query: Any) -> Any:
    reply = client.get(path, params=query)
    assert reply.status_code == 200, reply.text
    return reply.json()


def test_records_are_read_in_pages_and_by_filter(tmp_path: Path) -> None:
    with services.opened(tmp_path) as service:
        client = services.client(service)
        enrol(client, 2)
        identify(client, CLIP)
        seen, cursor = [], None
        while True:
            given: dict[str, str] = {} if cursor is None else {"cursor": cursor}
            page = _page(client, "/v1/audit", limit=2, **given)
            seen += [each["audit_id"] for each in page["records"]]
            cursor = page["next_cursor"]
            if cursor is None:
                break
        assert seen == list(dict.fromkeys(seen))
        assert [int(each.split("-")[0]) for each in seen] == list(range(1, len(seen) + 1))
        (found,) = _page(client, "/v1/audit", action="identify", subject="p001")["records"]
        assert found["purpose"] == "test"
        assert _page(client, "/v1/audit", key="ffffffff")["records"] == []
        assert _page(client, "/v1/audit", since="2999-01-01")["records"] == []
        last = _page(client, "/v1/audit", subject="p000")
        assert _ended(service, Action.READ_AUDIT).subject == "p000"
        assert len(last["head"]) == 64
        for wrong in ({"since": "monday"}, {"cursor": "!"}, {"cursor": "YW5uYQ"}):
            assert client.get("/v1/audit", params=wrong).status_code in (400, 422)


def test_a_verdict_is_recorded_and_never_replaced(tmp_path: Path) -> None:
    with services.opened(tmp_path) as service:
        client = services.client(service)
        enrol(client, 2)
        audit_id = identify(client, CLIP).json()["audit_id"]
        review = {"audit_id": audit_id, "verdict": "unsure", "reviewer": "badge 311"}
        first = client.post("/v1/reviews", json=review)
        assert first.status_code == 201, first.text
        second = review | {"verdict": "rejected", "subject": "p001", "note": "another coat"}
        client.post("/v1/reviews", json=second)
        reviews = _page(client, "/v1/reviews", audit_id=audit_id)["reviews"]
        told = [(each["verdict"], each["subject"], each["note"]) for each in reviews]
        assert told == [("unsure", "p000", None), ("rejected", "p001", "another coat")]
        assert first.json()["review"] == reviews[0]
        record = service.audit.find(reviews[1]["audit_id"])
        assert (record.reviewer, record.about) == ("badge 311", int(audit_id.split("-")[0]))
        for changed, status in (
            ({"audit_id": "1-0000000000000000"}, 404),
            ({"audit_id": reviews[0]["audit_id"]}, 422),
            ({"subject": "nobody"}, 422),
            ({"verdict": "maybe"}, 422),
        ):
            assert client.post("/v1/reviews", json=review | changed).status_code == status


def test_a_crash_between_act_and_outcome_is_settled_at_the_next_start(tmp_path: Path) -> None:
    with services.opened(tmp_path) as service:
        add(services.client(service), "anna", [CLIP])
        enrolled = _ended(service, Action.ENROL)
        change = {"outcome": Outcome.INTENDED, "intent": None}
        service.audit.write(Record(**dict(enrolled) | change))
    with services.opened(tmp_path) as service:
        assert _ended(service, Action.ENROL).outcome is Outcome.UNKNOWN
