"""The console's files, which need no key: they tell nothing about people.

A browser gets them as they are here. Nothing is built, and nothing is loaded from elsewhere.
"""

from importlib.resources import files

_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}


def _read() -> dict[str, tuple[bytes, str]]:
    found = {}
    for file in sorted(files(__name__).iterdir(), key=lambda each: each.name):
        name, dot, ending = file.name.rpartition(".")
        if name != "index" and (kind := _TYPES.get(dot + ending)):
            found[f"/page/{file.name}"] = (file.read_bytes(), kind)
    index = files(__name__).joinpath("index.html").read_bytes()
    return {"/": (index, _TYPES[".html"]), **found}


PAGE = _read()
"""Path to content and media type."""
