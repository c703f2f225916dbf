"""Questions that the plan answers: sizes, parameters, cost, receptive fields; and counts of the data."""

from __future__ import annotations

from math import prod

import numpy as np

from ...pattern.plan import Row
from ...sizes import Window, output_size
from ...text import size, span
from .question import Kind, Material, Question, Table, isolated, shuffled

#: A network with more layers is not shown as one table.
MAX_ROWS = 40
SIZE_RULE = "n_out = floor((n + 2p - f)/s) + 1"
Generator = np.random.Generator


def _one(rows: list[Row], random: Generator) -> Row:
    return rows[random.integers(len(rows))]


# ------------------------------------------------------------------------------------------- sizes and places


def _slides(row: Row) -> bool:
    return row.kind in ("CONV", "POOL")


def _output_size(material: Material, random: Generator) -> Question:
    rows = material.rows_with(_slides) or [material.plan.rows[0]]
    row = _one(rows, random)
    map_shape = row.input or row.output
    n = map_shape[0]
    f = int(random.choice([f for f in (2, 3, 5, 7) if f <= n] or [1]))
    s = int(random.integers(1, 4))
    p = 0 if row.kind == "POOL" else int(random.integers(0, f // 2 + 1))
    answer = output_size(n, f, s, p, p)
    what = "window" if row.kind == "POOL" else "filter"
    name = row.name if _slides(row) else "a convolution of the image"
    return Question(
        text=f"{name} reads maps of {size(map_shape)}. "
        f"With a {what} of {f}×{f}, stride {s} and padding {p}, how many rows would its output have?",
        answer=answer,
        arithmetic=f"floor(({n} + 2×{p} - {f})/{s}) + 1 = floor({n + 2 * p - f}/{s}) + 1 = "
        f"{(n + 2 * p - f) // s} + 1 = {answer}",
        hint=SIZE_RULE,
        unit="rows" if answer != 1 else "row",
        layer=row.name,
    )


def _position(material: Material, random: Generator) -> Question:
    row = _one(material.rows_with(_slides), random)
    window = row.window
    assert window is not None
    place = int(random.integers(row.output[0])), int(random.integers(row.output[1]))
    (top, _, left, _), (down, right) = window.margins, window.stride
    answer = _area(window, place)
    moved = [(window.stride, (0, 0)), ((1, 1), (top, left)), ((1, 1), (0, 0))]
    wrong = [_area(Window(window.size, stride, (m[0], m[0], m[1], m[1])), place) for stride, m in moved]
    wrong += [_area(window, (place[0] + 1, place[1] + 1)), _area(window, (place[0], place[1] + 1))]
    what = "filter" if row.kind == "CONV" else "window"
    return Question(
        text=f"{row.name} has a {what} of {size(window.size)}, stride {size(window.stride)}, padding {top} above and "
        f"{left} left. Where does the {what} stand in its input for row {place[0]}, column {place[1]} of the output?",
        answer=answer,
        arithmetic=f"It begins at row {place[0]}×{down} - {top} = {place[0] * down - top}, column {place[1]}×{right} - "
        f"{left} = {place[1] * right - left}: {answer}. What is below 0 or past the end lies in the padding.",
        hint="It begins at the output's place times the stride, less the padding.",
        choices=shuffled(answer, wrong, random),
        layer=row.name,
        cell=(*place, 0),
    )


def _area(window: Window, place: tuple[int, int]) -> str:
    (top, _, left, _) = window.margins
    starts = place[0] * window.stride[0] - top, place[1] * window.stride[1] - left
    rows, columns = (range(start, start + side) for start, side in zip(starts, window.size, strict=True))
    return f"{span('row', rows)}, {span('column', columns)}"


def _has_field(row: Row) -> bool:
    return row.window is not None


def _receptive_field(material: Material, random: Generator) -> Question:
    row = _one(material.rows_with(_has_field), random)
    before = material.plan.rows[: material.plan.rows.index(row) + 1]
    steps, step = ["1"], 1
    rows = []
    for one in before:
        if one.window is None:
            continue
        f, s = one.window.size[0], one.window.stride[0]
        steps.append(f"({f} - 1)×{step}")
        step *= s
        rows.append((one.name, str(f), str(s)))
    return Question(
        text=f"On how many rows of the image does one cell of {row.name} depend (its receptive field's height, rows "
        "of the padding counted)?",
        answer=row.receptive_field[0],
        arithmetic=f"{' + '.join(steps)} = {row.receptive_field[0]}",
        hint="1, and for each layer (f - 1) times the strides of all layers before it.",
        unit="rows" if row.receptive_field[0] != 1 else "row",
        tables=(Table("layers up to it", tuple(rows), ("layer", "rows of the filter", "stride")),),
        layer=row.name,
    )


def _is_flatten(row: Row) -> bool:
    return row.kind == "FLATTEN"


def _flatten(material: Material, random: Generator) -> Question:
    row = _one(material.rows_with(_is_flatten), random)
    return Question(
        text=f"The maps before the fully connected layers are {size(row.input)}. How long is the vector that they "
        "are laid out as?",
        answer=row.output[0],
        arithmetic=f"{size(row.input)} = {row.output[0]:,}",
        hint="Every cell of every map is one value.",
        unit="values",
        layer=row.name,
    )


# ------------------------------------------------------------------------------------------- parameters and cost


def _learns(row: Row) -> bool:
    return row.parameters > 0


def _costs(row: Row) -> bool:
    return row.multiply_adds > 0


def _what(row: Row) -> str:
    """Return a layer in words, with all that its parameters and its cost follow from."""
    match row.kind:
        case "CONV":
            assert row.window is not None
            words = f"{row.output[2]} filters of {size(row.window.size)}, on maps of {size(row.input)}"
            return f"{row.name} has {words}; its output is {size(row.output)}."
        case "BN":
            return f"{row.name} scales and shifts each channel of {size(row.input)}."
        case _:
            return f"{row.name} makes {row.output[0]:,} values of {row.input[0]:,}, each from all of them."


def _weights_as(row: Row) -> str:
    """Return the weights as the product that they are."""
    match row.kind:
        case "CONV":
            assert row.window is not None
            return f"{size(row.window.size)}×{row.input[2]}×{row.output[2]}"
        case "BN":
            return f"{row.weights}"
        case _:
            return f"{row.input[0]}×{row.output[0]}"


def _parameters(material: Material, random: Generator) -> Question:
    row = _one(material.rows_with(_learns), random)
    products = "" if row.kind == "BN" else f"{_weights_as(row)} + {row.biases} = "
    return Question(
        text=f"{_what(row)} How many parameters does it learn?",
        answer=row.parameters,
        arithmetic=f"{products}{row.weights:,} + {row.biases:,} = {row.parameters:,}",
        hint="Weights, and one bias for each output channel or unit.",
        unit="parameters",
        layer=row.name,
    )


def _is_short(material: Material) -> bool:
    return len(material.plan.rows) <= MAX_ROWS


def _all_parameters(material: Material, random: Generator) -> Question:  # noqa: ARG001  # there is one network
    rows = material.plan.rows
    table = [(row.name, size(row.window.size) if row.window else "", size(row.output)) for row in rows]
    parts = " + ".join(f"{row.parameters:,} ({row.name})" for row in rows if row.parameters)
    return Question(
        text="How many parameters does the whole network learn?",
        answer=material.plan.parameters,
        arithmetic=f"{parts} = {material.plan.parameters:,}",
        hint="Only convolutions, fully connected layers and batch normalisation learn; each has weights and biases.",
        unit="parameters",
        tables=(Table("the network", tuple(table), ("layer", "filter", "output")),),
    )


def _multiply_adds(material: Material, random: Generator) -> Question:
    row = _one(material.rows_with(_costs), random)
    places = f"{size(row.output[:2])}×" if row.kind == "CONV" else ""
    product = size(row.input) if row.kind == "BN" else f"{places}{_weights_as(row)}"
    return Question(
        text=f"{_what(row)} How many multiplications does it take for one image, padding counted?",
        answer=row.multiply_adds,
        arithmetic=f"{product} = {row.multiply_adds:,}",
        hint="Every weight is used once at every place of the output.",
        unit="multiplications",
        layer=row.name,
    )


def _is_convolution(row: Row) -> bool:
    return row.kind == "CONV"


def _dense(material: Material, random: Generator) -> Question:
    row = _one(material.rows_with(_is_convolution), random)
    dense = row.dense_connections
    return Question(
        text=f"{row.name} makes {size(row.output)} of {size(row.input)}. How many weights would a fully connected "
        "layer take for that, biases not counted?",
        answer=dense,
        arithmetic=f"({size(row.input)})×({size(row.output)}) = {prod(row.input):,}×{prod(row.output):,} = {dense:,}. "
        f"The convolution has {row.connections:,} connections ({row.connections / dense:.2%}), which share "
        f"{row.weights:,} weights.",
        hint="Every output reads every input.",
        unit="weights",
        layer=row.name,
    )


# ------------------------------------------------------------------------------------------- the data


def _has_images(material: Material) -> bool:
    return any(sum(counts.values()) for counts in material.images.values())


def _part(material: Material, random: Generator) -> tuple[str, dict[str, int]]:
    parts = [part for part, counts in material.images.items() if sum(counts.values())]
    part = parts[random.integers(len(parts))]
    return part, {name: material.images[part].get(name, 0) for name in material.classes}


def _class_images(material: Material, random: Generator) -> Question:
    part, counts = _part(material, random)
    name = material.classes[random.integers(len(material.classes))]
    number, total = counts[name], sum(counts.values())
    others = (2 * number, number // 2, total // len(counts), number + 10, total - number, total)
    choices = shuffled(f"{number:,}", [f"{n:,}" for n in others], random)
    return Question(
        text=f"Of the {total:,} images of {part}, which are of {len(counts)} classes, how many are of "
        f"{isolated(name)}?",
        answer=f"{number:,}",
        arithmetic=f"{number:,} of {total:,}: {number / total:.1%}; as many of each class would be "
        f"{1 / len(counts):.1%}.",
        hint="Parts are drawn so that each has the classes in the same shares.",
        choices=choices,
        unit="images",
    )


def _majority(material: Material, random: Generator) -> Question:
    part, counts = _part(material, random)
    total, largest = sum(counts.values()), max(counts, key=lambda name: counts[name])
    rows = sorted(counts.items(), key=lambda one: -one[1])
    return Question(
        text=f"How large is the share of the {part} images that are classified rightly by saying the most frequent "
        "class every time?",
        answer=100 * counts[largest] / total,
        arithmetic=f"{isolated(largest)}: {counts[largest]:,}/{total:,} = {counts[largest] / total:.1%}",
        hint="A network has to be better than that. Balanced accuracy, the mean over the classes, is not fooled by it.",
        unit="%",
        tables=(
            Table(f"images of {part}", tuple((name, f"{n:,}") for name, n in rows[:MAX_ROWS]), ("class", "images")),
        ),
    )


KINDS = (
    Kind("output-size", "The size of an output", lambda _: True, _output_size),
    Kind("position", "Where the filter stands", lambda m: bool(m.rows_with(_slides)), _position),
    Kind("receptive-field", "A receptive field", lambda m: bool(m.rows_with(_has_field)), _receptive_field),
    Kind("flatten", "The length of the vector", lambda m: bool(m.rows_with(_is_flatten)), _flatten),
    Kind("parameters", "Parameters of a layer", lambda m: bool(m.rows_with(_learns)), _parameters),
    Kind("network-parameters", "Parameters of the network", _is_short, _all_parameters),
    Kind("multiply-adds", "Multiplications of a layer", lambda m: bool(m.rows_with(_costs)), _multiply_adds),
    Kind("dense", "Against a fully connected layer", lambda m: bool(m.rows_with(_is_convolution)), _dense),
    Kind("class-images", "Images of a class", _has_images, _class_images),
    Kind("majority", "The most frequent class", _has_images, _majority),
)
