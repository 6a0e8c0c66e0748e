"""Errors as `application/problem+json` (RFC 9457), every one mapped to a status here."""

import json
import logging
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from gait import errors
from serve.text import kept

log = logging.getLogger("serve")

MEDIA_TYPE = "application/problem+json"

STATUS: dict[type[errors.GaitError], HTTPStatus] = {
    errors.ClipError: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.ClipShapeError: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.ClipDtypeError: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.ClipEmptyError: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.ClipModalityError: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.ClipQualityError: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.ClipDuplicateError: HTTPStatus.CONFLICT,
    errors.DecodeError: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.UnsupportedFormatError: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    errors.CorruptFileError: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.LimitExceededError: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    errors.ForbiddenContentError: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.GalleryError: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.GalleryNotFoundError: HTTPStatus.NOT_FOUND,
    errors.GalleryExistsError: HTTPStatus.CONFLICT,
    errors.ContractMismatchError: HTTPStatus.CONFLICT,
    errors.SubjectNotFoundError: HTTPStatus.NOT_FOUND,
    errors.SubjectDuplicateError: HTTPStatus.CONFLICT,
    errors.TemplateNotFoundError: HTTPStatus.NOT_FOUND,
    errors.PictureNotFoundError: HTTPStatus.NOT_FOUND,
    errors.TransferError: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.GalleryEmptyError: HTTPStatus.CONFLICT,
    errors.GalleryLockedError: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.AccessError: HTTPStatus.FORBIDDEN,
    errors.ScopeError: HTTPStatus.FORBIDDEN,
    errors.GalleryAccessError: HTTPStatus.FORBIDDEN,
    errors.KeyNotFoundError: HTTPStatus.NOT_FOUND,
    errors.KeyStateError: HTTPStatus.CONFLICT,
    errors.RateError: HTTPStatus.TOO_MANY_REQUESTS,
    errors.ServiceError: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.BusyError: HTTPStatus.TOO_MANY_REQUESTS,
    errors.ClosingError: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.DeadlineError: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.DecoderLostError: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.ClientLeftError: HTTPStatus.REQUEST_TIMEOUT,  # nobody reads it; the metrics count it
    errors.StorageError: HTTPStatus.INSUFFICIENT_STORAGE,
    errors.StorageUnavailableError: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.AuditUnavailableError: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.AuditError: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.AuditNotFoundError: HTTPStatus.NOT_FOUND,
    errors.AuditBrokenError: HTTPStatus.INTERNAL_SERVER_ERROR,
    # From here on the fault is the server's, or the error belongs to a command, not to a request.
    errors.GaitError: HTTPStatus.INTERNAL_SERVER_ERROR,
    errors.GalleryCorruptError: HTTPStatus.INTERNAL_SERVER_ERROR,
    errors.MasterKeyError: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.CalibrationError: HTTPStatus.INTERNAL_SERVER_ERROR,
    errors.BundleError: HTTPStatus.INTERNAL_SERVER_ERROR,
    errors.BundleTamperedError: HTTPStatus.INTERNAL_SERVER_ERROR,
    errors.RemoteError: HTTPStatus.INTERNAL_SERVER_ERROR,
    errors.RemoteUnreachableError: HTTPStatus.INTERNAL_SERVER_ERROR,
    errors.EncoderError: HTTPStatus.INTERNAL_SERVER_ERROR,
    errors.ConfigError: HTTPStatus.INTERNAL_SERVER_ERROR,
    errors.EvaluationError: HTTPStatus.INTERNAL_SERVER_ERROR,
    errors.CaptureError: HTTPStatus.INTERNAL_SERVER_ERROR,
    errors.WeightsError: HTTPStatus.NOT_IMPLEMENTED,
    errors.MissingExtraError: HTTPStatus.NOT_IMPLEMENTED,
    errors.SourceLostError: HTTPStatus.INTERNAL_SERVER_ERROR,
    errors.CaptureStateError: HTTPStatus.INTERNAL_SERVER_ERROR,
    errors.SensorPlacementError: HTTPStatus.INTERNAL_SERVER_ERROR,
    errors.DataError: HTTPStatus.INTERNAL_SERVER_ERROR,
    errors.ForbiddenPickleError: HTTPStatus.INTERNAL_SERVER_ERROR,
    errors.CorruptDataError: HTTPStatus.INTERNAL_SERVER_ERROR,
    errors.PartitionError: HTTPStatus.INTERNAL_SERVER_ERROR,
    errors.PackError: HTTPStatus.INTERNAL_SERVER_ERROR,
    errors.MotionFileError: HTTPStatus.INTERNAL_SERVER_ERROR,
    errors.LayoutError: HTTPStatus.INTERNAL_SERVER_ERROR,
    errors.TrainingError: HTTPStatus.INTERNAL_SERVER_ERROR,
    errors.NonFiniteLossError: HTTPStatus.INTERNAL_SERVER_ERROR,
    errors.OutOfMemoryError: HTTPStatus.INTERNAL_SERVER_ERROR,
    errors.CheckpointError: HTTPStatus.INTERNAL_SERVER_ERROR,
    errors.ExportError: HTTPStatus.INTERNAL_SERVER_ERROR,
    errors.ParityError: HTTPStatus.INTERNAL_SERVER_ERROR,
    errors.VariantRefusedError: HTTPStatus.INTERNAL_SERVER_ERROR,
}

HTTP_CODES = {
    HTTPStatus.BAD_REQUEST: "request.malformed",
    HTTPStatus.UNAUTHORIZED: "access.key",
    HTTPStatus.FORBIDDEN: "access.origin",
    HTTPStatus.NOT_FOUND: "request.path",
    HTTPStatus.METHOD_NOT_ALLOWED: "request.method",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "request.too_large",
    HTTPStatus.MISDIRECTED_REQUEST: "access.host",
    HTTPStatus.TOO_MANY_REQUESTS: "service.busy",
    HTTPStatus.SERVICE_UNAVAILABLE: "service.not_ready",
}
"""Codes of refusals that are no errors of the domain."""


SAID: dict[type[errors.GaitError], str] = {
    errors.WeightsError: "this service has no networks that find people in videos; its operator "
    "can fetch them once with python -m capture.weights; recordings of a LiDAR need none",
    errors.MissingExtraError: "this service cannot look at videos; its operator can install the "
    "extra camera; recordings of a LiDAR do not need it",
    errors.StorageUnavailableError: "the database or the index of the galleries cannot be reached "
    "now; a change may or may not have been made; try again in a second",
    errors.MasterKeyError: "the master key of the gallery is not the one that this service was "
    "started with; its operator has to start it with the present one",
}
"""What the client is told of faults whose own message names places of the server."""

PRIVATE = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
"""Headers of every reply: it may tell of people, so nobody on the way keeps it or guesses at it."""


class Report(JSONResponse):
    """A problem report, which may quote what was sent."""

    media_type = MEDIA_TYPE

    def render(self, content: Any) -> bytes:
        """JSON in which halves of surrogate pairs are escaped: UTF-8 has none."""
        return json.dumps(content, ensure_ascii=False).encode("utf-8", "backslashreplace")


def problem(
    request_id: str,
    status: HTTPStatus,
    code: str,
    detail: str,
    headers: Mapping[str, str] | None = None,
    fields: Mapping[str, Any] | None = None,
) -> JSONResponse:
    """A problem report.

    Args:
        request_id: also sent as `X-Request-ID`.
        status: of the reply.
        code: stable, for programs.
        detail: for people: what was got, what was wanted, what to do.
        headers: further headers of the reply.
        fields: further members of the report; the standard ones cannot be replaced.
    """
    body = {"type": "about:blank", "title": status.phrase, "status": int(status)}
    body |= {"code": code, "detail": detail, "request_id": request_id}
    named = {"X-Request-ID": request_id, **PRIVATE, **(headers or {})}
    extra = {name: value for name, value in (fields or {}).items() if name not in body}
    return Report(body | extra, int(status), named)


def request_id_of(request: Request) -> str:
    """The id given to the request on arrival."""
    return str(request.state.request_id)


def gait_problem(
    request_id: str, error: errors.GaitError, fields: Mapping[str, Any] | None = None
) -> JSONResponse:
    """The report of an error of ours. What concerns the server alone is logged and not told.

    `fields` are further members of the report, told whatever the error concerns.
    """
    told = fields or {}
    status = STATUS.get(type(error), HTTPStatus.INTERNAL_SERVER_ERROR)
    if status < HTTPStatus.INTERNAL_SERVER_ERROR or isinstance(error, errors.ServiceError):
        after = error.fields.get("retry_after")
        headers = {} if after is None else {"Retry-After": str(after)}
        return problem(
            request_id, status, error.code, str(error), headers, {**error.fields, **told}
        )
    log.error("%s %s: %s", request_id, error.code, error)
    said = SAID.get(type(error), _server_fault(request_id))
    again = isinstance(error, errors.StorageUnavailableError)
    headers = {"Retry-After": "1"} if again else {}
    return problem(request_id, status, error.code, said, headers, told)


def install(app: FastAPI) -> None:
    """Makes every error of the app a problem report."""
    app.add_exception_handler(errors.GaitError, _on_gait_error)
    app.add_exception_handler(RequestValidationError, _on_validation_error)
    app.add_exception_handler(HTTPException, _on_http_error)
    app.add_exception_handler(Exception, _on_any_error)


async def _on_gait_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, errors.GaitError)
    return gait_problem(request_id_of(request), error)


async def _on_validation_error(request: Request, error: Exception) -> JSONResponse:
    """Says which fields are wrong and why; what was sent in them is not repeated."""
    assert isinstance(error, RequestValidationError)
    wrong = [
        {
            "field": kept(".".join(str(part) for part in each["loc"][1:])),
            "problem": each["msg"].removeprefix("Value error, "),
        }
        for each in error.errors()
    ]
    detail = "; ".join(f"{each['field']}: {each['problem']}" for each in wrong)
    status = HTTPStatus.UNPROCESSABLE_ENTITY
    return problem(
        request_id_of(request), status, "request.invalid", detail, fields={"fields": wrong}
    )


async def _on_http_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    status = HTTPStatus(error.status_code)
    code = HTTP_CODES.get(status, "request.failed")
    return problem(request_id_of(request), status, code, error.detail, error.headers)


async def _on_any_error(request: Request, error: Exception) -> JSONResponse:  # noqa: ARG001
    """The outermost border: the server's log has the traceback, the reply has none."""
    request_id = request_id_of(request)
    status = HTTPStatus.INTERNAL_SERVER_ERROR
    return problem(request_id, status, "internal", _server_fault(request_id))


def _server_fault(request_id: str) -> str:
    return f"the server failed; its log says more under request {request_id}"
