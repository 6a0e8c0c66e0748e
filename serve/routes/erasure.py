"""Receipts of erasures as replies."""

from gallery.template import Receipt
from serve.schemas.subjects import ReceiptReport


def receipt_report(gallery: str, receipt: Receipt) -> ReceiptReport:
    """A receipt, with the gallery's name beside its identity."""
    return ReceiptReport(
        gallery=gallery,
        identity=receipt.gallery,
        subject=receipt.subject,
        templates=list(receipt.templates),
        key=receipt.key,
        gallery_revision=receipt.revision,
        erased=receipt.erased,
    )
