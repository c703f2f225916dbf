"""The images of the run's data: lists, and previews."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from ...pictures import as_picture, png, thumbnail
from ...text import shown
from ..context import Context, Shared
from ..limits import Limits
from ..problems import answers

router = APIRouter(prefix="/api/images", tags=["images"])

#: The description of an answer that is a picture.
PICTURE: dict[str, Any] = {
    "description": "A picture.",
    "content": {"image/png": {"schema": {"type": "string", "format": "binary"}}},
}
_SAME: dict[str, Any] = {"description": "The picture that the browser has is still the one."}
_LIMITS = Limits()
#: Numbers of rows that no data set has; larger ones could not be computed with.
FAR = 2**31

Index = Annotated[int, Path(ge=0, lt=FAR, description="The image's row in split.json.", examples=[0])]


class ImageBody(BaseModel):
    """An image of the run's data."""

    index: int = Field(description="Its row in split.json.")
    name: str
    truth: str
    prediction: str | None = Field(description="What the run's evaluation has of it.")
    part: str


class ImagesBody(BaseModel):
    """Some images of the run's data."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "total": 150,
                    "images": [{"index": 850, "name": "7/12.png", "truth": "7", "prediction": "7", "part": "test"}],
                }
            ]
        }
    )

    total: int = Field(description="How many there are in the part.")
    images: list[ImageBody]


@router.get("", responses=answers(422))
async def images(
    context: Shared,
    part: Annotated[Literal["train", "val", "test"] | None, Query(description="All parts when not given.")] = None,
    offset: Annotated[int, Query(ge=0, lt=FAR)] = 0,
    limit: Annotated[int, Query(ge=1, le=_LIMITS.page_images)] = 60,
) -> ImagesBody:
    """List images of the run's data, a page of them at a time."""
    found = context.images.of_part(part)
    rows = [(index, context.images.row(index)) for index in found[offset : offset + limit]]
    return ImagesBody(
        total=len(found),
        images=[
            ImageBody(
                index=index,
                name=shown(row["name"]),
                truth=shown(row["class"]),
                prediction=_shown(context.images.predictions.get(row["name"])),
                part=row["part"],
            )
            for index, row in rows
        ],
    )


@router.get(
    "/{index}/thumbnail.png", responses=answers(404, 422, 503, _200=PICTURE, _304=_SAME), response_class=Response
)
async def preview(request: Request, context: Shared, index: Index) -> Response:
    """Return a small picture of an image, as the network reads it."""
    # By its content: the same number is another image of another run at the same address.
    headers = {"ETag": f'"{context.images.row(index)["sha256"]}"', "Cache-Control": "private, no-cache"}
    if request.headers.get("if-none-match") == headers["ETag"]:
        return Response(status_code=304, headers=headers)
    content = await context.soon(_preview, context, index)
    return Response(content, headers=headers, media_type="image/png")


def _preview(context: Context, index: int) -> bytes:
    picture = as_picture(context.images.subject(index).pixels_hwc)
    return png(thumbnail(picture, context.limits.thumbnail_side))


def _shown(name: str | None) -> str | None:
    return None if name is None else shown(name)
