"""Replies about clips that could not be used."""

from http import HTTPStatus

from fastapi.responses import JSONResponse

from gait.errors import GaitError
from serve.middleware.problems import problem
from serve.schemas.fields import ClipRejected


def rejected_clips(rejected: dict[int, GaitError]) -> list[ClipRejected]:
    """Why clips were not used."""
    return [
        ClipRejected(position=position, code=error.code, detail=str(error))
        for position, error in rejected.items()
    ]


def none_usable(request_id: str, rejected: dict[int, GaitError]) -> JSONResponse:
    """The refusal of a request without a single usable clip."""
    reports = [each.model_dump() for each in rejected_clips(rejected)]
    detail = f"none of the {len(reports)} clips can be used, see `rejected`"
    fields = {"rejected": reports}
    return problem(
        request_id, HTTPStatus.UNPROCESSABLE_ENTITY, "clips.none_usable", detail, fields=fields
    )
