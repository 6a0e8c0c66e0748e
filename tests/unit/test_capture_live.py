"""Who is there now: one decision a track, cool-down, a signed webhook, sources that are lost."""

import base64
import hashlib
import hmac
import json
import threading
import time
from collections.abc import Iterator, Sequence
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import cv2
import numpy as np
import pytest

from capture.camera.tracker import CameraTrack, CameraTracks
from capture.live.live_page import live_page
from capture.live.outbox import Outbox
from capture.live.tracks import LiveTracks
from capture.live.webhook import SIGNATURE, webhook
from capture.source.live import newest
from capture.source.video import Frame
from capture.track.pieces import ESTABLISHED, Pieces
from capture.track.sighting import Sighting
from gait.errors import ConfigError, RemoteError, RemoteUnreachableError, SourceLostError
from gait.modality import Modality
from gait.verdict import Window, decided

pytestmark = pytest.mark.serving


def window(decision: str | None, subject: str | None = None, similarity: float = 0.5) -> Window:
    return Window(decision, subject, similarity, 0.9, "a1")


@pytest.mark.parametrize(
    ("windows", "decision", "subject"),
    [
        ([window("match", "anna", 0.8), window("no_match")], "match", "anna"),
        ([window("match", "anna", 0.8), window("match", "anna", 0.9)], "match", "anna"),
        ([window("match", "anna", 0.8), window("match", "bert", 0.9)], "possible", "bert"),
        ([window("possible", "anna", 0.6), window("no_match")], "possible", "anna"),
        ([window("no_match"), window("no_match")], "no_match", None),
        ([window(None)], None, None),
    ],
)
def test_windows_agree_on_one_decision(
    windows: Sequence[Window], decision: str | None, subject: str | None
) -> None:
    best = decided(windows)
    assert (best.decision, best.subject) == (decision, subject)


def sightings(count: int, start: int = 0) -> list[Sighting]:
    """A person who stands in every frame."""
    mask = np.zeros((256, 256), np.uint8)
    mask[40:220, 100:150] = 255
    png = cv2.imencode(".png", mask)[1].tobytes()
    return [
        Sighting(frame, frame / 10, (0.0, 0.0, 50.0, 120.0), png, 1.0, True, True)
        for frame in range(start, start + count)
    ]


class Told:
    """What a source's events and complaints were."""

    def __init__(self, answers: Sequence[Window | Exception], **options: Any) -> None:
        self.events: list[dict[str, Any]] = []
        self.complaints: list[str] = []
        self.now, self._answers = 0.0, list(answers)
        self.tracks = LiveTracks(
            "gate", Modality.SILHOUETTE, self._ask, self.events.append, self.complaints.append,
            clock=lambda: self.now, **options,
        )  # fmt: skip

    def _ask(self, clip: bytes) -> Window:
        assert clip[:2] == b"PK"
        answer = self._answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def settle(self) -> None:
        """Waits for what was asked."""
        self.tracks._pool.submit(lambda: None).result(timeout=20)


def test_a_track_is_told_once_after_its_windows() -> None:
    told = Told([window("match", "anna", 0.8)] * 9, windows=2)
    for row in range(4):
        told.tracks.piece(7, sightings(20, 20 * row))
        told.settle()
    told.tracks.ended(7)
    told.tracks.close()
    (event,) = told.events
    assert (event["track"], event["decision"], event["subject"]) == (7, "match", "anna")
    assert event["windows"] == 2


def test_a_stranger_is_told_without_a_name_or_a_similarity() -> None:
    told = Told([window("no_match", "anna", 0.1)])
    told.tracks.piece(1, sightings(20))
    told.tracks.ended(1)
    told.tracks.close()
    (event,) = told.events
    assert (event["decision"], event["subject"], event["similarity"]) == ("no_match", None, None)
    assert told.tracks._tracks == {}


@pytest.mark.parametrize("pictures", [True, False])
@pytest.mark.parametrize("decision", ["match", "possible", "no_match", None])
def test_a_picture_is_sent_if_asked_for_and_of_people_who_are_found_only(
    pictures: bool, decision: str | None
) -> None:
    told = Told([window(decision, "anna", 0.8)], windows=1, pictures=pictures)
    seen = sightings(20)
    seen[3].photo = b"a photo"
    told.tracks.piece(1, seen)
    told.tracks.ended(1)
    told.tracks.close()
    (event,) = told.events
    sent = base64.b64decode(event.get("picture", ""))
    assert sent == (b"a photo" if pictures and decision in ("match", "possible") else b"")


def test_the_same_person_is_told_again_only_after_a_while() -> None:
    told = Told([window("match", "anna", 0.8)] * 3, windows=1, cooldown=60.0)
    for track, now in ((1, 0.0), (2, 30.0), (3, 61.0)):
        told.now = now
        told.tracks.piece(track, sightings(20))
        told.settle()
        told.tracks.ended(track)
    told.tracks.close()
    assert [event["track"] for event in told.events] == [1, 3]


def test_a_service_that_fails_is_complained_of_and_the_rest_goes_on() -> None:
    told = Told([RemoteUnreachableError("no answer"), window("match", "anna", 0.8)], windows=2)
    told.tracks.piece(1, sightings(20))
    told.tracks.piece(1, sightings(20, 20))
    told.tracks.ended(1)
    told.tracks.close()
    assert told.events[0]["windows"] == 1
    assert "no answer" in told.complaints[0]


def test_what_shows_too_little_is_not_asked_about() -> None:
    told = Told([])
    told.tracks.piece(1, sightings(5))
    told.tracks.piece(1, sightings(20), 200.0)
    told.tracks.ended(1)
    told.tracks.close()
    assert told.events == []


LONGEST = 20


@pytest.mark.parametrize("covered", [False, True])
def test_a_track_that_leaves_just_after_a_piece_ended_is_told_of_once(covered: bool) -> None:
    """Exactly `longest` sightings, or the last one behind somebody else: no piece is open then."""
    told = Told([window("match", "anna", 0.8)])
    seen = sightings(LONGEST)
    if covered:
        (last,) = sightings(1, LONGEST)
        last.shared = {2: 0.9}
        seen.append(last)
    nothing = np.zeros(4)
    gone = CameraTrack(1, nothing, nothing, len(seen), len(seen), pieces=Pieces(waiting=seen))
    tracks = CameraTracks(patience=8, live=[gone], counts={2: ESTABLISHED}, next_number=3)
    given = list[int]()

    def write(track: int, piece: list[Sighting]) -> None:
        given.append(len(piece))
        told.tracks.piece(track, piece)

    tracks.settle(100, told.tracks, write, LONGEST)
    told.tracks.close()
    assert given == [LONGEST]
    assert [event["decision"] for event in told.events] == ["match"]


@pytest.fixture
def receiver() -> Iterator[tuple[str, list[tuple[bytes, str]], list[int]]]:
    """An address, what it got, and the statuses with which it answers in turn."""
    got: list[tuple[bytes, str]] = []
    statuses: list[int] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            got.append((body, self.headers[SIGNATURE]))
            self.send_response(statuses.pop(0) if statuses else 200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/hook", got, statuses
    server.shutdown()
    thread.join()
    server.server_close()


def test_events_are_signed_and_tried_again(
    receiver: tuple[str, list[tuple[bytes, str]], list[int]],
) -> None:
    url, got, statuses = receiver
    statuses += [503, 500]
    complaints: list[str] = []
    hook = webhook(url, "s3cret", complaints.append, first_wait=0.01)
    hook.send({"track": 1})
    hook.send({"track": 2})
    hook.close()
    assert [json.loads(body)["track"] for body, _ in got] == [1, 1, 1, 2]
    assert complaints == []
    body, header = got[-1]
    seconds, _, signed = header.removeprefix("t=").partition(",v1=")
    wanted = hmac.new(b"s3cret", seconds.encode() + b"." + body, hashlib.sha256).hexdigest()
    assert signed == wanted
    assert abs(int(seconds) - time.time()) < 60


def test_a_refused_event_is_given_up_and_said(
    receiver: tuple[str, list[tuple[bytes, str]], list[int]],
) -> None:
    url, got, statuses = receiver
    statuses += [401]
    complaints: list[str] = []
    hook = webhook(url, "s3cret", complaints.append, first_wait=0.01)
    hook.send({"track": 1})
    hook.close()
    assert len(got) == 1
    assert "401 refused" in complaints[0]


def test_a_webhook_needs_an_address_and_a_secret() -> None:
    for url, secret in (("ftp://host", "s"), ("https://host", "")):
        with pytest.raises(ConfigError):
            webhook(url, secret, print)


class Answers:
    """A client whose calls end as they are told to."""

    def __init__(self, *endings: Exception | None) -> None:
        self.endings, self.told = list(endings), list[Any]()

    def tell_live(self, passing: Any) -> None:
        self.told.append(passing)
        if (ending := self.endings.pop(0)) is not None:
            raise ending


def test_the_live_page_is_told_again_what_it_missed_and_not_what_it_refused() -> None:
    away, busy = RemoteUnreachableError("no answer"), RemoteError("busy", status=503)
    client = Answers(away, busy, None, RemoteError("not that", status=422), None)
    complaints: list[str] = []
    page: Any = client
    box = live_page(page, complaints.append, first_wait=0.01)
    for track in range(3):
        box.send({"audit_id": "1-a", "source": "g" * 200, "track": track, "subject": "anna"})
    box.close()
    assert [each["track"] for each in client.told] == [0, 0, 0, 1, 2]
    assert client.told[0] == {"audit_id": "1-a", "source": "g" * 128, "track": 0}
    (complaint,) = complaints
    assert complaint.startswith("an event was not delivered to the live page: not that")


def test_of_too_many_events_the_oldest_are_lost_and_that_is_said(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("capture.live.outbox._KEPT", 2)
    begun, go = threading.Event(), threading.Event()
    taken: list[Any] = []

    def deliver(event: dict[str, Any]) -> None:
        begun.set()
        go.wait(20)
        taken.append(event["track"])

    complaints: list[str] = []
    box = Outbox("somewhere", deliver, complaints.append)
    for track in range(5):
        box.send({"track": track})
        begun.wait(20)
    go.set()
    box.close()
    assert taken == [0, 3, 4]
    assert len(complaints) == 2


def test_frames_nobody_has_time_for_are_left_out_and_the_loss_is_told() -> None:
    taken, ready = threading.Event(), threading.Event()

    def stream() -> Iterator[Frame]:
        yield Frame(0, 0.0, np.zeros((2, 2, 3), np.uint8))
        taken.wait(5)
        for index in range(1, 50):
            yield Frame(index, index / 10, np.zeros((2, 2, 3), np.uint8))
        ready.set()
        raise SourceLostError("gone")

    read = newest(stream(), 10.0)
    first = next(read)
    taken.set()
    ready.wait(5)
    time.sleep(0.05)
    rest = [next(read)]
    with pytest.raises(SourceLostError, match="gone"):
        next(read)
    assert (first.index, rest[0].index) == (0, 49)
