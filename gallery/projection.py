"""A store as an index sees it."""

from collections.abc import Iterator

from gallery.index.rows import Ids
from gallery.store import Store
from gallery.template import Batch, Matrix


class StoreSource:
    """What an index is made from. See `gallery.index.live.Source`."""

    def __init__(self, store: Store) -> None:
        self._store = store

    @property
    def dimension(self) -> int:
        """Numbers of an embedding."""
        return self._store.dimension

    def revision(self) -> int:
        """How many writes there have been."""
        return self._store.revision()

    def size(self) -> int:
        """How many templates there are."""
        return self._store.size()

    def batches(self, size: int) -> Iterator[Batch]:
        """All templates at one moment, by id, at most `size` at a time."""
        return self._store.batches(size)

    def present(self, templates: Ids) -> Matrix:
        """Embeddings `(n, dimension)`; NaN for templates that are not there."""
        return self._store.present(templates.tolist())
