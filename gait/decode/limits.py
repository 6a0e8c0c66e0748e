"""How large a clip file and what is in it may be."""

from dataclasses import dataclass

from gait.errors import LimitExceededError

_MIB = 1 << 20


@dataclass(frozen=True)
class Limits:
    """Caps on one clip file, compared with what headers declare and with what decoding gives.

    Args:
        max_bytes: size of the file as sent.
        max_frames: frames of the file.
        kept_frames: frames of a clip; of a longer file this many are used, spread evenly over it.
        max_pixels: height × width of one frame.
        max_decoded_pixels: of all frames of a file that have to be decoded.
        max_inflated_bytes: everything held in memory after inflating or decoding.
        max_points: points of one frame of a point cloud.
        max_entries: files inside an archive; some are no frames.
    """

    max_bytes: int = 64 * _MIB
    max_frames: int = 3000
    kept_frames: int = 300
    max_pixels: int = 4_194_304
    max_decoded_pixels: int = 640 * _MIB
    max_inflated_bytes: int = 256 * _MIB
    max_points: int = 500_000
    max_entries: int = 6500

    def check_bytes(self, got: int) -> None:
        _within(got, self.max_bytes, "max_bytes", "bytes in the file")

    def check_frames(self, got: int) -> None:
        _within(got, self.max_frames, "max_frames", "frames")

    def check_pixels(self, height: int, width: int) -> None:
        _within(height * width, self.max_pixels, "max_pixels", f"pixels ({height} × {width})")

    def check_decoded(self, got: int) -> None:
        _within(got, self.max_decoded_pixels, "max_decoded_pixels", "pixels in all frames")

    def check_inflated(self, got: int) -> None:
        _within(got, self.max_inflated_bytes, "max_inflated_bytes", "bytes when decoded")

    def check_points(self, got: int) -> None:
        _within(got, self.max_points, "max_points", "points in one frame")

    def check_entries(self, got: int) -> None:
        _within(got, self.max_entries, "max_entries", "files in the archive")


def _within(got: int, cap: int, name: str, what: str) -> None:
    if got > cap:
        shown = got if got < 1 << 63 else "more than 2^63"
        raise LimitExceededError(
            f"got {shown} {what}, at most {cap} are read; send a smaller clip",
            limit=name,
            allowed=cap,
        )
