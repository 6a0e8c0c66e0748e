"""Pictures of a stream as they come: those that nobody has time for are left out."""

import threading
from collections.abc import Iterator
from dataclasses import replace

from capture.source.video import Frame


def newest(frames: Iterator[Frame], rate: float) -> Iterator[Frame]:
    """The newest frame whenever one is asked for, numbered by its time.

    A thread reads on while a frame is worked on, so the stream does not fall behind.

    Args:
        frames: of a stream.
        rate: frames a second at most.

    Raises:
        SourceLostError: as `frames`, when all that came before is given out.
    """
    kept = _Newest()
    thread = threading.Thread(target=kept.read, args=(frames,), name="stream", daemon=True)
    thread.start()
    last = -1
    while (frame := kept.take()) is not None:
        index = int(frame.seconds * rate)
        if index > last:
            last = index
            yield replace(frame, index=index)
    if kept.failed is not None:
        raise kept.failed


class _Newest:
    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._frame: Frame | None = None
        self._over = False
        self.failed: BaseException | None = None

    def read(self, frames: Iterator[Frame]) -> None:
        """Takes every frame; only the newest is kept."""
        try:
            for frame in frames:
                with self._changed:
                    self._frame = frame
                    self._changed.notify()
        except BaseException as error:  # noqa: BLE001 - raised again where the frames are wanted
            self.failed = error
        with self._changed:
            self._over = True
            self._changed.notify()

    def take(self) -> Frame | None:
        """The newest frame, once; None when no more come."""
        with self._changed:
            self._changed.wait_for(lambda: self._frame is not None or self._over)
            frame, self._frame = self._frame, None
            return frame
