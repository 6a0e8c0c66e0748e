"""From similarities to a decision about a person."""
