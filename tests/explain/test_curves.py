"""Deletion and insertion, on a network that counts bright pixels: there the right order is known."""

import numpy as np
import pytest

from convstage.explain.curves import ORDERS, STEPS, Blocks
from convstage.explain.methods import METHODS
from convstage.explain.methods import ask as answer
from support.questions import ask, bright, make_classifier


@pytest.fixture(scope="module")
def blocks():
    return Blocks(bright())


def test_curves_begin_and_end_with_the_image_and_the_blurred_one(blocks):
    question = blocks.question
    blurred = question.scores_of(question.logits_of(question.blurred_nchw))[0]
    deletion, insertion = blocks.scores(np.arange(256))
    assert deletion[0] == insertion[-1] == pytest.approx(question.score, abs=1e-5)
    assert deletion[-1] == insertion[0] == pytest.approx(blurred, abs=1e-5)


def test_the_right_order_beats_chance_and_the_wrong_one_does_not(blocks):
    found = answer(METHODS["trace-back"], blocks.question)
    deletion, insertion = blocks.curves(found)
    assert deletion.beaten == insertion.beaten == ORDERS
    assert min(deletion.gain, insertion.gain) > 0
    reverse = blocks.order(found.smooth_hw)[::-1]
    scores = blocks.scores(reverse)
    assert type(deletion)(blocks.shares, scores[0], blocks.random[:, 0], falls=True).beaten == 0
    assert type(deletion)(blocks.shares, scores[1], blocks.random[:, 1], falls=False).beaten == 0


def test_the_mean_on_the_way_is_the_area(blocks):
    deletion, _ = blocks.curves(answer(METHODS["trace-back"], blocks.question))
    assert deletion.shares.tolist() == pytest.approx(np.linspace(0, 1, STEPS + 1), abs=0.5 / 256)
    assert deletion.mean == pytest.approx(
        np.interp(np.linspace(0, 1, 9999), deletion.shares, deletion.scores).mean(), 1e-3
    )
    told = deletion.to_dict()
    assert told["gain"] == pytest.approx(told["random"]["mean"] - told["mean"])
    assert (told["beaten"], told["random"]["orders"]) == (ORDERS, ORDERS)


@pytest.mark.parametrize(("image", "grid"), [((32, 32, 1), (16, 16)), ((10, 20, 3), (8, 16)), ((1, 3, 1), (1, 3))])
def test_blocks_are_square_where_the_image_is_not(image, grid):
    question = ask(make_classifier("INPUT -> FC(4) -> RELU -> CLASSIFIER", image))
    blocks = Blocks(question)
    assert blocks.grid == grid
    first = np.zeros(image[:2])
    first[-1, -1] = 1.0
    assert blocks.order(first)[0] == grid[0] * grid[1] - 1
    assert blocks.scores(np.arange(grid[0] * grid[1])).shape == (2, STEPS + 1)


def test_random_orders_are_the_same_every_time(blocks):
    assert np.array_equal(Blocks(bright()).random, blocks.random)
