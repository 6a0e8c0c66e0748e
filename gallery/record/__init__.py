"""Who is enrolled: the only truth."""
