"""The filter bench: a filter at work on the lecture's nine, a walk's image, or numbers of one's own."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import numpy as np
from fastapi import APIRouter
from PIL import Image
from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, model_validator

from ...errors import ConfigError
from ...filters import Filtered, Values, apply, parse_kernel, read_values
from ...filters.kernels import Kernel
from ...filters.show import arithmetic
from ...pictures import Scale, data_uri
from ...text import size
from ...walkthrough.paint import colours_of, indexed_png, indices, palette
from ..context import Context, Shared
from ..limits import Limits
from ..problems import answers
from .limited import LimitedRoute
from .walk import ScaleBody, finite_rows, scale_body

router = APIRouter(prefix="/api", tags=["filter"], route_class=LimitedRoute)

_LIMITS = Limits()
#: The largest number of an image; filters have theirs in `convstage.filters.rows`.
LARGEST = 1e9
#: What a map is called in a request and in an answer, in the order of the steps.
StepName = Literal["map", "rectified", "pooled"]


Place = Annotated[int, Field(ge=0, lt=2**31)]


class ImageAsked(BaseModel):
    """What the filter is laid on: a walk's image, the lecture's digit, or numbers."""

    model_config = ConfigDict(extra="forbid")

    id: str | None = Field(None, pattern="^[0-9a-f]{32}$", description="Of a walk; colours become grey.")
    name: Literal["nine", "nine-shifted"] | None = None
    values: list[list[Annotated[FiniteFloat, Field(ge=-LARGEST, le=LARGEST)]]] | None = None

    @model_validator(mode="after")
    def _one(self) -> ImageAsked:
        if sum(given is not None for given in (self.id, self.name, self.values)) != 1:
            raise ValueError("give an id, a name or values, one of them")
        return self


class PoolAsked(BaseModel):
    """How the map is pooled."""

    model_config = ConfigDict(extra="forbid")

    kind: Literal["max", "avg"]
    size: int = Field(2, ge=1, le=16)
    stride: int | None = Field(None, ge=1, le=64, description="The size when null.")


class FilterAsked(BaseModel):
    """An image, a filter, and how it is laid on."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "image": {"name": "nine"},
                    "kernel": "loopy",
                    "relu": True,
                    "pool": {"kind": "max", "size": 2, "stride": 1},
                },
                {"image": {"values": [[0, 1], [1, 0]]}, "kernel": "1 -1", "stride": 1, "padding": "same"},
            ]
        },
    )

    image: ImageAsked
    kernel: str = Field(max_length=_LIMITS.kernel_characters, description="A name, or rows such as '1 0; 0 -1'.")
    stride: int = Field(1, ge=1, le=64)
    padding: Literal["valid", "same"] | Annotated[int, Field(ge=0, le=64)] = "valid"
    flip: bool = Field(False, description="Turn the filter first: a mathematician's convolution.")
    relu: bool = False
    pool: PoolAsked | None = None
    step: StepName = Field("map", description="Whose cell is explained.")
    cell: tuple[Place, Place] | None = Field(None, description="Row and column, from 0; the first when null.")


class ImageBody(BaseModel):
    """The image as numbers."""

    name: str
    shape: tuple[int, int]
    values: list[list[float | None]] | None = Field(description="Of a small one.")
    src: str
    black: float
    white: float


class KernelBody(BaseModel):
    """The filter as it is laid on."""

    name: str
    words: str
    rows: list[list[str]] = Field(description="Its weights as fractions.")
    text: str = Field(description="The same as it may be written.")
    denominator: int | None = Field(description="What all weights are whole numbers over.")


class MapBody(BaseModel):
    """A map."""

    title: str
    shape: tuple[int, int]
    values: list[list[float | None]] | None = Field(description="Of a small one.")
    src: str = Field(description="The address of a picture, one pixel for each cell.")
    scale: ScaleBody = Field(description="The same for all maps of an answer.")
    denominator: int | None = Field(description="What its numbers are whole numbers over, where they are.")


class ArithmeticBody(BaseModel):
    """How one cell came about."""

    step: StepName
    cell: tuple[int, int]
    value: float
    lines: list[str]
    rows: tuple[int, int] = Field(description="What was read, in the image or in the map before; may be padding.")
    columns: tuple[int, int]
    patch: list[list[float]]
    weights: list[list[float]] | None = None
    products: list[list[float]] | None = None
    winner: tuple[int, int] | None = None


class FilterBody(BaseModel):
    """An image, a filter, and the maps that come of it."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "image": {"name": "image", "shape": [1, 2], "values": [[0.0, 1.0]], "black": 0.0, "white": 1.0,
                              "src": "data:image/png;base64,iVBORw0KGgo="},
                    "kernel": {"name": "1×2", "words": "your own", "rows": [["1", "-1"]], "text": "1 -1",
                               "denominator": 1},
                    "words": "stride 1, no padding",
                    "map": {"title": "cross-correlation", "shape": [1, 1], "values": [[-1.0]], "denominator": 1,
                            "src": "data:image/png;base64,iVBORw0KGgo=",
                            "scale": {"low": -1.0, "high": 1.0, "signed": True,
                                      "bar": "data:image/png;base64,iVBORw0KGgo="}},
                    "rectified": None,
                    "pooled": None,
                    "arithmetic": {"step": "map", "cell": [0, 0], "value": -1.0,
                                   "lines": ["cell (0, 0): 0×1 + 1×(-1) = -1"], "rows": [0, 0], "columns": [0, 1],
                                   "patch": [[0.0, 1.0]], "weights": [[1.0, -1.0]], "products": [[0.0, -1.0]]},
                }
            ]
        }
    )  # fmt: skip

    image: ImageBody
    kernel: KernelBody
    words: str = Field(description="Stride and padding in words.")
    map: MapBody
    rectified: MapBody | None = Field(description="After ReLU.")
    pooled: MapBody | None = Field(description="After pooling.")
    arithmetic: ArithmeticBody


@router.post("/filter", responses=answers(404, 408, 413, 422, 503))
async def filter_image(context: Shared, asked: FilterAsked) -> FilterBody:
    """Lay a filter on an image, and say how one cell of the outcome came about."""
    return await context.work(_filter, context, asked)


def _filter(context: Context, asked: FilterAsked) -> FilterBody:
    kernel = parse_kernel(asked.kernel)
    if max(kernel.shape) > context.limits.kernel_side:
        side = context.limits.kernel_side
        raise ConfigError(f"the filter has {size(kernel.shape)} numbers; at most {size((side, side))} are laid on.")
    pool = asked.pool
    filtered = apply(
        _values(context, asked.image),
        kernel,
        stride=asked.stride,
        padding=asked.padding,
        flip=asked.flip,
        relu=asked.relu,
        pool=pool.kind if pool else None,
        pool_size=pool.size if pool else 2,
        pool_stride=pool.stride if pool else None,
    )
    steps = _steps(filtered)
    scale = Scale.of(*filtered.steps.values())
    maps = {name: _map(context, filtered, title, scale) for name, title in steps.items()}
    return FilterBody(
        image=_image(context, filtered.image),
        kernel=kernel_body(filtered.kernel),
        words=filtered.words,
        map=maps["map"],
        rectified=maps.get("rectified"),
        pooled=maps.get("pooled"),
        arithmetic=_arithmetic(filtered, steps, asked),
    )


def kernel_body(kernel: Kernel) -> KernelBody:
    """Return a filter as it is answered."""
    rows = [[str(number) for number in row] for row in kernel.rows]
    return KernelBody(name=kernel.name, words=kernel.words, rows=rows, text=kernel.text, denominator=kernel.denominator)


def _values(context: Context, asked: ImageAsked) -> Values:
    if asked.name is not None:
        return read_values(asked.name)
    if asked.values is not None:
        lengths = {len(row) for row in asked.values}
        if len(lengths) != 1 or 0 in lengths:
            raise ConfigError("the image must have rows of equal length.")
        if max(len(asked.values), *lengths) > context.limits.matrix_side:
            raise ConfigError(f"the image may have a side of {context.limits.matrix_side}.")
        return read_values(np.array(asked.values, np.float64))
    assert asked.id is not None
    pixels_hwc = context.entry(asked.id).walk.subject.pixels_hwc
    picture = Image.fromarray(pixels_hwc if pixels_hwc.shape[2] == 3 else pixels_hwc[:, :, 0])
    return read_values(picture, resize=_smaller(pixels_hwc.shape[:2], context.limits.filtered_pixels))


def _smaller(shape: tuple[int, ...], most: int) -> tuple[int, int] | None:
    """Return the size that a picture is brought to, None when it is small enough."""
    share = (most / (shape[0] * shape[1])) ** 0.5
    return None if share >= 1 else (max(1, int(shape[0] * share)), max(1, int(shape[1] * share)))


def _steps(filtered: Filtered) -> dict[StepName, str]:
    """Return what the maps are called here, and what the library calls them."""
    names: list[StepName] = ["map"]
    names += ["rectified"] if filtered.rectified_hw is not None else []
    names += ["pooled"] if filtered.pooled_hw is not None else []
    return dict(zip(names, filtered.steps, strict=True))


def _small(context: Context, values_hw: Any) -> list[list[float | None]] | None:
    return finite_rows(values_hw) if max(values_hw.shape) <= context.limits.values_side else None


def _paint(scale: Scale, values_hw: Any) -> str:
    return data_uri(indexed_png(indices(scale, values_hw), palette(colours_of(scale))))


def _image(context: Context, image: Values) -> ImageBody:
    # Grey: what a picture is shown in.
    span = (image.white - image.black) or 1.0
    grey_hw = np.rint(np.clip((image.values_hw - image.black) / span, 0, 1) * 253).astype(np.uint8)
    greys = bytes(level for number in range(254) for level in [round(number * 255 / 253)] * 3)
    return ImageBody(
        name=image.name,
        shape=image.shape,
        values=_small(context, image.values_hw),
        src=data_uri(indexed_png(grey_hw, palette(greys))),
        black=image.black,
        white=image.white,
    )


def _map(context: Context, filtered: Filtered, title: str, scale: Scale) -> MapBody:
    map_hw = filtered.steps[title]
    height, width = map_hw.shape
    return MapBody(
        title=title,
        shape=(height, width),
        values=_small(context, map_hw),
        src=_paint(scale, map_hw),
        scale=scale_body(scale),
        denominator=filtered.denominator,
    )


def _arithmetic(filtered: Filtered, steps: dict[StepName, str], asked: FilterAsked) -> ArithmeticBody:
    name = asked.step
    if name not in steps:
        raise ConfigError(f"there is no {name} map: it was not asked for.\nThere is {', '.join(steps)}.")
    map_hw, cell = filtered.steps[steps[name]], asked.cell or (0, 0)
    if not all(place < length for place, length in zip(cell, map_hw.shape, strict=True)):
        raise ConfigError(f"the {name} map has {size(map_hw.shape)} cells, and none at {cell[0]}, {cell[1]}.")
    lines = [line.strip() for line in arithmetic(filtered, steps[name], cell)]
    if name == "pooled":
        pooled = filtered.pool_receipt(cell)
        return ArithmeticBody(
            step=name, cell=cell, value=float(map_hw[cell]), lines=lines, winner=pooled.winner,
            rows=(pooled.rows[0], pooled.rows[-1]), columns=(pooled.columns[0], pooled.columns[-1]),
            patch=pooled.window.tolist(),
        )  # fmt: skip
    one = filtered.receipt(cell)
    return ArithmeticBody(
        step=name, cell=cell, value=float(map_hw[cell]), lines=lines,
        rows=(one.rows[0], one.rows[-1]), columns=(one.columns[0], one.columns[-1]),
        patch=one.patch[:, :, 0].tolist(), weights=one.weights[:, :, 0].tolist(),
        products=one.products[:, :, 0].tolist(),
    )  # fmt: skip
