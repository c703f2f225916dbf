"""Problem details: every error that the server answers with, in one form (RFC 9457)."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from ..errors import ConvstageError, PatternError

#: The content type of an error.
MEDIA_TYPE = "application/problem+json"
#: Places of a request that are named when it does not fit its description; more help nobody.
MOST_ERRORS = 20
#: Characters of what a client sent that are repeated to it.
LONGEST = 200

#: How `convstage.errors.mark` writes the line and what is under it.
_INDENT = "  "
_CARETS = re.compile(rf"{_INDENT} *(?P<marked>\^+)")

#: What each status means here, for the description of the API.
MEANINGS = {
    400: "The request cannot be read: no Host, or a broken form.",
    403: "The request is for another host than this one, or comes from a page of another origin.",
    404: "There is no such thing.",
    405: "The address takes other methods.",
    408: "The body did not arrive in time.",
    413: "The request is larger than is taken.",
    415: "The body is of a type that is not taken here.",
    422: "The request can be read, but what it asks for cannot be done; the detail says why.",
    500: "Something went wrong here.",
    503: "Too much at once, or not ready; come again after Retry-After seconds.",
}


class ProblemBody(BaseModel):
    """An error for people and programs (RFC 9457)."""

    model_config = ConfigDict(
        extra="allow",
        json_schema_extra={
            "examples": [
                {
                    "type": "about:blank",
                    "title": "Unprocessable Content",
                    "status": 422,
                    "detail": "unknown layer 'CONF'.",
                    "instance": "/api/plan",
                    "text": "INPUT -> CONF",
                    "start": 9,
                    "end": 13,
                    "hint": "Did you mean CONV?",
                }
            ]
        },
    )

    type: str = Field(description="What kind of problem; about:blank where the status says it all.")
    title: str = Field(description="The kind of problem in words.")
    status: int = Field(description="The HTTP status.")
    detail: str = Field(description="What was wrong, what was expected, what to do.")
    instance: str = Field(description="The address that was asked.")
    text: str | None = Field(None, description="The text that cannot be read: a pattern or a filter.")
    start: int | None = Field(None, description="Where in the text the problem begins.")
    end: int | None = Field(None, description="Where in the text it ends; exclusive.")
    hint: str | None = Field(None, description="The way out.")
    errors: list[dict[str, Any]] | None = Field(None, description="Places of the request that do not fit.")


class Problem(Exception):
    """An error that is answered with a status of its own.

    Parameters
    ----------
    status : int
        HTTP status.
    detail : str
        For people: what was wrong, what was expected, what to do.
    headers : mapping of str, optional
        Of the answer.
    **more
        Members of the problem beside the usual ones.
    """

    def __init__(self, status: int, detail: str, headers: Mapping[str, str] | None = None, **more: Any) -> None:
        self.status = status
        self.detail = detail
        self.headers = dict(headers or {})
        self.more = more
        super().__init__(detail)


def busy(seconds: float, detail: str = "the server has more to do than it can.\nTry again in a moment.") -> Problem:
    """Return the problem of a server that is asked for too much at once."""
    return Problem(503, detail, {"Retry-After": str(max(1, round(seconds)))})


def problem_response(
    path: str, status: int, detail: str, headers: Mapping[str, str] | None = None, **more: Any
) -> Response:
    """Return a problem as a response.

    Parameters
    ----------
    path : str
        The address that was asked.
    status, detail, headers, more
        As in `Problem`.
    """
    body = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "instance": path,
        **more,
    }
    # ASCII: lone surrogates of a client's text cannot be written as UTF-8.
    content = json.dumps(body, ensure_ascii=True, allow_nan=False)
    return Response(content, status, headers, MEDIA_TYPE)


def answers(*statuses: int, **more: Any) -> dict[int | str, dict[str, Any]]:
    """Return the description of the problems that a route answers with, for FastAPI's ``responses``.

    Parameters
    ----------
    *statuses : int
        Beside those that every route may answer with.
    **more
        Descriptions of other answers, by ``_<status>``.

    Examples
    --------
    >>> sorted(answers(404, 422))
    [400, 403, 404, 422, 500]
    """
    described: dict[int | str, dict[str, Any]] = {}
    for status in sorted({400, 403, 500, *statuses}):
        described[status] = {
            "description": MEANINGS[status],
            "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemBody"}}},
        }
    described |= {int(name.removeprefix("_")): value for name, value in more.items()}
    return described


def install(app: FastAPI) -> None:
    """Make an application answer every error as a problem."""
    app.add_exception_handler(Problem, _own)
    app.add_exception_handler(ConvstageError, _for_people)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(ClientDisconnect, _gone)
    app.add_exception_handler(Exception, _unexpected)


async def _own(request: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)
    return problem_response(request.url.path, error.status, error.detail, error.headers, **error.more)


async def _for_people(request: Request, error: Exception) -> Response:
    if isinstance(error, PatternError):
        more: dict[str, Any] = {"text": error.text, "start": error.start, "end": error.end, "hint": error.hint}
        return problem_response(request.url.path, 422, error.problem, **more)
    problem, *lines = str(error).split("\n")
    if len(lines) > 1 and (carets := _CARETS.fullmatch(lines[1])):
        start, end = (place - len(_INDENT) for place in carets.span("marked"))
        more = {"text": lines[0].removeprefix(_INDENT), "start": start, "end": end, "hint": "\n".join(lines[2:])}
        return problem_response(request.url.path, 422, problem, **more)
    return problem_response(request.url.path, 422, str(error))


async def _invalid(request: Request, error: Exception) -> Response:
    """Answer a request that does not fit its description, place by place; what was sent there is not repeated."""
    assert isinstance(error, RequestValidationError)
    listed = [
        {"loc": [str(part)[:LONGEST] for part in one["loc"]], "msg": str(one["msg"])[:LONGEST], "type": one["type"]}
        for one in list(error.errors())[:MOST_ERRORS]
    ]
    said = "; ".join(f"{'.'.join(one['loc'])}: {one['msg']}" for one in listed[:3])
    detail = f"the request does not fit its description: {said}."
    return problem_response(request.url.path, 422, detail, errors=listed)


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    # What is wrong with a form or a JSON text is known to whoever read it; all else is said here.
    said = str(error.detail) if error.status_code == 400 else MEANINGS.get(error.status_code, str(error.detail))
    return problem_response(request.url.path, error.status_code, said, error.headers)


async def _gone(request: Request, error: Exception) -> Response:  # noqa: ARG001  # handlers are called with both
    """Answer a client that has gone: nobody reads it, and nothing went wrong here."""
    return problem_response(request.url.path, 400, "the connection ended before the request did.")


async def _unexpected(request: Request, error: Exception) -> Response:  # noqa: ARG001
    # What went wrong is for the server's log, which Starlette sees to: it may name files.
    return problem_response(request.url.path, 500, "something went wrong here; the server's log says what.")
