"""The dataset layouts by name. Another one is a file in `train/data` and an entry here."""

import difflib

from gait.errors import ConfigError
from train.data.dataset_layout import DatasetLayout
from train.data.freegait import FREEGAIT
from train.data.sustech1k import SUSTECH1K

LAYOUTS: dict[str, DatasetLayout] = {"sustech1k": SUSTECH1K, "freegait": FREEGAIT}


def layout_named(name: str) -> DatasetLayout:
    """The layout of this name.

    Raises:
        ConfigError: there is none.
    """
    if name not in LAYOUTS:
        near = difflib.get_close_matches(name, LAYOUTS, 1)
        hint = f" (did you mean {near[0]!r}?)" if near else ""
        raise ConfigError(f"got dataset layout {name!r}, need one of {', '.join(LAYOUTS)}{hint}")
    return LAYOUTS[name]
