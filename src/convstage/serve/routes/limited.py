"""Bodies of requests: JSON that is not too deep, forms with images that are not too many."""

from __future__ import annotations

import re
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import numpy as np
from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pydantic import BaseModel, ValidationError
from starlette.datastructures import UploadFile
from starlette.responses import Response

from ..limits import Limits
from ..problems import Problem

JSON, FORM, IMAGE = "application/json", "multipart/form-data", "image/*"
#: Text within JSON: brackets in it are none.
_TEXT = re.compile(rb'"(?:[^"\\]++|\\.)*+"', re.DOTALL)
#: Bytes of a form's field that is no file.
_FIELD = 1024

Model = TypeVar("Model", bound=BaseModel)


class LimitedRoute(APIRoute):
    """A route that refuses JSON with more brackets within brackets than any request needs."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def limited(request: Request) -> Response:
            if content_type(request) == JSON:
                # The size is the gate's business; what it has let through is kept by the request.
                check_depth(await request.body(), request.app.state.context.limits)
            return await handle(request)

        return limited


def content_type(request: Request) -> str:
    """Return the type of a request's body, without its parameters."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def is_image(kind: str) -> bool:
    """Return whether a body is an image file by its type; what it is shows in its content."""
    return kind.startswith("image/") or kind == "application/dicom"


def check_depth(body: bytes, limits: Limits) -> None:
    """Refuse JSON that nests too deep, before anything is made of it.

    Raises
    ------
    Problem
        422.

    Examples
    --------
    >>> check_depth(b'{"a": "[[[[[[[[["}', Limits())
    >>> check_depth(b"[[[[[[[[[", Limits())
    Traceback (most recent call last):
    convstage.serve.problems.Problem: the JSON nests more than 8 deep.
    """
    letters = np.frombuffer(_TEXT.sub(b"", body), np.uint8)
    opens, closes = ((letters == ord(one)) | (letters == ord(two)) for one, two in ("[{", "]}"))
    depth = np.cumsum(opens.astype(np.int32) - closes)
    if len(depth) and depth.max() > limits.json_depth:
        raise Problem(422, f"the JSON nests more than {limits.json_depth} deep.")


async def read_json(request: Request, model: type[Model]) -> Model:
    """Return a JSON body as a model.

    Raises
    ------
    RequestValidationError
        It does not fit.
    """
    try:
        return model.model_validate_json(await request.body())
    except ValidationError as error:
        raise RequestValidationError(
            [{**one, "loc": ("body", *one["loc"])} for one in error.errors(include_url=False)]
        ) from None


async def read_files(request: Request, field: str, most: int) -> list[tuple[bytes, str | None]]:
    """Return contents and names of the files of a form.

    Parameters
    ----------
    request : Request
    field : str
        What the form calls them.
    most : int
        More of them are refused as soon as they begin.

    Raises
    ------
    Problem
        422: there is none.
    HTTPException
        400: too many, other fields, or a form that is damaged.
    """
    async with request.form(max_files=most, max_fields=0, max_part_size=_FIELD) as form:
        files = [one for one in form.getlist(field) if isinstance(one, UploadFile)]
        if not files or len(files) != len(form.multi_items()):
            raise Problem(422, f"the form must have image files in the field {field!r}, and nothing else.")
        return [(await file.read(), file.filename) for file in files]


def one_of(*types: str) -> Problem:
    """Return the problem of a body of another type than those that are taken."""
    return Problem(415, f"the body must be {' or '.join(types)}.")


def body_of(model: type[BaseModel], field: str, several: bool, bare: bool = False) -> dict[str, Any]:
    """Return the description of a body that is JSON, a form with images or an image, for FastAPI's ``openapi_extra``.

    Parameters
    ----------
    model : type
        Of the JSON.
    field : str
        What the form calls its images.
    several : bool
        Whether a form may have more than one.
    bare : bool
        Whether the body may be one image, without a form around it.
    """
    file = {"type": "string", "format": "binary", "contentMediaType": "image/*"}
    files: dict[str, Any] = {"type": "array", "items": file, "minItems": 1} if several else file
    described = model.model_json_schema()
    return {
        "requestBody": {
            "required": True,
            "content": {
                JSON: {"schema": described, "examples": _examples(described)},
                FORM: {
                    "schema": {
                        "type": "object",
                        "properties": {field: files},
                        "required": [field],
                        "additionalProperties": False,
                    }
                },
                **({IMAGE: {"schema": file}} if bare else {}),
            },
        }
    }


def _examples(described: dict[str, Any]) -> dict[str, Any]:
    return {f"example {number}": {"value": value} for number, value in enumerate(described.get("examples", []), 1)}
