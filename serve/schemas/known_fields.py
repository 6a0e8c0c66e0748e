"""Which fields a route has. Whatever else is sent is refused, and so is a field sent twice.

A field that is ignored answers another question than the one that was put: with `galery=site-7` the
default gallery is searched, with `subject=0042` everybody.
"""

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, get_args, get_origin

from fastapi import Request, params
from fastapi.dependencies.models import Dependant
from fastapi.exceptions import RequestValidationError
from starlette.datastructures import Headers

from serve.text import kept, nearest

_TOLD = 20
"""Wrong names that are told, and looked at, of one request."""


class _Pairs(list[tuple[str, Any]]):
    """A JSON object with its names as they were sent, repeated ones too."""


@dataclass
class KnownFields:
    """The fields of one route.

    Attributes:
        query: names of query parameters, and whether one may be repeated.
        body: the same of a form's fields, or of the members of a JSON object.
        json: the body is JSON.
    """

    query: dict[str, bool] = field(default_factory=dict)
    body: dict[str, bool] = field(default_factory=dict)
    json: bool = False

    @classmethod
    def of(cls, route: Dependant) -> "KnownFields":
        """The fields that a route and all it depends on declare."""
        known = cls()
        for each in _with_dependencies(route):
            for query in each.query_params:
                known.query[query.alias] = _repeats(query.field_info.annotation)
            for part in each.body_params:
                if isinstance(part.field_info, params.Form):
                    known.body[part.alias] = _repeats(part.field_info.annotation)
                else:
                    known.json = True
                    members = getattr(part.field_info.annotation, "model_fields", {})
                    known.body |= dict.fromkeys(members, False)
        return known

    def check_query(self, request: Request) -> None:
        """Checks the query, and that nothing is sent to a route that reads no body.

        Raises:
            RequestValidationError: a parameter is unknown, empty or repeated, or there is a body.
        """
        wrong = _wrong("query", request.query_params.multi_items(), self.query, self.body)
        if not self.body and _has_body(request.headers):
            wrong.append(_complaint("body", "", "nothing is read from a body here: send none"))
        if wrong:
            raise RequestValidationError(wrong)

    async def check_body(self, request: Request) -> None:
        """Checks the names in a body that was read already.

        Raises:
            RequestValidationError: a field is unknown, empty or repeated.
        """
        if self.json:
            sent: Iterable[tuple[str, Any]] = _members(await request.body())
        elif self.body:
            sent = (await request.form()).multi_items()
        else:
            return
        if wrong := _wrong("body", sent, self.body, self.query):
            raise RequestValidationError(wrong)


def _with_dependencies(route: Dependant) -> Iterator[Dependant]:
    yield route
    for each in route.dependencies:
        yield from _with_dependencies(each)


def _repeats(annotation: Any) -> bool:
    return any(get_origin(each) is list for each in (annotation, *get_args(annotation)))


def _has_body(headers: Headers) -> bool:
    return headers.get("content-length", "0") != "0" or "transfer-encoding" in headers


def _members(body: bytes) -> _Pairs:
    try:
        found = json.loads(body, object_pairs_hook=_Pairs)
    except (ValueError, RecursionError):  # FastAPI says what is wrong with it
        return _Pairs()
    return found if isinstance(found, _Pairs) else _Pairs()


def _wrong(
    place: str, sent: Iterable[tuple[str, Any]], known: dict[str, bool], elsewhere: dict[str, bool]
) -> list[dict[str, Any]]:
    """What is wrong with the names that were sent, each told once, and few of many."""
    fields = list(sent)
    wrong: list[dict[str, Any]] = []
    for name, times in Counter(name for name, _ in fields).items():
        if len(wrong) == _TOLD:
            break
        if name in elsewhere and name not in known:
            other = "in the body" if place == "query" else "in the query"
            wrong.append(_complaint(place, name, f"belongs {other} of this request"))
        elif name not in known:
            problem = f"there is no such field{nearest(name, known)}"
            wrong.append(_complaint(place, kept(name, 64), problem))
        elif times > 1 and not known[name]:
            wrong.append(_complaint(place, name, f"is there {times} times: send it once"))
        elif any(each == name and value == "" for each, value in fields):
            wrong.append(_complaint(place, name, "is empty: leave it out, or say what you mean"))
    return wrong


def _complaint(place: str, name: str, problem: str) -> dict[str, Any]:
    return {"loc": (place, name), "msg": problem, "type": "value_error"}
