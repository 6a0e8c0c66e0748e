"""What the commands share: options, tables, receipts."""
