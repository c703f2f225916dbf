"""Questions to predict before the answer: every kind, over seeds and networks."""

from __future__ import annotations

import json
from functools import cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from convstage.errors import ConfigError
from convstage.serve.learn import QUESTIONS, SEEDS, Material, ask, kind_of, kinds_for, mark, read_number
from convstage.serve.learn.question import ISOLATE, Question, shuffled
from walkthrough.networks import ALL_KINDS, walk_of

PATTERNS = (
    "INPUT(9x8x1) -> CONV(4) -> RELU -> POOL -> CONV(40, s=2) -> RELU -> FC(20) -> RELU -> CLASSIFIER(10)",
    "INPUT(5x6x1) -> FC(200) -> CLASSIFIER(2)",
    "INPUT(12x12x3) -> CONV(3, 5x5, padding=valid) -> TANH -> GAP -> CLASSIFIER(1)",
    ALL_KINDS,
)


@cache
def material(pattern: str, image: bool = True) -> Material:
    walk = walk_of(pattern, temperature=1.5)
    counts = {name: 3 + n for n, name in enumerate(walk.classifier.classes)}
    steps = (walk.steps, 7, walk.classifier.classes[0]) if image else ()
    return Material(walk.plan, walk.classifier.classes, {"train": counts, "test": {}}, *steps)


def question(kind: str, seed: int, pattern: str = PATTERNS[0]) -> Question:
    return ask(material(pattern), kind_of(material(pattern), kind, seed), seed)


def some_material(draw: st.DrawFn) -> Material:
    return material(draw(st.sampled_from(PATTERNS)), draw(st.booleans()))


@st.composite
def asked(draw: st.DrawFn) -> tuple[Material, str, int]:
    chosen = some_material(draw)
    return chosen, draw(st.sampled_from(kinds_for(chosen))).name, draw(st.integers(0, SEEDS - 1))


def test_every_kind_is_asked_of_some_network() -> None:
    there = {kind.name for pattern in PATTERNS for kind in kinds_for(material(pattern))}
    assert there == set(QUESTIONS)


@pytest.mark.parametrize("name", QUESTIONS)
def test_contract_of_every_kind(name: str) -> None:
    kind = QUESTIONS[name]
    assert kind.name == name
    assert kind.title[0].isupper()
    one = next(ask(material(pattern), kind, 3) for pattern in PATTERNS if kind in kinds_for(material(pattern)))
    assert "?" in one.text
    assert one.hint.endswith((".", "1"))
    assert one.arithmetic
    assert one.unit or one.choices or one.decimals
    assert bool(one.choices) == isinstance(one.answer, str)


@given(asked())
def test_law_the_right_answer_is_right_and_another_is_wrong(case: tuple[Material, str, int]) -> None:
    chosen, name, seed = case
    one = ask(chosen, QUESTIONS[name], seed)
    if one.choices:
        assert len(set(one.choices)) == len(one.choices) <= 4
        assert [mark(one, choice) for choice in one.choices].count(True) == 1
        assert mark(one, one.answer)
        return
    exact = float(one.answer)
    assert mark(one, exact)
    assert mark(one, f"{exact:.{one.decimals}f}")
    for away in (2.5, -2.5):
        assert not mark(one, exact + away * max(one.tolerance, 1 if isinstance(one.answer, int) else 0))


@given(asked())
def test_law_the_same_kind_and_seed_ask_the_same(case: tuple[Material, str, int]) -> None:
    chosen, name, seed = case
    assert ask(chosen, QUESTIONS[name], seed) == ask(chosen, QUESTIONS[name], seed)


@given(asked())
def test_law_what_is_sent_is_json_and_does_not_tell_the_answer(case: tuple[Material, str, int]) -> None:
    chosen, name, seed = case
    one = ask(chosen, QUESTIONS[name], seed)
    sent = json.loads(json.dumps(one.to_dict(), allow_nan=False))
    assert not {"answer", "arithmetic"} & set(sent)
    assert one.arithmetic not in sent["question"] + sent["hint"]
    if sent["about"]["cell"] is not None and name != "position":
        assert sent["about"]["layer"] is not None


@given(st.integers(0, SEEDS - 1), st.sampled_from(["convolution", "unit"]))
def test_law_the_numbers_shown_lead_to_an_answer_that_is_right(seed: int, kind: str) -> None:
    one = question(kind, seed, PATTERNS[0])
    said = one.text.partition("The bias is ")[2].partition(" ")[0].rstrip(".")
    if kind == "unit":
        rest = one.text.partition("together are ")[2].partition(" ")[0].rstrip(".")
        total = sum(float(value) * float(weight) for table in one.tables for _, value, weight in table.rows)
        total += float(rest) if rest else 0.0
    elif one.tables[0].columns:
        total = sum(float(row[1]) for row in one.tables[0].rows)
    else:
        numbers = [np.array(table.rows, float) for table in one.tables]
        total = sum(float((patch * weights).sum()) for patch, weights in zip(numbers[::2], numbers[1::2], strict=True))
    assert mark(one, round(total + float(said), one.decimals))


@given(st.integers(0, SEEDS - 1))
def test_law_the_logits_shown_lead_to_the_probability(seed: int) -> None:
    chosen = material(PATTERNS[0])
    one = ask(chosen, QUESTIONS["probability"], seed)
    logits = {name: float(logit) / 1.5 for name, logit in one.tables[0].rows}
    assert one.cell is not None
    asked_for = logits[chosen.classes[one.cell[0]]]
    share = 100 * np.exp(asked_for) / sum(np.exp(logit) for logit in logits.values())
    assert mark(one, round(share))


def test_answers_are_those_of_the_lecture() -> None:
    facts = material("INPUT(28x28x3) -> CONV(10, 5x5, padding=valid) -> POOL -> CLASSIFIER(2)")
    convolution = next(row for row in facts.plan.rows if row.kind == "CONV")
    answers = set()
    for seed in range(40):
        one = ask(facts, QUESTIONS["parameters"], seed)
        answers.add((one.layer, one.answer))
    assert (convolution.name, 760) in answers
    lecture = [ask(facts, QUESTIONS["lecture"], seed) for seed in range(600)]
    answers_of = {one.text: one.answer for one in lecture if "lecture's nine, under the filter loopy" in one.text}
    found = {text.partition("What is ")[2].partition(" of")[0]: answer for text, answer in answers_of.items()}
    expected = [[-1, 9, -1], [-5, 1, -3], [-3, 3, -3], [-5, -1, -5], [-3, -5, -3]]
    assert len(found) > 10
    assert all(f"row {r}, column {c}" not in found or found[f"row {r}, column {c}"] == expected[r][c]
               for r in range(5) for c in range(3))  # fmt: skip


def test_sizes_follow_the_formula() -> None:
    seen = set()
    for seed in range(60):
        one = question("output-size", seed)
        given_sizes = [
            int(n) for n in "".join(c if c.isdigit() else " " for c in one.text.partition("With a")[2]).split()
        ]
        f, _, s, p = given_sizes
        n = int(one.text.partition("maps of ")[2].partition("×")[0])
        assert one.answer == (n + 2 * p - f) // s + 1 >= 1
        seen.add((f, s, p))
    assert len(seen) > 10


def test_a_question_about_a_place_of_the_filter_is_the_receipts_own() -> None:
    walk = walk_of(PATTERNS[0])
    for seed in range(20):
        one = question("position", seed)
        assert one.layer is not None
        assert one.cell is not None
        receipt = walk.receipt(one.layer, one.cell)
        rows, columns = receipt.rows, receipt.columns
        assert one.answer == f"rows {rows[0]} to {rows[-1]}, columns {columns[0]} to {columns[-1]}"


def test_seeds_that_follow_each_other_go_round_all_kinds() -> None:
    chosen = material(PATTERNS[0])
    kinds = kinds_for(chosen)
    assert [kind_of(chosen, None, seed) for seed in range(len(kinds))] == kinds


def test_without_an_image_the_plan_is_asked_about() -> None:
    kinds = {kind.name for kind in kinds_for(material(PATTERNS[0], image=False))}
    assert {"lecture", "parameters", "output-size"} <= kinds
    assert not {"convolution", "decision", "probability"} & kinds


def test_names_of_classes_are_set_apart() -> None:
    walk = walk_of(PATTERNS[1])
    hostile = ("<script>alert(1)</script>", "\u202eevil")
    chosen = Material(walk.plan, hostile, {"test": dict.fromkeys(hostile, 4)}, walk.steps, 0, hostile[1])
    for name in ("decision", "probability", "class-images"):
        one = ask(chosen, QUESTIONS[name], 0)
        said = one.text + one.arithmetic
        assert any(f"{ISOLATE}{name}" in said for name in hostile)


def test_unknown_kinds_and_seeds_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"no kind of question 'convolutoin'.\nDid you mean convolution\? There are"):
        kind_of(material(PATTERNS[0]), "convolutoin", 0)
    with pytest.raises(ConfigError, match=r"nothing to ask of the kind pooling.*\nThere is for lecture, unit"):
        kind_of(material(PATTERNS[1]), "pooling", 0)
    with pytest.raises(ConfigError, match=r"seed must be 0 to 4,294,967,295; got -1"):
        question("parameters", -1)


@pytest.mark.parametrize(
    ("text", "whole", "number"),
    [
        ("12", False, 12), (" 0.25 ", False, 0.25), ("-1/9", False, -1 / 9), ("\u22121/9", False, -1 / 9),
        ("0,5", False, 0.5), ("0,125", False, 0.125), ("421,642", True, 421642), ("421 642", True, 421642),
        ("1,234,567", False, 1234567), ("1,234.5", False, 1234.5),
        ("97 %", False, 97), (".5", False, 0.5), ("3.", False, 3),
        ("+2", True, 2), ("12'000", True, 12000),
    ],
)  # fmt: skip
def test_numbers_are_read_as_people_write_them(text: str, whole: bool, number: float) -> None:
    assert read_number(text, whole) == pytest.approx(number, abs=0)


@pytest.mark.parametrize("text", ["", "many", "1e9", "nan", "inf", "1/2/3", "--1", "9" * 50, "1,2,3", "½", "٣"])
def test_what_is_no_number_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match=r"the answer must be a number, such as 12, 0\.25 or -1/9; got"):
        read_number(text)
    with pytest.raises(ConfigError, match="nothing can be divided by 0"):
        read_number("1/0")


def test_answers_that_are_none_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"the answer must be one of .*class.*; got 'a cat'"):
        mark(question("decision", 0), "a cat")
    with pytest.raises(ConfigError, match="the answer must be a number"):
        mark(question("convolution", 0), float("nan"))


@given(st.lists(st.text(max_size=3), max_size=9), st.text(max_size=3), st.integers(0, 99))
def test_law_choices_have_the_answer_once(others: list[str], answer: str, seed: int) -> None:
    choices = shuffled(answer, others, np.random.default_rng(seed))
    assert choices.count(answer) == 1
    assert len(choices) == len(set(choices)) <= 4
