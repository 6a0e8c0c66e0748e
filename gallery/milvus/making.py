"""Making the collections of a gallery in Milvus, and finding them again."""

from gait.errors import GalleryExistsError, GalleryNotFoundError
from gallery.milvus.ledger import Facts, Ledger
from gallery.milvus.server import Server
from gallery.milvus.templates import Templates


def make(server: Server, facts: Facts) -> None:
    """Makes the collections of an empty gallery.

    Raises:
        GalleryExistsError: there is a gallery, or another collection of the name.
    """
    collection = server.address.collection
    ledger, templates = Ledger(server, collection), Templates(server, collection, facts.dimension)
    if ledger.exists():
        ledger.load()
        if ledger.facts() is not None:
            raise GalleryExistsError(f"{server.address.location} exists already: choose another")
        ledger.drop()  # its making was cut short, so that nobody can be enrolled in it
        if templates.exists():
            templates.drop()
    elif templates.exists():
        raise GalleryExistsError(f"there is a collection {collection} already: choose another name")
    ledger.create()
    templates.create()
    ledger.load()
    templates.load()
    ledger.finish(facts)


def facts_of(server: Server) -> Facts | None:
    """What the gallery is; None if there is none."""
    ledger = Ledger(server, server.address.collection)
    if not ledger.exists():
        return None
    ledger.load()
    return ledger.facts()


def find(server: Server) -> Facts:
    """What the gallery is; its collections are ready to be read.

    Raises:
        GalleryNotFoundError: there is none.
    """
    facts = facts_of(server)
    if facts is None:
        raise GalleryNotFoundError(
            f"there is no gallery at {server.address.location}: make one with gallery.build"
        )
    Templates(server, server.address.collection, facts.dimension).load()
    return facts


def unmake(server: Server) -> None:
    """Drops the collections of a gallery, if there is one; cut short, `make` can make one again."""
    facts = facts_of(server)
    if facts is None:
        return
    collection = server.address.collection
    ledger, templates = Ledger(server, collection), Templates(server, collection, facts.dimension)
    ledger.unfinish()
    templates.drop()
    ledger.drop()
