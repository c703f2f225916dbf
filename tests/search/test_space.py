"""What can be proposed: members that fit, within the limits, and nothing else."""

from __future__ import annotations

from functools import cache
from itertools import product

import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from convstage import ConfigError, Pattern, PatternError
from convstage.search.choices import Choice, read_all, read_choice
from convstage.search.rewrite import with_filters
from convstage.search.space import Limits, Part, make_space, searchable

FAMILY = Pattern("INPUT -> [[CONV -> RELU]*N -> POOL?]*M -> [FC(8) -> RELU]*K -> CLASSIFIER")
RANGES = {"N": "1..2", "M": "1..4", "K": "0..1"}
IMAGE, CLASSES = (12, 12, 1), 3


NO_LIMITS = Limits()


def space(limits: Limits = NO_LIMITS, choices: tuple[Choice, ...] = (), family: Pattern = FAMILY, **ranges):
    return make_space(family, ranges or RANGES, choices, limits, IMAGE, CLASSES)


def by_hand(limits: Limits, widths: list[int]) -> tuple[list[str], int]:
    """The patterns that fit, found by trying all."""
    fit, total = [], 0
    for member in FAMILY.family(**RANGES):
        for width in widths:
            total += 1
            try:
                plan = with_filters(member, width).plan(IMAGE, CLASSES)
            except PatternError:
                continue
            if limits.allow(plan.parameters, plan.multiply_adds):
                fit.append(plan.parameters)
    return fit, total


@pytest.mark.parametrize("limits", [Limits(), Limits(20_000), Limits(None, 10**5), Limits(30_000, 2 * 10**6)])
def test_those_that_fit_are_found_and_the_others_counted(limits: Limits) -> None:
    made = space(limits, (read_choice("filters", "4,8"),))
    fit, total = by_hand(limits, [4, 8])
    assert sorted(member.parameters for member in made.members) == sorted(fit)
    assert made.said.startswith(f"{len(fit)} of {total} networks of the family can be tried; ")
    assert "do not fit the images (POOL 2×2 does not fit a 1×1 map)" in made.said
    assert ("are above" in made.said) == (len(fit) < len(by_hand(NO_LIMITS, [4, 8])[0]))


@cache
def wide_space(most: int | None):
    return space(Limits(most), read_all({"filters": "2,4,16"}, set()))


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([None, 5_000, 20_000]))
def test_nothing_is_proposed_that_does_not_fit(seed: int, most: int | None) -> None:
    limits, made = Limits(most), wide_space(most)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed))
    for _ in range(3):
        proposal = made.propose(study.ask())
        plan = Pattern(proposal.pattern).plan(IMAGE, CLASSES)
        assert limits.allow(plan.parameters, plan.multiply_adds)
        assert (plan.parameters, plan.multiply_adds) == (proposal.parameters, proposal.multiply_adds)
        assert set(proposal.parts) == {"N", "M", "K", "POOL?"}
        assert set(proposal.training) == {"learning_rate", "batch_size", "weight_decay", "augment"}
        assert proposal.settings["filters"] in (2, 4, 16)


def test_every_member_can_be_proposed() -> None:
    made = space(Limits(20_000), (read_choice("filters", "4,8"),))
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(0))
    seen = {made.propose(study.ask()).pattern for _ in range(700)}
    assert seen == {member.pattern for member in made.members}


def test_where_values_between_possible_ones_are_not_the_nearest_is_taken() -> None:
    part = Part("N", (1, 2, 3, 4, 5))
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(0))
    assert {part.suggest(study.ask(), [1, 4, 5]) for _ in range(40)} == {1, 4, 5}
    assert part.suggest(study.ask(), [3]) == 3
    assert Part("N", (2, 8, 32)).code(8) == 1
    assert Part("N", (2, 3)).code(3) == 3


def test_letters_may_run_through_any_counts() -> None:
    made = make_space(Pattern("INPUT -> [FC(4)]*N -> CLASSIFIER"), {"N": (1, 4, 9)}, (), Limits(), IMAGE, CLASSES)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(0))
    assert {made.propose(study.ask()).parts["N"] for _ in range(40)} == {1, 4, 9}


def test_optional_parts_that_are_written_alike_are_told_apart() -> None:
    made = make_space(Pattern("INPUT -> POOL? -> FC(4) -> RELU? -> POOL?*1 -> CLASSIFIER".replace("?*1", "?")),
                      {}, (), Limits(), IMAGE, CLASSES)  # fmt: skip
    assert [part.name for part in made.parts] == ["POOL?", "RELU?", "POOL? (2)"]


def test_a_pattern_without_free_parts_is_a_family_of_one() -> None:
    made = make_space(Pattern("INPUT -> FC(4) -> CLASSIFIER"), {}, (), Limits(), IMAGE, CLASSES)
    assert made.parts == ()
    assert made.propose(optuna.create_study().ask()).pattern == "INPUT -> FC(4) -> CLASSIFIER"
    assert made.said == "1 of 1 networks of the family can be tried."


def test_the_grid_has_every_pattern_once_with_every_setting() -> None:
    family = Pattern("INPUT -> [CONV(2) -> POOL?]*M -> CLASSIFIER")  # without a turn, there is nothing to keep or drop
    made = make_space(family, {"M": "0..2"}, (read_choice("batch_size", "8,16"),), Limits(), IMAGE, CLASSES)
    points = made.grid(100, seed=0)
    study = optuna.create_study()
    for point in points:
        study.enqueue_trial(point)
    proposals = [made.propose(study.ask()) for _ in points]
    expected = product({member.pattern for member in made.members}, (8, 16))
    assert {(proposal.pattern, proposal.settings["batch_size"]) for proposal in proposals} == set(expected)
    assert len(points) == 10


def test_a_part_of_a_grid_is_drawn_and_a_larger_part_holds_it() -> None:
    made = space(Limits(), read_all({}, {"augment", "dropout", "filters", "weight_decay"}))
    few, more = made.grid(7, seed=3), made.grid(20, seed=3)
    assert len(few) == 7
    assert all(point in more for point in few)
    assert few != made.grid(7, seed=4)


def test_what_cannot_be_searched_is_explained() -> None:
    with pytest.raises(PatternError, match="no member of the family fits the images; the first: POOL 2×2 does not fit"):
        space(Limits(), (), Pattern("INPUT -> [CONV -> POOL]*N -> CLASSIFIER"), N="5..6")
    with pytest.raises(ConfigError) as caught:
        space(Limits(10), ())
    assert str(caught.value) == (
        "no member of the family can be tried: 4 do not fit the images, and 28 are above 10 parameters.\n"
        "Raise --max-parameters or --max-madds, or take a smaller family."
    )
    with pytest.raises(ConfigError, match=r"the family has 240,000 members; at most 10,000 are searched.\nNarrow"):
        space(Limits(), (), N="1..100", M="1..100", K="1..12")
    with pytest.raises(ConfigError, match=r"the grid has [\d,]+ points; at most 10,000 are tried."):
        space(Limits(), read_all({}, set())).grid(5, 0)
    with pytest.raises(PatternError, match=r"Give a range for M \(such as M=1..3\) and K"):
        space(Limits(), (), N="1..2")
    with pytest.raises(ConfigError, match="X is not a free letter"):
        space(Limits(), (), N=1, M=1, K=1, X=1)


def test_what_the_family_says_itself_is_not_searched() -> None:
    choices = read_all({}, set())
    said = Pattern("INPUT -> [CONV(4) -> RELU]*N -> FC -> DROPOUT(0.2) -> CLASSIFIER")
    assert {"filters", "dropout"} & {choice.name for choice in searchable(choices, said, [])} == set()
    with pytest.raises(ConfigError, match="filters cannot be searched: the family gives every convolution a number"):
        searchable(choices, said, ["filters"])
    with pytest.raises(ConfigError, match="dropout cannot be searched: the family gives every DROPOUT a share"):
        searchable(choices, said, ["dropout"])
    free = Pattern("INPUT -> CONV -> DROPOUT -> CLASSIFIER")
    assert "dropout" not in {choice.name for choice in searchable(choices, free, [])}
    assert "dropout" in {choice.name for choice in searchable(choices, free, ["dropout"])}
