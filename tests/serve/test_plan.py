"""The pattern bench: plans, families, errors with their place; and what hostile text costs."""

import xml.etree.ElementTree as ET

import pytest

from convstage import Pattern
from convstage.serve.routes.plan import FAR

GOOD = "INPUT -> [CONV(4|8) -> RELU -> POOL]*2 -> CLASSIFIER"
FAMILY = "INPUT -> [[CONV -> RELU]*N -> POOL?]*M -> [FC -> RELU]*K -> CLASSIFIER"


def ask(client, pattern, status=200, **more):
    answer = client.post("/api/plan", json={"pattern": pattern, "picture": False} | more)
    assert answer.status_code == status, answer.text
    return answer.json()


def test_a_plan_is_that_of_the_library(client):
    said = ask(client, GOOD, input="28x28x1", classes=10)
    own = Pattern(GOOD).plan("28x28x1", 10)
    assert said["plan"] == own.to_dict()
    assert said["pattern"] == own.pattern
    assert said["assumed"] == {"input": None, "classes": None}
    assert (said["family"], said["svg"]) == (None, None)
    names = [row[said["table"]["titles"].index("layer")] for row in said["table"]["rows"]]
    assert names == [row.name for row in own.rows]
    assert said["table"]["totals"]["parameters"] == f"{own.parameters:,}"


def test_what_nothing_says_is_taken_of_the_network(client):
    said = ask(client, GOOD)
    assert said["assumed"] == {"input": "24x24x1", "classes": 2}
    assert (said["plan"]["input"], said["plan"]["classes"]) == ([24, 24, 1], 2)
    told = ask(client, "INPUT(8x8x3) -> CONV -> CLASSIFIER(5)")
    assert (told["plan"]["input"], told["plan"]["classes"]) == ([8, 8, 3], 5)
    assert told["assumed"] == {"input": None, "classes": None}


def test_the_picture_is_svg_without_scripts(client):
    said = ask(client, GOOD, picture=True)
    root = ET.fromstring(said["svg"])
    assert root.tag.endswith("svg")
    assert not [node for node in root.iter() if node.tag.endswith(("script", "foreignObject"))]
    assert said["svg"] == ask(client, GOOD, picture=True)["svg"]


def test_a_family_is_listed(client):
    said = ask(client, FAMILY, counts={"N": "1..2", "M": "1", "K": "0..1"})
    assert said["plan"] is None
    family = said["family"]
    ranges = {letter: (said["low"], said["high"]) for letter, said in family["letters"].items()}
    assert ranges == {"N": (1, 2), "M": (1, 1), "K": (0, 1)}
    assert family["optional"] == ["POOL"]
    assert len(family["members"]) == family["total"] == 2 * 1 * 2 * 2
    first = family["members"][0]
    assert first["counts"] == {"N": 1, "M": 1, "K": 0}
    assert first["parameters"] == Pattern(first["pattern"]).plan("24x24x1", 2).parameters


def test_letters_without_counts_take_the_usual_ones(client):
    family = ask(client, FAMILY, keep=[True])["family"]
    assert {(said["low"], said["high"]) for said in family["letters"].values()} == {(1, 3)}
    assert len(family["members"]) == 27
    fits = [member["fits"] for member in family["members"]]
    assert all("problem" in member for member in family["members"] if not member["fits"])
    assert any(fits)


def test_one_member_is_a_plan(client):
    said = ask(client, FAMILY, counts={"n": "2", "M": "1", "K": "1"}, keep=[False])
    assert said["pattern"] == "INPUT -> [[CONV -> RELU]*2]*1 -> [FC -> RELU]*1 -> CLASSIFIER"
    assert (said["family"]["letters"]["N"]["low"], said["family"]["letters"]["N"]["high"]) == (2, 2)
    kept = ask(client, FAMILY, counts={"N": "2", "M": "1", "K": "1"}, keep=[True])
    assert "POOL" in kept["pattern"]
    both = ask(client, FAMILY, counts={"N": "2", "M": "1", "K": "1"}, keep=[None])
    assert len(both["family"]["members"]) == 2


LARGE = "INPUT -> " + " -> ".join(f"[CONV(2) -> RELU]*{letter}" for letter in "ABCDE") + " -> CLASSIFIER"


def test_a_family_too_large_to_list_is_described(client):
    said = ask(client, LARGE, members=False)
    assert said["plan"] is None
    assert said["family"]["total"] == 3**5
    assert said["family"]["members"] == []
    assert {letter: body["fits"] for letter, body in said["family"]["letters"].items()} == {
        letter: list(range(FAR + 1)) for letter in "ABCDE"
    }
    assert "243 members; at most 200 are listed" in ask(client, LARGE, status=422)["detail"]


@pytest.mark.parametrize(
    ("pattern", "counts", "keep"),
    [
        (FAMILY, {"N": "1", "M": "1", "K": "1"}, [True]),
        (FAMILY, {"N": "1", "M": "1", "K": "1"}, [False]),
        ("INPUT -> [CONV(4, 5x5, padding=valid) -> RELU]*N -> [POOL(2)]*M -> CLASSIFIER", {"N": "2", "M": "1"}, None),
        ("INPUT -> [CONV(4, 5x5, padding=valid) -> RELU]*N -> [POOL(2)]*M -> CLASSIFIER", {"N": "0", "M": "4"}, None),
        # Padding makes the map larger: few do not fit, many do.
        ("INPUT -> [CONV(2, 7x7, padding=6)]*N -> POOL(40) -> [FC]*M -> CLASSIFIER", {"N": "4", "M": "1"}, None),
    ],
)
def test_the_counts_that_fit_are_those_whose_plans_do(client, pattern, counts, keep):
    said = ask(client, pattern, counts=counts, keep=keep, members=False)
    for letter, body in said["family"]["letters"].items():
        fits = []
        for number in range(FAR + 1):
            answer = client.post(
                "/api/plan",
                json={"pattern": pattern, "counts": counts | {letter: str(number)}, "keep": keep, "picture": False},
            )
            fits += [number] if answer.status_code == 200 else []
        assert body["fits"] == fits, letter
    assert ask(client, pattern, counts=counts, keep=keep)["family"]["letters"] == said["family"]["letters"]


def test_what_would_be_too_many_layers_is_not_tried(client):
    letters = ask(client, "INPUT -> [[[CONV(1)]*9]*99]*N -> [FC]*M -> CLASSIFIER", members=False)["family"]["letters"]
    assert letters["N"]["fits"] == [0, 1]
    assert letters["M"]["fits"] == [0, 1]
    huge = ask(client, "INPUT -> [CONV]*N -> CLASSIFIER", counts={"N": "99999..100000"}, members=False)
    assert huge["family"]["letters"]["N"] == {"low": 99999, "high": 100000, "fits": list(range(FAR + 1))}


def test_a_pattern_that_is_no_family_is_planned_all_the_same(client):
    said = ask(client, GOOD, members=False)
    assert said["family"] is None
    assert said["plan"] == ask(client, GOOD)["plan"]


@pytest.mark.parametrize(
    ("pattern", "marked", "detail", "hint"),
    [
        ("INPUT -> CONF -> CLASSIFIER", "CONF", "unknown layer 'CONF'.", "Did you mean CONV?"),
        ("INPUT -> CONV(stirde=2) -> CLASSIFIER", "stirde=2", "has no hyperparameter", "Did you mean stride?"),
        ("INPUT -> [CONV -> CLASSIFIER", " ", "the pattern ends too early", "Expected"),
        ("INPUT -> [POOL]*5 -> CLASSIFIER", "POOL", "does not fit a 1×1 map", "Way out"),
    ],
)
def test_an_error_says_where(client, pattern, marked, detail, hint):
    problem = ask(client, pattern, 422)
    assert detail in problem["detail"]
    assert hint in problem["hint"]
    assert problem["text"] == pattern
    assert (pattern + " ")[problem["start"] : problem["end"]] == marked


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"pattern": "A" * 5000}, "body.pattern"),
        ({"pattern": ""}, "the pattern is empty"),
        ({"pattern": GOOD, "input": "big"}, "the image size must be"),
        ({"pattern": GOOD, "classes": 0}, "body.classes"),
        ({"pattern": GOOD, "counts": {"N": "2"}}, "N is not a free letter"),
        ({"pattern": GOOD, "counts": {"NN": "2"}}, "body.counts"),
        ({"pattern": FAMILY, "counts": {"N": "x"}}, "the range of N must be"),
        ({"pattern": FAMILY, "counts": {"N": "3..1"}}, "the range of N must be"),
        ({"pattern": FAMILY, "counts": {"N": "1..200"}}, "at most 200 are listed.\nNarrow a range"),
        ({"pattern": FAMILY, "keep": [True, False]}, "the pattern has 1 optional parts; 2 are chosen"),
        (
            {"pattern": "INPUT -> [[CONV]*N]*90 -> CLASSIFIER", "counts": {"N": "80..90"}},
            "layers to plan; at most 20,000",
        ),
        ({"pattern": "INPUT -> [[[[CONV]*99]*99]*99]*99 -> CLASSIFIER"}, "layers to plan"),
        ({"pattern": "INPUT -> [CONV]*99999999999999999999 -> CLASSIFIER"}, "layers to plan"),
        ({"pattern": "INPUT -> [CONV]*9999 -> CLASSIFIER", "input": "9" * 41}, "body.input"),
        ({"pattern": "INPUT -> " + "[CONV]? -> " * 80 + "CLASSIFIER"}, "members"),
        ({"pattern": "[" * 4000}, "nested more than 32"),
        ({"pattern": "INPUT\u0000"}, "out of place"),
    ],
)
def test_what_cannot_be_planned_is_a_problem(client, asked, words):
    problem = ask(client, status=422, **asked)
    assert words in problem["detail"]


def test_no_number_is_too_large_to_be_told(client):
    said = ask(client, "INPUT(999999999x999999999x3) -> FC(99999999999) -> CLASSIFIER")
    assert said["plan"]["totals"]["parameters"] > 10**29
