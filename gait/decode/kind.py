"""What a file is by its first bytes, and what to do with one that is not read here."""

from gait.decode.picture_header import is_animated_png, still_kind

_ISO_STILLS = (b"heic", b"heix", b"mif1", b"msf1", b"avif", b"avis")
_ISO_BOXES = (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip")

OF_A_SCENE = (
    "a recording of a whole scene goes as it is to python -m capture.run, which finds the people"
)
"""What to do with a recording that is no clip of one person."""

TO_MP4 = f"convert it: ffmpeg -i FILE -c:v libx264 -crf 10 clip.mp4; {OF_A_SCENE}"
_TO_PNG = "convert each picture to PNG (magick FILE frame.png) and put them into a zip"
_UNPACK = "unpack it, and pack the frames of one walk with zip -r clip.zip FOLDER"
_CUT_OUT = (
    f"{OF_A_SCENE}; or cut the walking person's points out, save those of each frame as .pcd or "
    ".npy, and zip them"
)
_ARRAY = "load it, and save the frames alone with numpy.savez_compressed('clip.npz', frames=FRAMES)"

_ADVICE: tuple[tuple[bytes, int, str, str], ...] = (
    (b"\xd4\xc3\xb2\xa1", 0, "a pcap recording", _CUT_OUT),
    (b"\xa1\xb2\xc3\xd4", 0, "a pcap recording", _CUT_OUT),
    (b"\x4d\x3c\xb2\xa1", 0, "a pcap recording", _CUT_OUT),
    (b"\xa1\xb2\x3c\x4d", 0, "a pcap recording", _CUT_OUT),
    (b"\x0a\x0d\x0d\x0a", 0, "a pcapng recording", _CUT_OUT),
    (b"#ROSBAG", 0, "a ROS 1 bag", _CUT_OUT),
    (b"SQLite format 3", 0, "an SQLite file, perhaps a ROS 2 bag", _CUT_OUT),
    (b"\x89MCAP", 0, "an MCAP recording", _CUT_OUT),
    (b"\x1f\x8b", 0, "a gzip file", _UNPACK),
    (b"BZh", 0, "a bzip2 file", _UNPACK),
    (b"\xfd7zXZ", 0, "an xz file", _UNPACK),
    (b"\x28\xb5\x2f\xfd", 0, "a zstd file", _UNPACK),
    (b"7z\xbc\xaf", 0, "a 7z archive", _UNPACK),
    (b"Rar!", 0, "a rar archive", _UNPACK),
    (b"ustar", 257, "a tar archive", _UNPACK),
    (b"WEBP", 8, "a WebP picture", _TO_PNG),
    (b"\x00\x00\x00\x0cjP  ", 0, "a JPEG 2000 picture", _TO_PNG),
    (b"8BPS", 0, "a Photoshop file", _TO_PNG),
    (b"\x76\x2f\x31\x01", 0, "an OpenEXR picture", _TO_PNG),
    (b"%PDF", 0, "a PDF", _TO_PNG),
    (b"OggS", 0, "an Ogg video", TO_MP4),
    (b"FLV", 0, "an FLV video", TO_MP4),
    (b"\x30\x26\xb2\x75", 0, "a WMV or ASF video", TO_MP4),
    (b"\x00\x00\x01\xba", 0, "an MPEG programme stream", TO_MP4),
    (b"\x00\x00\x01\xb3", 0, "a bare MPEG video stream", TO_MP4),
    (b"\x00\x00\x00\x01", 0, "a bare H.264 or H.265 stream", TO_MP4),
    (b"\x47", 188, "an MPEG transport stream", TO_MP4),
    (b"\x89HDF", 0, "an HDF5 or MATLAB file", _ARRAY),
    (b"MATLAB", 0, "a MATLAB file", _ARRAY),
    (b"\x80\x02", 0, "a pickle, which is never read", _ARRAY),
    (b"\x80\x03", 0, "a pickle, which is never read", _ARRAY),
    (b"\x80\x04", 0, "a pickle, which is never read", _ARRAY),
    (b"\x80\x05", 0, "a pickle, which is never read", _ARRAY),
)  # fmt: skip

FRAME_ENDINGS = (
    ".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".npy",
    ".pcd", ".bin", ".ply", ".las", ".laz",
    ".webp", ".heic", ".avif", ".jp2", ".exr", ".gif", ".pgm", ".ppm", ".pbm", ".xyz", ".pkl",
    ".mp4", ".mov", ".mkv", ".webm", ".avi", ".m4v", ".wmv", ".flv", ".mpg", ".mpeg", ".ts",
)  # fmt: skip
"""Names that say the file is a frame, or a clip: none of these is passed over in silence."""


def video_container(data: bytes) -> str | None:
    """`mp4` (QuickTime too), `avi`, `mkv`, `webm`, `gif` or `apng` by the first bytes."""
    if data[4:8] in _ISO_BOXES and not is_heif(data):
        return "mp4"
    if data[:4] == b"RIFF" and data[8:12] == b"AVI ":
        return "avi"
    if data[:4] == b"\x1a\x45\xdf\xa3":
        return "webm" if b"webm" in data[:64] else "mkv"
    if is_animated_png(data):
        return "apng"
    return "gif" if data[:6] in (b"GIF87a", b"GIF89a") else None


def is_heif(data: bytes) -> bool:
    """Whether the bytes begin like a HEIC or AVIF picture."""
    return data[4:8] == b"ftyp" and data[8:12] in _ISO_STILLS


def advice(data: bytes) -> str | None:
    """What the file is and how to convert it, in one clause; None if it is not recognised."""
    if is_heif(data):
        return f"got a HEIC or AVIF picture; {_TO_PNG}"
    for magic, at, what, how in _ADVICE:
        if data[at : at + len(magic)] == magic and (magic != b"\x47" or data[:1] == magic):
            return f"got {what}; {how}"
    return None


def is_frame_name(name: str) -> bool:
    """Whether an archive entry's name says that it is a frame or a clip."""
    return name.lower().endswith(FRAME_ENDINGS)


__all__ = ["advice", "is_frame_name", "is_heif", "still_kind", "video_container"]
