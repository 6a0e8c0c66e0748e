"""One honest client beside many that send files made to be slow."""

import io
import threading
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from bench.serving.load import Load, form, press
from bench.serving.service_process import ServiceClient

_FAULTS = Path("../shared/data/faults/jpeg_scan_bomb.zip")
"""A file of others, used where it is there."""
_FIELDS = {"purpose": "benchmark"}
_PATH = "/v1/identify"


@dataclass(frozen=True)
class Beside:
    """What the honest client saw.

    Args:
        quiet: alone.
        beside: with the hostile clients.
        hostile: what those saw.
    """

    quiet: Load
    beside: Load
    hostile: Load

    @property
    def ratio(self) -> float:
        """p99 beside the hostile clients over the quiet one."""
        return self.beside.milliseconds(99) / self.quiet.milliseconds(99)

    @property
    def figures(self) -> dict[str, float]:
        """The honest client's times in milliseconds, and their ratio."""
        loads = {"alone": self.quiet, "beside": self.beside}
        times = {
            f"{name}_p{p}": load.milliseconds(p) for name, load in loads.items() for p in (50, 99)
        }
        return times | {"ratio": self.ratio}


def beside_hostile(
    service: ServiceClient, clips: Sequence[bytes], clients: int, seconds: float
) -> Beside:
    """Measures an honest client alone, then beside hostile ones.

    Args:
        service: with somebody enrolled.
        clips: of the honest client.
        clients: hostile ones.
        seconds: of each of the two measurements.
    """
    honest = [form(service.port, _PATH, {"clip": clip}, _FIELDS) for clip in clips]
    bad = [form(service.port, _PATH, {"clip": clip}, _FIELDS) for clip in hostile_files().values()]
    press([service.port], honest, 1, 1.0)
    quiet = press([service.port], honest, 1, seconds)
    seen: list[Load] = []
    attack = threading.Thread(
        target=lambda: seen.append(press([service.port], bad, clients, seconds + 1))
    )
    attack.start()
    loud = press([service.port], honest, 1, seconds)
    attack.join()
    return Beside(quiet, loud, seen[0])


def beside_text(result: Beside) -> str:
    """The outcome in three lines."""
    lines = [
        f"honest, {name}: p50 {load.milliseconds(50):.1f} ms, p99 {load.milliseconds(99):.1f} ms, "
        f"longest {load.milliseconds(100):.1f} ms, {len(load.latencies)} answers, "
        f"statuses {dict(load.statuses)}"
        for name, load in (("alone", result.quiet), ("beside", result.beside))
    ]
    return "\n".join([*lines, f"hostile: statuses {dict(result.hostile.statuses)}",
                      f"p99 beside / alone: {result.ratio:.2f}", ""])  # fmt: skip


def hostile_files() -> Mapping[str, bytes]:
    """Files of a few kilobytes that take a decoder seconds, or would."""
    made = {
        "many JPEGs of many scans": slow_file(),
        "JPEG of many empty scans": jpeg_scan_bomb(),
        "LZF of single bytes": lzf_bomb(),
    }
    return made | ({"given": _FAULTS.read_bytes()} if _FAULTS.exists() else {})


def slow_file() -> bytes:
    """A file within every cap that keeps a decoder busy for a minute."""
    return jpeg_scan_bomb(scans=40, side=1000, frames=600)


def jpeg_scan_bomb(scans: int = 1500, side: int = 2000, frames: int = 20) -> bytes:
    """A zip of progressive JPEG pictures, each with a scan that is repeated many times."""
    picture = np.zeros((side, side), np.uint8)
    _, encoded = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_PROGRESSIVE, 1])
    jpeg = encoded.tobytes()
    starts = [at for at in range(len(jpeg) - 1) if jpeg[at : at + 2] == b"\xff\xda"]
    last = jpeg[starts[-1] : -2]
    data = jpeg[:-2] + last * scans + jpeg[-2:]
    return zipped({f"{n:03}.jpg": data for n in range(frames)})


def lzf_bomb(points: int = 400_000, frames: int = 4) -> bytes:
    """A zip of compressed point clouds whose compressed part is all literal runs of one byte."""
    plain = np.zeros((3, points), np.float32).tobytes()
    packed = b"".join(b"\x00" + plain[at : at + 1] for at in range(len(plain)))
    head = (
        "VERSION .7\nFIELDS x y z\nSIZE 4 4 4\nTYPE F F F\nCOUNT 1 1 1\n"
        f"WIDTH {points}\nHEIGHT 1\nVIEWPOINT 0 0 0 1 0 0 0\nPOINTS {points}\n"
        "DATA binary_compressed\n"
    ).encode()
    sizes = np.array([len(packed), len(plain)], "<u4").tobytes()
    return zipped({f"{n:03}.pcd": head + sizes + packed for n in range(frames)})


def zipped(entries: Mapping[str, bytes]) -> bytes:
    """A compressed zip."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in entries.items():
            archive.writestr(name, data)
    return file.getvalue()
