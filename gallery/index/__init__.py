"""Proposes templates for a probe, from codes; can be made again from the record at any time."""
