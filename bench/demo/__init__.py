"""Results and page of bench.end_to_end."""
