"""Which part of the method is worth what: runs, their records, tables of them."""
