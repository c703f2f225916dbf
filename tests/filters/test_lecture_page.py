"""docs/lecture.md: every map and every number of the specification stands on the page, in the lecture's order.

That the page prints what it says is for ``tests/test_docs.py``; here is that nothing is left out.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "lecture.md").read_text()
SPEC: dict[str, Any] = json.loads((ROOT / "tests" / "data" / "worked-example.json").read_text())

MAPS = {
    "image": SPEC["image_nine"],
    "filter": SPEC["filter_loopy_circle_in_ninths"],
    **{f"nine {name}": map_hw for name, map_hw in SPEC["nine"].items()},
    "shifted image": SPEC["image_nine_shifted_left"],
    **{f"shifted {name}": map_hw for name, map_hw in SPEC["nine_shifted_left"].items()},
}


def printed() -> list[list[list[float]]]:
    """Return the matrices that the page prints, in their order."""
    arrays = re.findall(r"^array\((\[\[.*?\]\])\)$", PAGE, re.MULTILINE | re.DOTALL)
    # NumPy writes 9. for 9.0, which JSON does not know.
    return [json.loads(re.sub(r"(\d)\.(?!\d)", r"\1.0", array)) for array in arrays]


@pytest.mark.parametrize("name", MAPS)
def test_every_map_of_the_specification_is_printed(name: str) -> None:
    assert any(np.array_equal(MAPS[name], one) for one in printed())


def test_the_decimals_are_those_of_the_ninths() -> None:
    for key in ("valid_stride1", "average_pool_2x2_stride1"):
        assert np.round(np.array(SPEC["nine"][key]) / 9, 2).tolist() in printed()


def test_the_maps_come_in_the_lectures_order() -> None:
    pages = printed()
    names = ["image", "filter", "nine valid_stride1", "nine same_stride1", "nine relu_of_valid",
             "nine max_pool_2x2_stride1", "nine average_pool_2x2_stride1", "shifted image", "shifted valid_stride1",
             "shifted relu_of_valid", "shifted max_pool_2x2_stride1"]  # fmt: skip
    assert set(names) == set(MAPS)
    places = [next(place for place, one in enumerate(pages) if np.array_equal(MAPS[name], one)) for name in names]
    assert places == sorted(places)


def test_the_arithmetic_of_the_first_cell() -> None:
    assert SPEC["first_cell_arithmetic"].replace("*", "×") in PAGE


def test_every_fact_stands_there() -> None:
    facts = SPEC["facts"]
    dense = facts["dense_layer_on_200x200x3_with_100000_hidden_units"]
    assert f"'{dense['inputs']:,} inputs, {dense['weights']:,} weights'" in PAGE
    ten = facts["ten_filters_3x3x3"]
    assert f"\n({ten['weights']}, {ten['biases']}, {ten['parameters']})\n" in PAGE
    conv = facts["conv_28x28x3_ten_5x5x3_filters"]
    for padding in ("valid", "same"):
        assert f"\n{padding} {tuple(conv[f'output_{padding}'])} {conv['weights']} {conv['biases']}\n" in PAGE
    assert facts["output_size"].split(",")[0] in PAGE
    assert "Pooling learns nothing" in PAGE


def test_the_pattern_and_the_common_architectures() -> None:
    assert f'"{SPEC["layer_pattern"].split("   (")[0]}"' in PAGE
    for architecture in SPEC["common_architectures"]:
        assert f'"{architecture}"' in PAGE


def test_the_misprints_are_pointed_out_with_the_right_numbers() -> None:
    notes = re.findall(r"^> \*\*Misprint\.\*\* ((?:.|\n> )*)", PAGE, re.MULTILINE)
    assert len(notes) == 2
    told = " ".join(notes).replace("\n> ", " ")
    for number in re.findall(r"-?\d\.\d\d", SPEC["errata"]):
        assert number in told


def test_the_sections_follow_the_lecture() -> None:
    assert re.findall(r"^## (.*)$", PAGE, re.MULTILINE) == [
        "An image is a matrix of pixels",
        "Why not simply connect every pixel",
        "A filter",
        "Convolution, cell by cell",
        "Stride, padding, and the size of the map",
        "ReLU",
        "Pooling",
        "A shifted nine",
        "What is learned, and how much it is",
        "From features to classes",
        "Patterns of layers",
    ]
