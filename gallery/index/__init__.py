"""Search of a gallery, held in memory: a projection of the store that can be made again.

It knows templates by number only: a store says whose they are. `rung` is what every way of holding
embeddings can do, `exact`, `int8` and `bits` are the ways, `index` searches them together.
"""
