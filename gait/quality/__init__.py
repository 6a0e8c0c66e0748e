"""How good a clip is for telling who walks in it, 0..1, and what is wrong with it.

`judge_clip` judges any clip, `gait.decode.Decoded.quality` adds what only the file showed, and
`require_quality` refuses what a mode does not let pass.
"""

from gait.quality.judge import judge_clip
from gait.quality.quality import Mode, Quality, Reason, require_quality

__all__ = ["Mode", "Quality", "Reason", "judge_clip", "require_quality"]
