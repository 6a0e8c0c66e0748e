"""How a gallery travels: one signed and encrypted file, and templates in it."""
