"""Several galleries under one root, each opened when it is first used.

A gallery that is being used is not closed: deleting it waits until the last use has ended, and
whoever comes later is told that there is none. Other processes may make, delete and replace
galleries of the same root: each use begins with a look whether the gallery is still the one that
was opened.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Self, TypeVar

from gait.errors import (
    ContractMismatchError,
    GaitError,
    GalleryError,
    GalleryExistsError,
    GalleryNotFoundError,
    StorageError,
)
from gallery.gallery import Gallery
from gallery.index.opening import MEMORY
from gallery.opening import create_gallery, open_gallery
from gallery.record.creation import gallery_names, remove_record
from gallery.record.engine import private_folder
from gallery.record.location import NAME, NAME_RULE, Folder, Postgres, root_of
from gallery.record.scratch import clear_leftovers

Result = TypeVar("Result")

__all__ = ["NAME", "Galleries", "GalleryRoot"]


class GalleryRoot:
    """Where galleries of one model are kept: a folder of folders, or a PostgreSQL database.

    Args:
        location: the folder, which is made if there is none, or postgresql://HOST/DATABASE.
        bundle: model bundle of new galleries, and of those that keep none.
        index: of the galleries; see `gallery.opening.open_gallery`.

    Raises:
        ConfigError: not a location.
        StorageError: the folder cannot be made.
    """

    def __init__(self, location: str | Path, bundle: Path, index: str | None = None) -> None:
        self._bundle, self._index = bundle, index
        self._root = root_of(str(location))
        if isinstance(self._root, Postgres):
            return
        try:
            private_folder(self._root.path)
        except OSError as error:
            raise StorageError(f"cannot make {location}: {error}") from error
        clear_leftovers(self._root.path, also_before=True)

    def names(self) -> list[str]:
        """Names of the galleries that are there, in order."""
        return sorted(name for name in gallery_names(self._root) if NAME.fullmatch(name))

    def misnamed(self) -> list[str]:
        """Folders that hold a gallery and have a name that no gallery can have, in order."""
        return sorted(name for name in gallery_names(self._root) if not NAME.fullmatch(name))

    def holds(self, name: str) -> bool:
        """Whether there is a gallery of this name."""
        if isinstance(self._root, Folder):
            return self._root.of(name).database.is_file()
        return name in self.names()

    def create(self, name: str) -> Gallery:
        """Makes an empty gallery and opens it; see `create_gallery`."""
        return create_gallery(self._of(name), self._bundle, index=self._index)

    def open(self, name: str) -> Gallery:
        """Opens one of any model; see `open_gallery`."""
        bundle = None if isinstance(self._root, Folder) else self._bundle
        return open_gallery(self._of(name), bundle=bundle, index=self._index, any_model=True)

    def contract(self, name: str) -> str:
        """Fingerprint of the model of one; raises what `open_gallery` does."""
        where = self._of(name)
        with open_gallery(where, index=MEMORY, readonly=True, any_model=True) as gallery:
            return gallery.contract

    def remove(self, name: str) -> None:
        """Removes one that is closed, with everything in it."""
        remove_record(self._root.of(name))

    def _of(self, name: str) -> str:
        return str(self._root.of(name))


class Unserved(NamedTuple):
    """Why a gallery cannot be used here.

    Attributes:
        code: of the error that its use would end in.
        reason: in words, with what to do.
    """

    code: str
    reason: str


@dataclass
class _Open:
    gallery: Gallery
    users: int = 0


class Galleries:
    """Galleries by name. Methods may be called from several threads.

    Args:
        root: where they are kept.
        contract: fingerprint of their model; a gallery of another can only be erased from.
    """

    def __init__(self, root: GalleryRoot, contract: str) -> None:
        self._root, self._contract = root, contract
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
        with self.use_to_erase(name) as gallery:
            if gallery.contract != self._contract:
                raise self._of_another_model(name, gallery.contract)
            yield gallery

    @contextmanager
    def use_to_erase(self, name: str) -> Iterator[Gallery]:
        """The gallery of this name for a block that erases: also one of another model.

        Raises:
            GalleryNotFoundError: there is none.
            GalleryError: what opening it raises.
        """
        _check(name)
        opened = self._current(name)
        try:
            yield opened.gallery
        except GalleryNotFoundError as error:  # its own message names a place of the server
            raise _unknown(name) from error
        finally:
            self._leave(opened)

    def unserved(self) -> dict[str, Unserved]:
        """Galleries that nobody can use here, by name: of another model, damaged or misnamed.

        Raises:
            StorageError: the database cannot be reached.
        """
        found = {
            name: Unserved(
                GalleryError.code,
                f"a gallery's name is {NAME_RULE}: rename the folder; until then nothing that "
                "expires in it is erased",
            )
            for name in self._root.misnamed()
        }
        for name in self.names():
            if fault := self._fault(name):
                found[name] = Unserved(fault.code, str(fault))
        return found

    def _fault(self, name: str) -> GaitError | None:
        opened = self._open.get(name)
        try:
            contract = opened.gallery.contract if opened else self._root.contract(name)
        except GalleryNotFoundError:  # another process has just deleted it
            return None
        except GaitError as error:
            return error
        return None if contract == self._contract else self._of_another_model(name, contract)

    def create(self, name: str, look: Callable[[Gallery], Result]) -> Result:
        """Makes an empty gallery and returns what `look` finds in it before anybody else can.

        Raises:
            GalleryError: the name cannot be used.
            GalleryExistsError: there is one already.
            StorageError: the disk is full.
        """
        _check_new(name)
        with self._alone(name):
            if self._root.holds(name):
                raise GalleryExistsError(f"there is a gallery {name!r} already", gallery=name)
            if name in self._open:  # deleted by another process
                self._forget(name, self._open[name])
            gallery = self._root.create(name)
            gallery.refresh()
            return look(self._keep(name, gallery).gallery)

    def delete(self, name: str, erase: Callable[[Gallery], None]) -> None:
        """Deletes a gallery, of whatever model, once nobody uses it any more.

        Args:
            name: of the gallery.
            erase: called with the gallery, which nobody else uses, before it goes.

        Raises:
            GalleryNotFoundError: there is none.
        """
        _check(name)
        with self._alone(name):
            opened = self._opened(name)
            try:
                erase(opened.gallery)
                self._remove(name, opened)
            except GalleryNotFoundError as error:  # another process was faster
                self._forget(name, opened)
                raise _unknown(name) from error

    def _remove(self, name: str, opened: _Open) -> None:
        try:
            self._root.remove(name)  # first: from a record another replica makes an index again
            opened.gallery.drop_index()
        finally:
            self._forget(name, opened)

    def names(self) -> list[str]:
        """Names of all galleries, open or not, in order."""
        return self._root.names()

    def each(self, look: Callable[[Gallery], Result]) -> dict[str, Result]:
        """What `look` finds in each gallery of this model that is open and not just being deleted,
        by name.

        Those that another process has deleted are left out, and forgotten.
        """
        with self._state:
            held = {
                name: opened
                for name, opened in sorted(self._open.items())
                if name not in self._changing and opened.gallery.contract == self._contract
            }
            for opened in held.values():
                opened.users += 1
        found, gone = dict[str, Result](), dict[str, _Open]()
        try:
            for name, opened in held.items():
                try:
                    found[name] = look(opened.gallery)
                except GalleryNotFoundError:
                    gone[name] = opened
        finally:
            for opened in held.values():
                self._leave(opened)
        for name, opened in gone.items():
            self._drop(name, opened)
        return found

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

    def _current(self, name: str) -> _Open:
        """The gallery that has this name now, open, with one more user."""
        opened = self._enter(name)
        try:
            opened.gallery.check_current()
        except GalleryNotFoundError:
            self._leave(opened)
            self._drop(name, opened)
            return self._enter(name)  # if another has its name now
        except BaseException:
            self._leave(opened)
            raise
        return opened

    def _leave(self, opened: _Open) -> None:
        with self._state:
            opened.users -= 1
            self._state.notify_all()

    def _drop(self, name: str, opened: _Open) -> None:
        """Closes a gallery that is no longer there, once nobody uses it."""
        with self._alone(name):
            self._forget(name, opened)

    def _forget(self, name: str, opened: _Open) -> None:
        with self._state:
            if self._open.get(name) is not opened:
                return  # somebody else has seen it too
            del self._open[name]
        opened.gallery.close()

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
        """The gallery that has this name now, for a caller who is alone with it."""
        if opened := self._open.get(name):
            try:
                opened.gallery.check_current()
            except GalleryNotFoundError:  # another may have its name now
                self._forget(name, opened)
            else:
                return opened
        if not self._root.holds(name):
            raise _unknown(name)
        try:
            return self._keep(name, self._root.open(name))
        except GalleryNotFoundError as error:  # another process has just deleted it
            raise _unknown(name) from error

    def _keep(self, name: str, gallery: Gallery) -> _Open:
        with self._state:
            self._open[name] = _Open(gallery)
            return self._open[name]

    def _of_another_model(self, name: str, contract: str) -> ContractMismatchError:
        return ContractMismatchError(
            f"the gallery {name!r} was made with another model than {self._contract}: serve that "
            "model with a service of its own, or move the gallery to this one with gallery.reembed",
            gallery=contract,
            bundle=self._contract,
        )


def _check(name: str) -> None:
    """A name that no gallery can have names none."""
    if not NAME.fullmatch(name):
        raise _unknown(name)


def _check_new(name: str) -> None:
    if not NAME.fullmatch(name):
        raise GalleryError(f"got the gallery name {name[:64]!a}, need {NAME_RULE}")


def _unknown(name: str) -> GalleryNotFoundError:
    return GalleryNotFoundError(f"there is no gallery {name[:64]!a}", gallery=name[:64])
