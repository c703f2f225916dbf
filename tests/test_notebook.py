"""What objects show of themselves in a notebook: whole, escaped, writable, and readable on light and on dark."""

import re

import numpy as np
import pytest
import torch
from markupsafe import Markup

import convstage
from convstage import Pattern, Prediction
from convstage.filters import apply
from convstage.notebook import STYLE, bar, block, numbers, shares, table
from convstage.pattern.show import MOST_ROWS
from convstage.pictures import Scale
from convstage.stage.display import CHANNELS, SMALL, fraction
from convstage.stage.receipt import pool_receipt, receipt
from convstage.walkthrough.display import WORDS
from support.markup import parsed
from support.names import HOSTILE
from walkthrough.networks import ALL_KINDS, walk_of

LENET = "INPUT -> [CONV(4) -> RELU -> POOL]*2 -> FC(8) -> RELU -> CLASSIFIER"
NO_UTF8 = "b\udcffd"


def shown(thing):
    """Return what a notebook shows of a thing, taken apart; refuses what is not closed."""
    html = thing._repr_html_()
    html.encode()
    return parsed(html.replace("viewBox", "viewbox"))


@pytest.fixture(scope="module")
def plan():
    return Pattern(LENET).plan("12x12x1", classes=3)


# Building blocks.


@pytest.mark.parametrize("name", [*HOSTILE, NO_UTF8, "\0<b>"])
def test_whatever_a_name_is_it_stays_text(name):
    for html in (block(name), block(table(("a",), [(name,)], caption=name)), block(shares({name: 1.0}))):
        html.encode()
        page = parsed(html)
        assert {element.name for element in page.all()} <= {
            "div", "style", "p", "bdi", "table", "caption", "thead", "tbody", "tr", "th", "td"
        }  # fmt: skip
        assert " ".join(name.encode("utf-8", "backslashreplace").decode().split()) in page.text


def test_styles_stay_within_what_is_shown():
    rules = re.findall(r"([^{}<>]+)\{", str(STYLE).removeprefix("<style>"))
    assert len(rules) > 10
    assert all(one.startswith(".convstage-shown") for rule in rules for one in rule.split(","))


def test_ink_is_the_notebooks_own_or_stands_out_from_its_background():
    values = np.linspace(-1, 1, 64).reshape(8, 8)
    html = str(numbers("x", values, [["1"] * 8] * 8, Scale.of(values)))
    cells = re.findall(r"background: #(\w{6}); color: #(\w+)", html)
    assert len(cells) == 64
    assert {ink for _, ink in cells} == {"fff", "000"}
    for background, ink in cells:
        light = [luminance(background), luminance(2 * ink)]
        assert (max(light) + 0.05) / (min(light) + 0.05) >= 4.5, background  # WCAG 2, AA
    # What has no background of its own has no ink of its own either.
    assert not re.search(r"(?<!-)color:(?!inherit|#222)", str(STYLE).replace("background", ""))


def luminance(colour):
    parts = np.array([int(colour[at : at + 2], 16) / 255 for at in (0, 2, 4)])
    linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


@pytest.mark.parametrize(("share", "width"), [(0.5, "50.0%"), (-1.0, "0.0%"), (7.0, "100.0%"), (float("nan"), "0.0%")])
def test_bars_are_within_their_cells(share, width):
    assert f"width: {width}" in bar(share)


def test_of_many_classes_the_first_are_shown():
    page = parsed(str(shares({f"class {n}": n / 66 for n in range(12)}, most=3)))
    assert page.one("caption").text == "the first 3 of 12 classes"
    assert [row.all("td")[0].text for row in page.all("tr")[1:]] == ["class 11", "class 10", "class 9"]


# Plans, patterns, families, networks.


def test_a_plan_shows_its_drawing_and_its_table(plan):
    page = shown(plan)
    assert page.one("div", class_="drawing").attributes["aria-label"].endswith(f"{plan.parameters:,} parameters")
    assert [row.all("td")[0].text for row in page.one("tbody").all("tr")] == [row.name for row in plan.rows]
    assert len(page.all("style")) == 1, "a drawing's own style would be one for the whole notebook"
    assert repr(plan) == f"<Plan of {LENET} for 12×12×1: 11 layers, {plan.parameters:,} parameters>"


def test_of_a_very_long_network_the_first_layers_are_listed():
    long = Pattern("INPUT(8x8x1) -> [CONV(1) -> RELU]*300 -> CLASSIFIER(2)").plan()
    rows = shown(long).one("tbody").all("tr")
    assert len(rows) == MOST_ROWS + 1
    assert rows[-1].text == f"and {len(long.rows) - MOST_ROWS} more layers"


def test_a_pattern_says_what_it_is_short_of():
    for text, missing, call in (
        (LENET, "the image size and the number of classes", 'pattern.plan("28x28x1", classes=10)'),
        (LENET.replace("INPUT", "INPUT(8x8x1)"), "the number of classes", "pattern.plan(classes=10)"),
        (LENET.replace("CLASSIFIER", "CLASSIFIER(2)"), "the image size", 'pattern.plan("28x28x1")'),
    ):
        page = shown(Pattern(text))
        assert f"A plan needs {missing}, such as" in page.text
        assert page.all("code")[1].text == call
        assert eval(call, {"pattern": Pattern(text)}).rows  # what it proposes works


def test_a_pattern_that_says_all_shows_its_plan_and_one_that_does_not_fit_why():
    assert shown(Pattern("INPUT(8x8x1) -> CONV -> CLASSIFIER(2)")).all("svg")
    page = shown(Pattern("INPUT(8x8x1) -> POOL*9 -> CLASSIFIER(2)"))
    assert "POOL 2×2 does not fit a 1×1 map." in page.one("pre").text


def test_a_family_lists_members_and_their_figures():
    page = shown(Pattern("INPUT(8x8x1) -> POOL*N -> FC? -> CLASSIFIER(3)").family(N="2..4"))
    assert "6 members; N = 2, 3, 4" in page.text
    rows = [[cell.text for cell in row.all("td")] for row in page.one("tbody").all("tr")]
    assert rows[1] == ["2", "15", "12", "364 B", "INPUT(8x8x1) -> POOL*2 -> CLASSIFIER(3)"]
    assert rows[-1][1:4] == ["–"] * 3
    free = shown(Pattern("INPUT -> POOL*N -> FC? -> CLASSIFIER"))
    assert "A family; free: N, ?." in free.text
    assert 'pattern.family(N="1..3")' in free.text
    large = shown(Pattern("INPUT -> [CONV -> POOL?]*N -> CLASSIFIER").family(N=range(200_000)))
    assert "400,000 members" in large.text
    assert not large.all("table")


def test_a_network_says_what_its_plan_does_not_know(plan):
    network = plan.build(seed=0)
    assert f"Network on cpu, float32: {plan.parameters:,} parameters, " in shown(network).text
    assert "in training mode" in shown(network).text
    assert "Run as one operator each: stage1, stage2" in shown(network).text
    network.eval()
    for parameter in network.stage1.parameters():
        parameter.requires_grad_(False)
    page = shown(network.double())
    assert f"float64: {plan.parameters:,} parameters, {plan.parameters - 40:,} of them learned" in page.text
    assert "in evaluation mode" in page.text
    assert "It was changed" not in page.text
    network.classifier = torch.nn.Linear(8, 5)
    assert f"It was changed since it was built: its plan has {plan.parameters:,} parameters." in shown(network).text


def test_a_prediction_shows_its_classes():
    page = shown(Prediction("<b>", 0.75, {"<b>": 0.75, NO_UTF8: 0.25}))
    assert page.one("p").text == "<b>: 75.0%"
    assert [cell.text for cell in page.all("tr")[2].all("td")] == [r"b\udcffd", "25.0%", ""]


# Receipts.


def test_a_receipt_shows_patch_filter_and_products():
    one = apply("nine", "loopy", relu=True, padding="same").receipt((0, 0))
    page = shown(one)
    patch, weights, products = page.all("table")
    assert [cell.text for cell in weights.all("td")] == ["1/9"] * 4 + ["-1/9"] + ["1/9"] * 4
    assert len(patch.all("td", class_="outside")) == 5
    assert not products.all("td", class_="outside")
    assert [line.text for line in page.all("code")] == [one.arithmetic(9), "relu(0.22) = 0.22"]
    assert "5 of 9 places in the padding" in page.text
    assert repr(one).startswith("<Receipt of (0, 0, 0): 0×0.11 + ")


def test_large_and_deep_receipts_are_cut():
    rng = np.random.default_rng(0)
    deep = receipt(rng.normal(size=(3, 3, 6)), rng.normal(size=(3, 3, 6)), cell=(0, 0))
    page = shown(deep)
    assert len(page.all("table")) == 3 * CHANNELS
    assert "and 2 more channels" in page.text
    side = SMALL + 1
    page = shown(receipt(rng.normal(size=(side, side)), rng.normal(size=(side, side)), cell=(0, 0)))
    assert not page.all("table")
    assert "…" in page.all("code")[0].text


def test_a_pooling_frames_its_winner():
    one = apply("nine", "loopy", relu=True, pool="max", pool_stride=1).pool_receipt((1, 0))
    page = shown(one)
    assert [cell.text for cell in page.all("td", class_="won")] == ["3/9"]
    assert page.one("caption").text == "the largest of"
    assert page.all("code")[0].text == "max(0/9, 1/9, 0/9, 3/9) = 3/9 = 0.33"
    assert f"The winner: row {one.winner[0]}, column {one.winner[1]} of the map" in page.text
    mean = shown(pool_receipt([[0, 9], [0, 1]], [[1 / 9]], cell=(0, 0), pool=2, pool_kind="avg"))
    assert not mean.all("td", class_="won")
    assert mean.one("code").text == "(0/9 + 9/9 + 0/9 + 1/9)/4 = 10/36 = 0.28"


def test_numbers_that_are_none_are_shown_as_they_are():
    one = receipt([[np.inf, np.nan], [1, 2]], [[0, 1], [1, 1]], cell=(0, 0))
    assert "nan" in shown(one).text
    assert fraction(np.array([np.inf])) is None
    assert fraction(np.array([1 / 3, 1 / 5])) == 15
    assert fraction(np.array([0.1234])) is None


def test_every_layers_receipt_shows_itself_and_is_one_line_elsewhere():
    walked = walk_of(ALL_KINDS)
    kinds = set()
    for name, step in walked.steps.items():
        one = walked.receipt(name, (0,) * len(step.shape))
        kinds.add(type(one))
        page = shown(one)
        assert one.arithmetic(terms=12).split(" = ")[-1] == page.all("code")[-1].text.split(" = ")[-1], name
        assert "\n" not in repr(one)
        assert repr(one).startswith(f"<{type(one).__name__} of (0")
    assert set(WORDS) - kinds == {kind for kind in WORDS if kind.__name__ == "MeanReceipt"}
    pooled = walk_of("INPUT(6x6x1) -> CONV(2) -> RELU -> GAP -> CLASSIFIER(2)").receipt("gap", 1)
    assert len(shown(pooled).one("table").all("td")) == 36


# What was there before.


def test_names_that_are_no_utf8_can_be_written(trained, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    walked = convstage.walk(trained, trained.predictions[0]["image"], methods=["occlusion"])
    object.__setattr__(walked.subject, "name", NO_UTF8)
    (evidence,) = walked.evidence
    for thing in (walked, evidence, convstage.Run(tmp_path / NO_UTF8)):
        html = thing._repr_html_() if not isinstance(thing, convstage.Run) else notebook_html_of(thing)
        html.encode()
        repr(thing).encode()
        assert r"b\udcffd" in html


def notebook_html_of(run):
    from convstage.show import notebook_html

    return notebook_html(run.path, None)


def test_what_is_shown_is_no_more_than_text_where_nothing_is_drawn():
    assert repr(apply("nine", "loopy", relu=True)) == "<Filtered nine by loopy: cross-correlation 5×3, ReLU 5×3>"
    assert isinstance(Markup(block("x")), str)
