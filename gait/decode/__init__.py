"""Clip files into clips: every cap is checked from headers before anything is inflated."""

from gait.decode.clip import Decoded, decode_clip
from gait.decode.limits import Limits

__all__ = ["Decoded", "Limits", "decode_clip"]
