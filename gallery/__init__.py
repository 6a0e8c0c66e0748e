"""Enrolled people: encoder, store, index, search. Works without HTTP."""
