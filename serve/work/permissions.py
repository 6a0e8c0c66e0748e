"""Whether others on this machine may open what the service keeps."""

import logging
from pathlib import Path

from serve.settings import Settings

log = logging.getLogger("serve")
_OTHERS = 0o077
_NAMED = 10
"""Files that are named in the log; of more only the number is told."""


def warn_of_open_files(settings: Settings) -> None:
    """Says in the log which files and folders of the service others may open."""
    found = open_to_others(settings.data)
    elsewhere = (settings.key_file, settings.identity_file)
    found += [path for path in elsewhere if path and path not in found and _is_open(path)]
    for path in found[:_NAMED]:
        log.warning("others on this machine may open %s: run `chmod go= %s`", path, path)
    if len(found) > _NAMED:
        rest = len(found) - _NAMED
        log.warning("and %d more: run `chmod -R go= %s`", rest, settings.data)


def open_to_others(folder: Path) -> list[Path]:
    """A folder and what is in it, as far as its mode lets others open it."""
    return [path for path in (folder, *sorted(folder.rglob("*"))) if _is_open(path)]


def _is_open(path: Path) -> bool:
    return path.exists() and bool(path.stat().st_mode & _OTHERS)
