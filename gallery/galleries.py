"""Several galleries under one root, each opened when it is first used.

A gallery that is being used is not closed: deleting it waits until the last use has ended, and
whoever comes later is told that there is none.
"""

import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self, TypeVar

from gait.errors import (
    ContractMismatchError,
    GalleryError,
    GalleryExistsError,
    GalleryNotFoundError,
)
from gallery.gallery import Gallery
from gallery.shelf import Shelf

Result = TypeVar("Result")

NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
"""A gallery's name. Lower case: some disks cannot tell `A` from `a`."""


@dataclass
class _Open:
    gallery: Gallery
    users: int = 0


class Galleries:
    """Galleries by name. Methods may be called from several threads.

    Args:
        shelf: where they are kept.
        bundle: model bundle of new galleries.
        contract: identity of that model; a gallery of another is refused.
    """

    def __init__(self, shelf: Shelf, bundle: Path, contract: str) -> None:
        self._shelf, self._bundle, self._contract = shelf, bundle, contract
        self._open: dict[str, _Open] = {}
        self._changing: set[str] = set()
        self._state = threading.Condition()

    @contextmanager
    def use(self, name: str) -> Iterator[Gallery]:
        """The gallery of this name, kept open until the block ends.

        Raises:
            GalleryNotFoundError: there is none.
            ContractMismatchError: it was made with another model.
            GalleryError: what opening it raises.
        """
        _check(name)
        opened = self._enter(name)
        try:
            yield opened.gallery
        finally:
            with self._state:
                opened.users -= 1
                self._state.notify_all()

    def create(self, name: str, look: Callable[[Gallery], Result]) -> Result:
        """Makes an empty gallery and returns what `look` finds in it before anybody else can.

        Raises:
            GalleryError: the name cannot be used.
            GalleryExistsError: there is one already.
            StorageError: the disk is full.
        """
        _check_new(name)
        with self._alone(name):
            if name in self._open or self._shelf.holds(name):
                raise GalleryExistsError(f"there is a gallery {name!r} already", gallery=name)
            gallery = self._shelf.create(name, self._bundle)
            gallery.refresh()
            return look(self._keep(name, gallery).gallery)

    def delete(self, name: str, erase: Callable[[Gallery], None]) -> None:
        """Deletes a gallery once nobody uses it any more.

        Args:
            name: of the gallery.
            erase: called with the gallery, which nobody else uses, before it goes.

        Raises:
            GalleryNotFoundError: there is none.
        """
        _check(name)
        with self._alone(name):
            opened = self._opened(name)
            erase(opened.gallery)
            with self._state:
                del self._open[name]
            opened.gallery.close()
            self._shelf.destroy(name)

    def names(self) -> list[str]:
        """Names of all galleries, open or not, in order."""
        return sorted(name for name in self._shelf.names() if NAME.fullmatch(name))

    def each(self, look: Callable[[Gallery], Result]) -> dict[str, Result]:
        """What `look` finds in each gallery that is open and not just being deleted, by name."""
        with self._state:
            held = {
                name: opened
                for name, opened in sorted(self._open.items())
                if name not in self._changing
            }
            for opened in held.values():
                opened.users += 1
        try:
            return {name: look(opened.gallery) for name, opened in held.items()}
        finally:
            with self._state:
                for opened in held.values():
                    opened.users -= 1
                self._state.notify_all()

    def close(self) -> None:
        """Closes all that are open; nothing may be used afterwards."""
        with self._state:
            for opened in self._open.values():
                opened.gallery.close()
            self._open.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _enter(self, name: str) -> _Open:
        """The open gallery, with one more user."""
        with self._state:
            self._state.wait_for(lambda: name not in self._changing)
            if name in self._open:
                self._open[name].users += 1
                return self._open[name]
        with self._alone(name):
            opened = self._opened(name)
            opened.users += 1
            return opened

    @contextmanager
    def _alone(self, name: str) -> Iterator[None]:
        """Nobody else uses, opens, makes or deletes the gallery in this block."""
        with self._state:
            self._state.wait_for(lambda: name not in self._changing)
            self._changing.add(name)
            self._state.wait_for(lambda: name not in self._open or not self._open[name].users)
        try:
            yield
        finally:
            with self._state:
                self._changing.remove(name)
                self._state.notify_all()

    def _opened(self, name: str) -> _Open:
        if name not in self._open:
            if not self._shelf.holds(name):
                raise _unknown(name)
            return self._keep(name, self._open_of_this_model(name))
        return self._open[name]

    def _keep(self, name: str, gallery: Gallery) -> _Open:
        with self._state:
            self._open[name] = _Open(gallery)
            return self._open[name]

    def _open_of_this_model(self, name: str) -> Gallery:
        try:
            return self._shelf.open(name, self._contract)
        except ContractMismatchError as error:
            raise ContractMismatchError(
                f"the gallery {name!r} was made with another model than {self._contract}: serve "
                "that model, or move the gallery to this one with gallery.reembed",
                **error.fields,
            ) from error


def _check(name: str) -> None:
    """A name that no gallery can have names none."""
    if not NAME.fullmatch(name):
        raise _unknown(name)


def _check_new(name: str) -> None:
    if not NAME.fullmatch(name):
        raise GalleryError(
            f"got the gallery name {name[:64]!a}, need 1..63 of a-z, 0-9, '-' and '_', "
            "the first a letter or digit"
        )


def _unknown(name: str) -> GalleryNotFoundError:
    return GalleryNotFoundError(f"there is no gallery {name[:64]!a}", gallery=name[:64])
