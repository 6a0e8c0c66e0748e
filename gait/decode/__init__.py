"""Clip files into clips: caps are checked from headers first, and again while decoding."""

from gait.decode.clip import Decoded, decode_clip
from gait.decode.limits import Limits

__all__ = ["Decoded", "Limits", "decode_clip"]
