"""Command: say who is in front of a camera, live, by asking a service.

python -m capture.watch rtsp://camera/stream --service https://gait.example --purpose "entrance 3"
"""

import json
import math
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from capture.camera.capture import CameraCapture, CameraSettings
from capture.camera.people import networks
from capture.lidar.capture import LidarCapture, LidarSettings
from capture.lidar.recording import LidarFormat, open_lidar
from capture.live.live_page import live_page
from capture.live.outbox import Event, Outbox
from capture.live.tracks import Ask, LiveTracks
from capture.live.webhook import webhook
from capture.source.opening import is_live, shown
from capture.source.video import describe
from gait.cli import read_secret, run
from gait.errors import ConfigError, SourceLostError
from gait.modality import Modality
from gait.verdict import Window
from gallery.remote.client import Client

_FIRST_WAIT, _LONGEST_WAIT = 1.0, 30.0


@dataclass(frozen=True)
class Arguments:
    """Says who is there, one JSON line for each track; nothing is kept of people not found."""

    source: Annotated[str, tyro.conf.Positional]
    """A stream (rtsp://, http://), a camera (/dev/video0), or a recording of camera or LiDAR."""
    service: str
    """Address of the service."""
    purpose: str
    """Why you ask; the service records it."""
    gallery: str | None = None
    """Gallery to search; the service's default if not given."""
    key_file: Path | None = None
    """File with the access key."""
    name: str | None = None
    """What the source is called in events, such as "entrance 3"; else its address or file."""
    live: bool = True
    """Tell the service's live page."""
    pictures: bool = False
    """Also send a small picture of people who are found, to the live page and the webhook."""
    windows: int = 3
    """Windows of a track that are asked about before it is decided."""
    window: int = 40
    """Frames of a window."""
    cooldown: float = 60.0
    """Seconds for which the same person is not told of again."""
    webhook: str | None = None
    """Address that gets every event too."""
    webhook_secret: Path | None = None
    """File with the secret that signs them."""
    weights: Path | None = None
    """Folder of the networks that `python -m capture.weights` fetched. For pictures."""
    detector: Path | None = None
    """An ONNX detector of your own instead, see docs/capture.md."""
    masks: Path | None = None
    """An ONNX model of your own for masks instead."""
    tall: int = 60
    """People lower than this many pixels are left out. For pictures."""
    threads: int | None = None
    """Threads; by default as many as cores, at most four. For pictures."""
    attempts: int | None = None
    """Times to open a lost stream again before giving up; for ever if not given."""


def main() -> None:
    """Watches as the command line says."""
    arguments = tyro.cli(Arguments, prog="python -m capture.watch")
    _require_sensible(arguments)
    client = Client(arguments.service, _key(arguments))
    with _told(arguments, client) as boxes:

        def say(event: Event) -> None:
            print(json.dumps({k: v for k, v in event.items() if k != "picture"}), flush=True)
            for box in boxes:
                box.send(event)

        watch(arguments, _asker(arguments, client), say, _complain)


def watch(
    arguments: Arguments,
    ask: Ask,
    say: Callable[[Event], None],
    complain: Callable[[str], None],
) -> None:
    """Follows a source to its end; a stream is opened again whenever it is lost.

    Raises:
        SourceLostError: a stream could not be opened again in `arguments.attempts` attempts.
    """
    lidar = None
    if not is_live(arguments.source):
        lidar = open_lidar(Path(arguments.source), LidarFormat())
    address = shown(arguments.source) if is_live(arguments.source) else Path(arguments.source).name
    keep = max(2, arguments.window // 2)
    tracks = LiveTracks(
        arguments.name or address,
        Modality.SILHOUETTE if lidar is None else Modality.RANGE_VIEW,
        ask,
        say,
        complain,
        windows=arguments.windows,
        keep=keep,
        cooldown=arguments.cooldown,
        pictures=arguments.pictures,
    )
    try:
        if lidar is None:
            _follow(arguments, keep, tracks, complain)
        else:
            wanted = LidarSettings(keep=keep, longest=arguments.window, walked=0.3)
            LidarCapture(lidar, wanted, tracks).run()
    finally:
        tracks.close()


def _follow(
    arguments: Arguments, keep: int, tracks: LiveTracks, complain: Callable[[str], None]
) -> None:
    """Follows a camera; opens it again whenever it is lost."""
    settings = CameraSettings(
        tall=arguments.tall, keep=keep, longest=arguments.window, threads=arguments.threads
    )
    detector, masker = networks(arguments.weights, arguments.detector, arguments.masks)
    failed, wait = 0, _FIRST_WAIT
    while True:
        begun = time.monotonic()
        try:
            recording = describe(arguments.source)
            CameraCapture(recording, settings, detector, masker, tracks).run()
            return
        except SourceLostError as error:
            if time.monotonic() - begun > _LONGEST_WAIT:
                failed, wait = 0, _FIRST_WAIT
            failed += 1
            if arguments.attempts is not None and failed > arguments.attempts:
                raise
            complain(f"{error}; trying again in {wait:.0f} s")
            tracks.begin_anew()
            time.sleep(wait)
            wait = min(2 * wait, _LONGEST_WAIT)


def _require_sensible(arguments: Arguments) -> None:
    """The rest is looked at by the settings of each sensor."""
    least = {"windows": 1, "window": 2, "cooldown": 0, "attempts": 0}
    for name, needed in least.items():
        got = getattr(arguments, name)
        if got is not None and not needed <= got < math.inf:
            raise ConfigError(f"got --{name} {got}, need {needed} or more")


def _key(arguments: Arguments) -> str | None:
    if arguments.key_file is None:
        return None
    return read_secret("--key-file", arguments.key_file)


def _asker(arguments: Arguments, client: Client) -> Ask:
    def ask(clip: bytes) -> Window:
        found = client.identify(clip, arguments.purpose, gallery=arguments.gallery, top_k=1)
        best = found.candidates[0] if found.candidates else None
        return Window(
            found.decision,
            None if best is None else best.subject,
            -1.0 if best is None else best.similarity,
            found.probe.quality,
            found.audit_id,
        )

    return ask


@contextmanager
def _told(arguments: Arguments, client: Client) -> Iterator[list[Outbox]]:
    """Who is told of events beside stdout; what waits at the end is sent yet."""
    boxes = list[Outbox]()
    if arguments.webhook is not None:
        if arguments.webhook_secret is None:
            raise ConfigError("a webhook needs a secret: give the file with it by --webhook-secret")
        secret = read_secret("--webhook-secret", arguments.webhook_secret)
        boxes.append(webhook(arguments.webhook, secret, _complain))
    if arguments.live:
        boxes.append(live_page(client, _complain))
    try:
        yield boxes
    finally:
        for box in boxes:
            box.close()


def _complain(words: str) -> None:
    print(words, file=sys.stderr, flush=True)


if __name__ == "__main__":
    run(main)
