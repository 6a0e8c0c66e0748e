"""Requests that a stopping service cuts off: what the client hears and what the records say."""

import asyncio
from pathlib import Path
from typing import Any

import httpx2
import pytest

from gait.modality import Modality
from serve.app import create_app
from serve.work.service import Service
from tests import services
from tests.services import AUTHORISATION, SUBJECTS, probe

pytestmark = pytest.mark.serving


def test_an_act_that_was_cut_off_has_an_unknown_outcome(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker thread cannot be stopped: the person may be enrolled all the same."""
    entered = asyncio.Event()

    async def never(*_: Any) -> None:
        entered.set()
        await asyncio.Event().wait()

    async def cut_off(service: Service) -> httpx2.Response:
        transport = httpx2.ASGITransport(create_app(service))
        async with httpx2.AsyncClient(transport=transport, base_url="http://localhost") as client:
            sent = {"clips": ("clip", probe(1, Modality.SILHOUETTE))}
            post = client.post(f"{SUBJECTS}/p1/templates", files=sent, data=AUTHORISATION)
            asked = asyncio.create_task(post)
            await asyncio.wait_for(entered.wait(), 20)
            asked.cancel()  # as uvicorn does once the grace is over
            return await asked

    with services.opened(tmp_path) as service:
        monkeypatch.setattr(service, "on", never)
        reply = asyncio.run(cut_off(service))
        assert (reply.status_code, reply.json()["code"]) == (503, "service.closing")
        *_, intended, ended = service.audit.select("sequence > 0", (), 100)
        assert (intended.outcome, ended.outcome) == ("intended", "unknown")
        assert ended.intent == intended.sequence
        assert ended.detail is not None
        assert ended.detail.startswith("service.closing")
        assert service.audit.settle() == 0, "and the next start finds nothing open"
