"""Which route is which action. A route under `/v1` that is in neither table fails a test."""

from starlette.types import Scope

from serve.audit.record import Action

_GALLERY = "/v1/galleries/{g}"
_SUBJECT = f"{_GALLERY}/subjects/{{subject}}"

ACTIONS = {
    ("POST", "/identify"): Action.IDENTIFY,
    ("POST", "/v1/identify"): Action.IDENTIFY,
    ("POST", "/v1/verify"): Action.VERIFY,
    ("POST", "/v1/embed"): Action.EMBED,
    ("POST", "/v1/galleries"): Action.CREATE_GALLERY,
    ("DELETE", _GALLERY): Action.DELETE_GALLERY,
    ("POST", f"{_SUBJECT}/templates"): Action.ENROL,
    ("DELETE", _SUBJECT): Action.REMOVE,
    ("DELETE", f"{_SUBJECT}/templates/{{template}}"): Action.REMOVE,
    ("POST", f"{_SUBJECT}:merge"): Action.MERGE,
    ("POST", f"{_GALLERY}:export"): Action.EXPORT,
    ("POST", f"{_GALLERY}:import"): Action.IMPORT,
    ("POST", f"{_GALLERY}:calibrate"): Action.CALIBRATE,
    ("POST", "/v1/keys"): Action.CREATE_KEY,
    ("POST", "/v1/keys/{key}:rotate"): Action.ROTATE_KEY,
    ("DELETE", "/v1/keys/{key}"): Action.REVOKE_KEY,
    ("GET", "/v1/audit"): Action.READ_AUDIT,
    ("POST", "/v1/reviews"): Action.REVIEW,
    ("GET", "/v1/reviews"): Action.READ_REVIEWS,
}
"""Method and path of each route whose use is recorded."""

LISTINGS = frozenset(
    {
        "/v1/galleries",
        _GALLERY,
        f"{_GALLERY}/subjects",
        _SUBJECT,
        f"{_SUBJECT}/templates",
        f"{_SUBJECT}/templates/{{template}}",
        "/v1/keys",
        "/v1/models",
    }
)
"""Paths whose GET shows what there is, without a comparison or an embedding: not recorded."""

ACTS = frozenset(
    {
        *(Action.ENROL, Action.REMOVE, Action.MERGE, Action.IMPORT, Action.CALIBRATE),
        *(Action.CREATE_GALLERY, Action.DELETE_GALLERY),
        *(Action.CREATE_KEY, Action.ROTATE_KEY, Action.REVOKE_KEY),
    }
)
"""Actions that change something: recorded before they begin, and again when they have ended."""


def action_of(scope: Scope) -> Action | None:
    """The action of a request; None if it is not recorded, or before its route is known."""
    route = scope.get("route")
    return ACTIONS.get((scope["method"], route.path)) if route is not None else None
