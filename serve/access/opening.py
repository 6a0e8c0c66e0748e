"""The keys that a service starts with, and when it may start without."""

import logging
import os

from gait.errors import ConfigError
from serve.access.key_file import KeyFile
from serve.audit.log import FILE, rows
from serve.settings import KEYS, Settings

log = logging.getLogger("serve")
_BY_KEY = f"text ->> '$.caller' GLOB '{'[0-9a-f]' * 8}'"
"""Records of what was done with a key; other callers are `local` and `service`."""


def open_keys(settings: Settings) -> KeyFile:
    """The keys of a service, read once: a damaged file is better known now.

    Without a key file nobody needs a key, until there is one. But a file that was there and is gone
    must not open the service to everybody, so that has to be asked for.

    Raises:
        ConfigError: the file cannot be read; or it is gone, and `without_keys` is not set.
        StorageError: the audit records cannot be read.
    """
    usual = KeyFile(settings.data / KEYS, optional=True)
    if settings.keys is None and not os.path.lexists(usual.path):
        _check_never_used(usual, settings)
        return usual
    keys = KeyFile(settings.keys or usual.path)
    keys.load()
    return keys


def note_keys(keys: KeyFile, settings: Settings) -> None:
    """Leaves a mark in the data folder that keys are asked for; or says in the log that everybody
    may do everything.

    Raises:
        StorageError: the data folder cannot be written.
    """
    if keys.needed:
        KeyFile(settings.data / KEYS).mark()
        return
    log.warning(
        "no access keys: everybody who reaches %s port %d may search, enrol, erase and read the "
        "audit records; `python -m serve.keys new %s --scopes admin` makes a key, and keys are "
        "asked for from then on",
        *(settings.host, settings.port, keys.path),
    )


def _check_never_used(usual: KeyFile, settings: Settings) -> None:
    """Refuses to go on without keys where there were some: a mark says so, or the audit records,
    which are restored with the data even if the mark is forgotten."""
    if settings.without_keys:
        return
    audit = settings.data / FILE
    begun = audit.is_file() and audit.stat().st_size  # else its first start was cut short
    by_key = begun and any(rows(audit, _BY_KEY, limit=1))
    if by_key or usual.used.exists():
        sign = f"{usual.used} says so" if usual.used.exists() else f"{audit} names keys"
        raise ConfigError(
            f"access keys were used here ({sign}), and the key file {usual.path} is gone: without "
            "it everybody who reaches the service could search, enrol and delete people. Restore "
            "it from a backup; or name another with --keys; or make new keys with `python -m "
            f"serve.keys new {usual.path} --scopes admin`; or start with `--without-keys True`"
        )
