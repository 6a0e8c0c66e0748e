"""Makes and opens galleries, in a folder or in PostgreSQL, with an index in memory or in Milvus."""

import os
from pathlib import Path

from gait.errors import (
    ContractMismatchError,
    GalleryExistsError,
    GalleryNotFoundError,
    StorageError,
)
from gait.manifest import Manifest
from gallery.gallery import Gallery
from gallery.index.opening import open_index
from gallery.record.creation import create_record
from gallery.record.engine import private_folder
from gallery.record.location import Folder, Location, parse_location
from gallery.record.master_key import MasterKey
from gallery.record.record import Record
from gallery.record.scratch import clear_leftovers, scratch_folder, sync

INDEX_VARIABLE = "DIFFCROSSGAIT_INDEX"


def open_gallery(
    location: str | Path,
    *,
    contract: str | None = None,
    bundle: Path | None = None,
    readonly: bool = False,
    index: str | None = None,
    master: MasterKey | None = None,
    any_model: bool = False,
) -> Gallery:
    """Opens a gallery.

    Args:
        location: a folder, or a URL of PostgreSQL (`gallery.record.location`).
        contract: fingerprint of the model that will make the probes; None for the bundle's.
        bundle: the model bundle; None for the copy in the gallery's folder.
        readonly: refuse every change.
        index: where the index is: `memory` or `milvus://HOST:PORT`; None for what the variable
            DIFFCROSSGAIT_INDEX says, and for memory if it says nothing.
        master: the key that the gallery was made with; None for the configured one.
        any_model: whatever its model, and even if its bundle is damaged: to erase, which needs
            none. `contract` is not looked at.

    Raises:
        GalleryNotFoundError: there is no gallery.
        ContractMismatchError: it was made with another model.
        GalleryCorruptError: the database is damaged.
        MasterKeyError: the master key is missing, or not the one it was made with.
        StorageError: it cannot be reached.
    """
    where = parse_location(str(location))
    if isinstance(where, Folder):
        if not where.database.is_file():
            raise GalleryNotFoundError(
                f"there is no gallery at {where}: make one with gallery.build"
            )
        bundle = bundle or kept_bundle(location)
        if not readonly:
            clear_leftovers(where.path.parent)
    if any_model:
        contract = None
    elif contract is None and bundle is not None:
        contract = Manifest.load(bundle).contract
    record = Record(where, master or MasterKey.load(), readonly=readonly)
    try:
        _check_contract(record, contract)
        opened = open_index(index or os.environ.get(INDEX_VARIABLE), record, record.facts.gallery)
    except BaseException:
        record.close()
        raise
    return Gallery(record, opened, bundle)


def create_gallery(
    location: str | Path,
    bundle: Path,
    *,
    index: str | None = None,
    master: MasterKey | None = None,
) -> Gallery:
    """Makes an empty gallery for a model bundle and opens it.

    Args:
        location: a new folder, into which the bundle is copied, or a URL of PostgreSQL.
        bundle: made by `export.onnx`.
        index: as in `open_gallery`.
        master: wraps the keys of subjects; None for the configured one, which is made if nothing
            is configured.

    Raises:
        GalleryExistsError: there is something already.
        BundleError: the bundle is not whole.
        StorageError: it cannot be written.
    """
    where, manifest = parse_location(str(location)), Manifest.load(bundle)
    master = master or MasterKey.load(create=True)
    if isinstance(where, Folder):
        _create_folder(where, bundle, manifest, master)
        bundle = where.bundle
    else:
        create_record(where, manifest.contract, manifest.dimension, master)
    return open_gallery(str(where), bundle=bundle, index=index, master=master)


def kept_bundle(location: str | Path) -> Path | None:
    """The bundle that a gallery in a folder keeps; None where there is no such gallery."""
    where = parse_location(str(location))
    return where.bundle if isinstance(where, Folder) and where.bundle.is_dir() else None


def open_or_create(location: str | Path, bundle: Path, *, index: str | None = None) -> Gallery:
    """Opens a gallery for a model bundle, or makes it if there is none.

    Raises:
        ContractMismatchError: it was made with another bundle.
        BundleError: the bundle is not whole.
        StorageError: it cannot be reached or written.
    """
    where = parse_location(str(location))
    if isinstance(where, Folder) and not where.path.exists():
        return create_gallery(location, bundle, index=index)
    contract = Manifest.load(bundle).contract
    try:
        kept = None if isinstance(where, Folder) else bundle
        return open_gallery(location, contract=contract, bundle=kept, index=index)
    except GalleryNotFoundError:
        return create_gallery(location, bundle, index=index)


def _create_folder(where: Folder, bundle: Path, manifest: Manifest, master: MasterKey) -> None:
    """Makes the folder of a gallery, whole or not at all, for its owner alone."""
    folder = where.path
    if folder.exists():
        raise _exists(where)
    try:
        private_folder(folder.parent)
        with scratch_folder(folder.parent) as made:
            new = Folder(made / "gallery")
            for path in (new.path, new.bundle):
                path.mkdir(mode=0o700)
            for name, data in manifest.contents(bundle).items():
                (new.bundle / name).write_bytes(data)
            manifest.save(new.bundle)
            for path in new.bundle.iterdir():
                path.chmod(0o600)
            create_record(new, manifest.contract, manifest.dimension, master)
            sync(new.path)
            new.path.rename(folder)
        sync(folder.parent)  # a rename survives a power cut
    except OSError as error:
        if folder.exists():
            raise _exists(where) from error
        raise StorageError(f"cannot make {folder}: {error}") from error


def _exists(where: Location) -> GalleryExistsError:
    return GalleryExistsError(f"{where} exists already: choose another place", gallery=str(where))


def _check_contract(record: Record, contract: str | None) -> None:
    if contract not in (None, record.facts.contract):
        raise ContractMismatchError(
            f"{record.location} was made with model {record.facts.contract}, got a bundle of model "
            f"{contract}: use that model's bundle, or build the gallery again with this one",
            gallery=record.facts.contract,
            bundle=contract,
        )
