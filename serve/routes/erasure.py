"""Erasing over HTTP: whatever fails, the receipts of those who are erased are answered."""

import logging
from collections.abc import Callable
from functools import partial

from gait.errors import GaitError
from gallery.gallery import Gallery
from gallery.template import Receipt, Told
from serve.routes.parameters import Call
from serve.schemas.subjects import ErasureReply, ReceiptReport

log = logging.getLogger("serve")


async def erased(call: Call, g: str, erase: Callable[[Gallery, Told], Receipt]) -> ErasureReply:
    """Erases something of a person and answers with the receipt, which is recorded as well.

    The reply is the same where only the database's log could not be emptied, as while a backup
    reads it: nobody can ask again for a receipt, and the next erasure empties the log.

    Args:
        call: the request.
        g: name of the gallery, of whatever model.
        erase: what is erased; told of the receipt.

    Raises:
        GalleryError, StorageError: nothing was erased.
    """
    told: list[Receipt] = []
    try:
        receipt = await call.service.on(g, partial(_told, told, erase), erases=True)
    except GaitError as error:
        if not told:
            raise
        log.error("%s %s: %s", call.request_id, error.code, error)
        receipt = told[0].unfinished
    audit_id = await call.use.erased(receipt)
    return ErasureReply(
        request_id=call.request_id, audit_id=audit_id, receipt=ReceiptReport.of(g, receipt)
    )


def _told(
    told: list[Receipt], erase: Callable[[Gallery, Told], Receipt], gallery: Gallery
) -> Receipt:
    return erase(gallery, told.append)
