"""The architecture picture: every label is there, legible and in its place; the same plan gives the same bytes."""

from __future__ import annotations

import subprocess
import sys
from itertools import combinations
from pathlib import Path
from xml.etree import ElementTree

import matplotlib
import numpy as np
import pytest
from matplotlib.image import imread
from matplotlib.patches import Polygon

from convstage.errors import ConfigError, DataError
from convstage.pattern import LAYERS, Pattern, Plan
from convstage.pattern.draw import _figure, draw
from convstage.pattern.layers import Activation
from convstage.pattern.volumes import MAX_BLOCKS, TALLEST, Scale, group

VGG = (
    "INPUT -> [CONV(64) -> BN -> RELU]*2 -> POOL -> [CONV(128) -> BN -> RELU]*2 -> POOL"
    " -> [CONV(256) -> BN -> RELU]*3 -> POOL -> [[CONV(512) -> BN -> RELU]*3 -> POOL]*2"
    " -> [FC(4096) -> RELU -> DROPOUT]*2 -> CLASSIFIER"
)
LENET = ("INPUT -> [CONV -> RELU -> POOL]*2 -> FC -> RELU -> CLASSIFIER", "28x28x1", 10)
DEEP = ("INPUT -> [CONV(64) -> RELU]*98 -> POOL -> GAP -> CLASSIFIER", "64x64x3", 10)
PATTERNS = {
    "classifier only": ("INPUT -> CLASSIFIER", "1x1x1", 1),
    "fully connected": ("INPUT -> FC -> CLASSIFIER", "28x28x1", 10),
    "one stage": ("INPUT -> CONV -> RELU -> FC -> CLASSIFIER", "28x28x1", 10),
    "two stages": LENET,
    "three double stages": (
        "INPUT -> [CONV -> RELU -> CONV -> RELU -> POOL]*3 -> [FC -> RELU]*2 -> CLASSIFIER", "32x32x3", 10,
    ),
    "large image": (
        "INPUT -> [CONV(32|32|64|128) -> RELU -> POOL]*4 -> FC(128) -> RELU -> CLASSIFIER", "224x224x1", 2,
    ),
    "VGG-16": (VGG, "224x224x3", 1000),
    "global average": (
        "INPUT -> [CONV -> BN -> RELU -> POOL]*3 -> CONV(256) -> RELU -> GAP -> CLASSIFIER", "64x64x3", 5,
    ),
    "not square": ("INPUT -> [CONV(16|32|64) -> RELU -> POOL]*3 -> FC -> RELU -> CLASSIFIER", "60x200x3", 4),
    "strides": (
        "INPUT -> BN -> CONV(96, 11x11, stride=4, padding=valid) -> LEAKY_RELU -> POOL(avg, 3x3, stride=2)"
        " -> CONV(256, 5x5, padding=2) -> ELU -> FLATTEN -> DROPOUT(0.25) -> FC(30000) -> FC(3) -> CLASSIFIER",
        "227x227x3", 2,
    ),
    "extreme": ("INPUT -> CONV(1000000000000) -> RELU -> FC(1000000000000000) -> CLASSIFIER", "2x3000x1", 100000),
    "many activations": ("INPUT -> CONV -> [RELU -> BN]*9 -> FC -> RELU*20 -> CLASSIFIER", "28x28x1", 2),
    "deep": DEEP,
    "deep without convolutions": ("INPUT -> FC -> [RELU -> DROPOUT]*2000 -> CLASSIFIER", "28x28x1", 2),
}  # fmt: skip

#: What a caption says of each kind that has no number in it.
WORDS = {"INPUT": "image", "FLATTEN": "flatten", "GAP": "GAP", "BN": "BN", "CLASSIFIER": "CLASSIFIER"}


@pytest.fixture(params=PATTERNS)
def plan(request: pytest.FixtureRequest) -> Plan:
    return plan_of(*PATTERNS[request.param])


def plan_of(text: str, image: str, classes: int) -> Plan:
    return Pattern(text).plan(image, classes=classes)


def size(shape: tuple[int, ...]) -> str:
    return "×".join(map(str, shape))


def svg_texts(path: Path) -> list[str]:
    root = ElementTree.parse(path).getroot()
    return ["".join(element.itertext()) for element in root.iter("{http://www.w3.org/2000/svg}text")]


def test_svg_has_every_size_and_every_layer(plan: Plan, tmp_path: Path) -> None:
    texts = svg_texts(draw(plan, tmp_path / "net.svg"))
    shown = [row for block in group(plan) if not block.left_out for row in block.rows]
    for row in shown:
        assert size(row.output) in texts
        settings, kind = row.settings, row.kind
        match kind:
            case "CONV":
                caption = f"CONV {size(settings['size'])}, {settings['filters']}"
            case "POOL":
                caption = f"{settings['kind']} pool {size(settings['size'])}"
            case "FC":
                caption = f"FC {settings['units']}"
            case "DROPOUT":
                caption = f"dropout {settings['share']}"
            case _:
                layer = LAYERS[kind]
                caption = layer.module if isinstance(layer, Activation) else WORDS[kind]
        assert caption in texts
    for kind in {"CONV", "POOL", "FC", "CLASSIFIER"} & {row.kind for row in shown}:
        assert {"CONV": "convolution", "POOL": "pooling", "FC": "fully connected"}.get(kind, "classifier") in texts
    title = f"{plan.parameters:,} parameters · {plan.multiply_adds:,} multiply-adds per image"
    assert any(text.endswith(title) for text in texts)


def test_a_small_network_word_by_word(tmp_path: Path) -> None:
    texts = svg_texts(draw(plan_of(*LENET), tmp_path / "net.svg"))
    labels = ["28×28×1", "image", "28×28×32", "CONV 3×3, 32", "ReLU", "14×14×32", "max pool 2×2", "14×14×64"]
    labels += ["CONV 3×3, 64", "ReLU", "7×7×64", "max pool 2×2", "3136", "flatten", "128", "FC 128", "ReLU"]
    labels += ["10", "CLASSIFIER", "10 classes"]
    title = "11 layers · 421,642 parameters · 4,241,152 multiply-adds per image"
    legend = ["convolution", "activation", "pooling", "fully connected", "classifier"]
    assert sorted(texts) == sorted([title, *labels, *legend])


def test_strides_and_paddings_are_named_where_they_are_unusual(tmp_path: Path) -> None:
    texts = svg_texts(draw(plan_of(*PATTERNS["strides"]), tmp_path / "net.svg"))
    for caption in ("stride 4×4", "no padding", "avg pool 3×3", "stride 2×2", "padding 2×2", "LeakyReLU", "ELU"):
        assert caption in texts


def test_labels_do_not_overlap_and_are_not_clipped(plan: Plan) -> None:
    figure = _figure(plan)
    axes = figure.axes[0]
    boxes = {text: text.get_window_extent() for text in axes.texts}
    sheet = figure.bbox
    for text, box in boxes.items():
        assert sheet.x0 < box.x0 < box.x1 < sheet.x1 and sheet.y0 < box.y0 < box.y1 < sheet.y1, text
    for (one, a), (other, b) in combinations(boxes.items(), 2):
        assert not a.overlaps(b), (one, other)
    faces = [patch.get_window_extent() for patch in axes.patches if isinstance(patch, Polygon)]
    for text, box in boxes.items():
        assert not any(box.overlaps(face) for face in faces), text


def test_lines_stay_clear_of_labels(plan: Plan) -> None:
    axes = _figure(plan).axes[0]
    for line in axes.lines:
        path = line.get_transform().transform_path(line.get_path())
        for text in axes.texts:
            assert not path.intersects_bbox(text.get_window_extent(), filled=False), text


def test_volumes_shrink_with_the_map_and_deepen_with_the_channels() -> None:
    plan = plan_of(*LENET)
    scale = Scale(plan)
    boxes = {block.rows[0].name: scale.cuboids(block)[0] for block in group(plan)}
    assert boxes["input"].height == boxes["stage1.conv"].height == TALLEST
    assert boxes["stage1.conv"].height > boxes["stage2.conv"].height > boxes["stage2.pool"].height
    assert boxes["input"].length < boxes["stage1.conv"].length == boxes["stage1.pool"].length
    assert boxes["stage1.pool"].length < boxes["stage2.conv"].length


def test_maps_keep_the_aspect_of_the_image() -> None:
    plan = plan_of("INPUT -> CONV -> POOL -> POOL(1x2) -> CLASSIFIER", "60x200x3", 2)
    scale = Scale(plan)
    image, conv, pool, flat_pool = (scale.cuboids(block)[0] for block in group(plan)[:4])
    unit = image.slant[0] / 200
    assert image.height / 60 == pytest.approx(TALLEST / 200)
    for box in (conv, pool):
        assert box.height / box.slant[0] == pytest.approx(TALLEST / 200 * 60 / (200 * unit))
    assert flat_pool.height == pool.height and flat_pool.slant < pool.slant


def test_slabs_stand_for_layers_that_keep_the_shape() -> None:
    blocks = group(plan_of(VGG, "224x224x3", 1000))
    assert [row.kind for row in blocks[1].rows] == ["CONV", "BN", "RELU"]
    assert [row.kind for row in blocks[-2].rows] == ["FC", "RELU", "DROPOUT"]
    kinds = [box.kind for box in Scale(plan_of(VGG, "224x224x3", 1000)).cuboids(blocks[1])]
    assert kinds == ["CONV", "BN", "ACTIVATION"]
    assert len(blocks) == 1 + 13 + 5 + 1 + 2 + 1


def test_of_a_very_deep_network_the_middle_is_left_out(tmp_path: Path) -> None:
    plan = plan_of(*DEEP)
    assert len(plan.rows) == 200
    blocks = group(plan)
    assert len(blocks) == MAX_BLOCKS + 1
    assert sum(len(block.rows) for block in blocks) == 200
    (hidden,) = (block for block in blocks if block.left_out)
    assert {f"{len(hidden.rows)} layers", "not shown"} <= set(svg_texts(draw(plan, tmp_path / "net.svg")))


def test_thirty_layers_are_all_shown() -> None:
    assert not any(block.left_out for block in group(plan_of("INPUT -> CONV*27 -> CLASSIFIER", "8x8x1", 2)))


def test_png_shows_something_on_white(tmp_path: Path) -> None:
    pixels = imread(draw(plan_of(*LENET), tmp_path / "net.png"))[..., :3]
    height, width, _ = pixels.shape
    assert 1000 < width < 3000 and 400 < height < 1500
    ink = (pixels < 0.99).any(axis=2)
    assert 0.05 < ink.mean() < 0.6
    assert not np.concatenate([ink[:10].ravel(), ink[-10:].ravel(), ink[:, :10].ravel(), ink[:, -10:].ravel()]).any()
    colours = np.unique(pixels.reshape(-1, 3), axis=0)
    assert len(colours) > 20


@pytest.mark.parametrize("suffix", ["svg", "png", "pdf", "SVG"])
def test_the_same_plan_gives_the_same_bytes(suffix: str, tmp_path: Path) -> None:
    one = draw(plan_of(*LENET), tmp_path / f"one.{suffix}")
    with matplotlib.rc_context({"font.size": 30, "savefig.bbox": "tight", "axes.facecolor": "red"}):
        other = draw(plan_of(*LENET), str(tmp_path / f"other.{suffix}"))
        assert matplotlib.rcParams["font.size"] == 30
    assert one.read_bytes() == other.read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"one.{suffix}", f"other.{suffix}"]


@pytest.mark.parametrize("name", ["net.gif", "net", "svg"])
def test_another_suffix_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as error:
        draw(plan_of(*LENET), tmp_path / name)
    assert str(error.value) == f"the picture must end in .svg, .png or .pdf; got {name!r}."
    assert not list(tmp_path.iterdir())


def test_a_failed_drawing_keeps_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = draw(plan_of(*LENET), tmp_path / "net.svg").read_bytes()

    def fail(*_: object, **__: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr("matplotlib.figure.Figure.savefig", fail)
    with pytest.raises(DataError, match=r"net\.svg cannot be written: disk full"):
        draw(plan_of(*DEEP), tmp_path / "net.svg")
    assert [path.name for path in tmp_path.iterdir()] == ["net.svg"]
    assert (tmp_path / "net.svg").read_bytes() == old


def test_importing_and_drawing_leave_matplotlibs_global_state_alone(tmp_path: Path) -> None:
    code = (
        "import sys; from convstage.pattern.draw import draw; from convstage.pattern import Pattern\n"
        "assert 'matplotlib' not in sys.modules\n"
        f"draw(Pattern('INPUT -> CLASSIFIER').plan('4x4x1', 2), {str(tmp_path / 'net.svg')!r})\n"
        "assert 'matplotlib.pyplot' not in sys.modules"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True)
