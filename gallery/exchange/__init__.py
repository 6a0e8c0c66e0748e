"""A gallery as one signed and encrypted file."""
