"""The geometry of an architecture picture: which layers share a volume, and how large it is drawn.

All lengths are inches on paper. Height is vertical, channels run to the right, width
goes obliquely to the back; sides are drawn by the square root of their size, so that
a 224-pixel image and a 7×7×512 map are both visible.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import ceil, log, sqrt
from typing import TYPE_CHECKING, NamedTuple

from ..sizes import Shape
from .layers import Activation

if TYPE_CHECKING:
    from .plan import Plan, Row

Point = tuple[float, float]

#: The picture shows at most this many volumes; of a longer network it leaves out the middle.
MAX_BLOCKS = 40
#: A volume has at most this many layers; more that keep its shape stand on a volume of their own.
MAX_LAYERS = 8
#: A classifier of more classes than this shows a few of them.
MAX_UNITS = 10
#: Height of the largest map and of the longest vector.
TALLEST = 1.45
#: Right and up per inch of a map's width: a cabinet projection, which shows depths at about half their length.
SLANT: Point = (0.34, 0.34)
#: Inches: a row of volumes longer than this is broken, so that a page still shows readable letters.
ROW_WIDTH = 11.5
#: From one volume to the next.
GAP = 0.3
SLAB = 0.06
BAR = 0.13
UNIT = 0.15

_OWN_VOLUME = ("INPUT", "CONV", "POOL", "GAP", "FLATTEN", "FC", "CLASSIFIER")


class Font(NamedTuple):
    """Size in points and weight."""

    size: float
    weight: str = "normal"


#: The fonts of the labels over and under the volumes.
SIZE, CAPTION = Font(7.5, "bold"), Font(7.5)
#: From one line of text to the next, per point of its size.
LINE = 1.3 / 72

#: Width of a text in inches.
Measure = Callable[[str, Font], float]


@dataclass(frozen=True, slots=True)
class Block:
    """A layer that makes a map or a vector, and the layers behind it that keep the shape.

    With `left_out`, the rows are those that the picture does not show.
    """

    rows: tuple[Row, ...]
    left_out: bool = False

    @property
    def kind(self) -> str:
        """The kind of the layer that makes the shape; empty for layers left out."""
        return "" if self.left_out else self.rows[0].kind

    @property
    def shape(self) -> Shape:
        """What comes out."""
        return self.rows[-1].output


@dataclass(frozen=True, slots=True)
class Cuboid:
    """A box in oblique projection; `left` and `bottom` are those of its front face."""

    kind: str
    left: float
    bottom: float
    length: float
    height: float
    slant: Point

    @property
    def front(self) -> list[Point]:
        """Corners of the face that shows channels × height."""
        right, top = self.left + self.length, self.bottom + self.height
        return [(self.left, self.bottom), (right, self.bottom), (right, top), (self.left, top)]

    @property
    def top(self) -> list[Point]:
        """Corners of the face that shows channels × width."""
        _, _, right, left = self.front
        return [left, right, self._back(right), self._back(left)]

    @property
    def side(self) -> list[Point]:
        """Corners of the face that shows the map itself, height × width."""
        _, low, high, _ = self.front
        return [low, self._back(low), self._back(high), high]

    def _back(self, point: Point) -> Point:
        return point[0] + self.slant[0], point[1] + self.slant[1]


def group(plan: Plan) -> list[Block]:
    """Return the plan's layers as volumes; the middle of a very deep network is left out."""
    runs: list[list[Row]] = []
    for row in plan.rows:
        if row.kind in _OWN_VOLUME or row.output != row.input or len(runs[-1]) == MAX_LAYERS:
            runs.append([])
        runs[-1].append(row)
    blocks = [Block(tuple(run)) for run in runs]
    if len(blocks) <= MAX_BLOCKS:
        return blocks
    half = MAX_BLOCKS // 2
    hidden = tuple(row for block in blocks[half:-half] for row in block.rows)
    return [*blocks[:half], Block(hidden, left_out=True), *blocks[-half:]]


class Scale:
    """How large the shapes of a plan are drawn, so that the largest ones just fill the picture."""

    def __init__(self, plan: Plan) -> None:
        shapes = [row.output for row in plan.rows]
        maps = [shape for shape in shapes if len(shape) == 3]
        self.height, self.width = (max(shape[axis] for shape in maps) for axis in (0, 1))
        # The depth of 256 channels is the same in all pictures; only deeper maps are scaled down.
        self.channels = max(256, *(shape[2] for shape in maps))
        self.length = max(2, *(shape[0] for shape in shapes if len(shape) == 1))

    def cuboids(self, block: Block) -> list[Cuboid]:
        """Return the volume and its slabs, with the left end at 0 and the maps' centre at height 0."""
        if block.left_out:
            return []
        length, height, width = self._box(block)
        slant = (width * SLANT[0], width * SLANT[1])
        bottom = -(height + slant[1]) / 2
        kinds = ["ACTIVATION" if isinstance(row.layer, Activation) else row.kind for row in block.rows]
        slabs = [
            Cuboid(kind, length + number * SLAB, bottom, SLAB, height, slant) for number, kind in enumerate(kinds[1:])
        ]
        return [Cuboid(kinds[0], 0.0, bottom, length, height, slant), *slabs]

    def _box(self, block: Block) -> tuple[float, float, float]:
        """Return length (channels), height and width."""
        if len(block.shape) == 1:
            if block.kind == "CLASSIFIER":
                return 1.4 * UNIT, UNIT * (min(block.shape[0], MAX_UNITS) + 0.4), BAR
            return BAR, TALLEST * (0.25 + 0.75 * log(block.shape[0]) / log(self.length)), BAR
        height, width, channels = block.shape
        largest = max(self.height, self.width)
        # Both axes keep the image's own aspect; the root is taken along each axis for itself,
        # so that a side that stays equal is drawn equal.
        return (
            0.06 + 0.5 * sqrt(channels / self.channels),
            max(0.1, TALLEST * self.height / largest * sqrt(height / self.height)),
            max(0.1, TALLEST * self.width / largest * sqrt(width / self.width)),
        )


class Column:
    """One block with its labels; `x` and `y` are the centre of what is drawn."""

    def __init__(self, block: Block, boxes: list[Cuboid], measure: Measure) -> None:
        self.block = block
        self.label = "" if block.left_out else "×".join(map(str, block.shape))
        self.captions = captions(block)
        right = boxes[-1].side[1][0] if boxes else 2 * GAP
        self._boxes = [replace(box, left=box.left - right / 2) for box in boxes]
        self.half = right / 2
        self.reach = max((box.side[2][1] for box in boxes), default=GAP)
        self.drop = self.reach + 0.05
        text = max(measure(self.label, SIZE), *(measure(line, CAPTION) for line in self.captions))
        self.width = max(right + GAP, text + GAP / 2)
        self.x = self.y = 0.0

    @property
    def boxes(self) -> list[Cuboid]:
        """The volume and its slabs, in place."""
        return [replace(box, left=box.left + self.x, bottom=box.bottom + self.y) for box in self._boxes]

    @property
    def entry(self) -> Point:
        """Where an arrow from the left ends."""
        return self.x - self.half, self.y

    @property
    def exit(self) -> Point:
        """Where an arrow to the right begins: the middle of the face that shows the map."""
        back = self._boxes[-1].slant[0] / 2 if self._boxes else 0.0
        return self.x + self.half - back, self.y


def length_of(row: list[Column]) -> float:
    """Return how much room columns take side by side."""
    return sum(column.width for column in row)


def break_rows(columns: list[Column]) -> list[list[Column]]:
    """Break the columns into as few rows as `ROW_WIDTH` allows, about equally long."""
    total = length_of(columns)
    number = ceil(total / ROW_WIDTH)
    rows: list[list[Column]] = [[] for _ in range(number)]
    at, before = 0, 0.0
    last = ""
    for column in columns:
        if (last, column.block.kind) != ("CONV", "POOL"):  # a pooling stays in the row of the stage that it ends
            at = int((before + column.width / 2) / total * number)
        rows[at].append(column)
        last = column.block.kind
        before += column.width
    return [row for row in rows if row]


def unit_places(box: Cuboid, units: int) -> tuple[list[Point], list[Point]]:
    """Return the centres of a classifier's circles, and of the small dots that stand for the rest."""
    shown = min(units, MAX_UNITS)
    x = box.left + box.length / 2
    places = [(x, box.bottom + box.height - UNIT * (number + 0.7)) for number in range(shown)]
    if units <= MAX_UNITS:
        return places, []
    (_, high), (_, low) = places[-4], places[-2]
    return places[:-4] + places[-1:], [(x, high + (low - high) * part) for part in (0.1, 0.5, 0.9)]


def captions(block: Block) -> list[str]:
    """Return what stands under a volume, line by line."""
    if block.left_out:
        return [f"{len(block.rows):,} layers", "not shown"]
    return [line for row in block.rows for line in _caption(row)]


def _caption(row: Row) -> list[str]:
    settings = row.settings
    match row.kind:
        case "INPUT":
            return ["image"]
        case "CONV":
            return [f"CONV {_pair(settings['size'])}, {settings['filters']}", *_deviations(row)]
        case "POOL":
            return [f"{settings['kind']} pool {_pair(settings['size'])}", *_deviations(row)]
        case "FC":
            return [f"FC {settings['units']}"]
        case "CLASSIFIER":
            return ["CLASSIFIER", f"{settings['classes']} class{'es' if settings['classes'] > 1 else ''}"]
        case "FLATTEN":
            return ["flatten"]
        case "DROPOUT":
            return [f"dropout {settings['share']:g}"]
    return [row.layer.module if isinstance(row.layer, Activation) else row.kind]


def _deviations(row: Row) -> list[str]:
    """Return stride and padding where they are not what a reader takes for granted."""
    settings = row.settings
    lines = []
    if settings["stride"] != (settings["size"] if row.kind == "POOL" else (1, 1)):
        lines.append(f"stride {_pair(settings['stride'])}")
    if settings.get("padding", "same") != "same":
        padding = settings["padding"]
        lines.append("no padding" if padding in ("valid", (0, 0)) else f"padding {_pair(padding)}")
    return lines


def _pair(pair: tuple[int, int]) -> str:
    return "×".join(map(str, pair))
