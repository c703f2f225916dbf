"""Learn over HTTP: questions of the trained run, answers that are checked without anything being kept."""

from typing import Any

import pytest

from convstage.predict import load
from convstage.serve.learn import QUESTIONS, Material, ask, kinds_for
from convstage.subject import find_subject
from convstage.walkthrough.steps import steps_of


def question(client: Any, status: int = 200, **body: Any) -> dict[str, Any]:
    answer = client.post("/api/learn", json={"seed": 0} | body)
    assert answer.status_code == status, answer.text
    return dict(answer.json())


def marked(client: Any, status: int = 200, **body: Any) -> dict[str, Any]:
    answer = client.post("/api/learn/answer", json={"seed": 0} | body)
    assert answer.status_code == status, answer.text
    return dict(answer.json())


@pytest.fixture(scope="module")
def material(trained: Any) -> Any:
    """Return what the server should make its questions of, for an image of the run."""
    classifier = load(trained)
    counts = {part: dict.fromkeys(classifier.classes, 0) for part in ("train", "val", "test")}
    for row in trained.split:
        counts[row["part"]][row["class"]] += 1

    def of(index: int) -> Material:
        subject = find_subject(trained, classifier, trained.split[index]["name"])
        return Material(
            classifier.plan, classifier.classes, counts, steps_of(classifier, subject), index, subject.truth
        )

    return of


@pytest.mark.parametrize("name", QUESTIONS)
def test_every_kind_is_the_librarys_own(client: Any, material: Any, name: str) -> None:
    own = material(5)
    assert QUESTIONS[name] in kinds_for(own)
    expected = ask(own, QUESTIONS[name], 11)
    said = question(client, kind=name, seed=11, index=5)
    assert {key: said[key] for key in expected.to_dict()} == expected.to_dict()
    assert (said["kind"], said["title"], said["seed"]) == (name, QUESTIONS[name].title, 11)
    right = marked(client, kind=name, seed=11, index=5, answer=expected.answer)
    assert right == {
        "right": True,
        "answer": expected.written,
        "explanation": expected.arithmetic,
        "about": expected.to_dict()["about"],
    }


def test_a_wrong_answer_gets_the_right_arithmetic(client: Any) -> None:
    kind, seed = "parameters", 4
    right = marked(client, kind=kind, seed=seed, answer=None)
    wrong = marked(client, kind=kind, seed=seed, answer="1")
    assert wrong == right
    assert not wrong["right"]
    number = right["answer"].removesuffix(" parameters")
    assert right["explanation"].endswith(f"= {number}")
    assert marked(client, kind=kind, seed=seed, answer=number)["right"]


def test_kinds_go_round_and_images_come_from_the_test_set(client: Any, trained: Any) -> None:
    tests = {n for n, row in enumerate(trained.split) if row["part"] == "test"}
    first = question(client)
    kinds = [one["name"] for one in first["kinds"]]
    said = [question(client, seed=seed) for seed in range(len(kinds))]
    assert [one["kind"] for one in said] == kinds
    assert {one["about"]["index"] for one in said if one["about"]["index"] is not None} <= tests
    assert all(one["note"] is None for one in said)


def test_what_cannot_be_asked_is_a_problem(client: Any) -> None:
    assert "no kind of question 'kittens'" in question(client, 422, kind="kittens")["detail"]
    assert "the run has no image 4000" in question(client, 404, index=4000)["detail"]
    assert question(client, 422, seed=-1)["errors"][0]["loc"] == ["body", "seed"]
    assert question(client, 422, seed=2**32)["errors"]
    assert question(client, 422, seed=0, nothing=1)["errors"]


@pytest.mark.parametrize("answer", [True, [], {}, "x" * 1001])
def test_answers_of_another_type_are_refused(client: Any, answer: Any) -> None:
    assert marked(client, 422, kind="parameters", answer=answer)["errors"]


def test_answers_that_are_no_numbers_say_so(client: Any) -> None:
    assert "the answer must be a number" in marked(client, 422, kind="parameters", answer="many")["detail"]
    assert "the answer must be one of" in marked(client, 422, kind="decision", answer="many")["detail"]
    assert marked(client, 422, kind="parameters")["errors"][0]["loc"] == ["body", "answer"]


def test_without_the_images_the_plan_is_asked_about(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from convstage.serve.images import RunImages
    from convstage.serve.problems import Problem

    def gone(self: RunImages, index: int) -> Any:
        raise Problem(404, "it is missing")

    monkeypatch.setattr(RunImages, "subject", gone)
    said = question(client, kind="parameters")
    assert said["note"].startswith("The run's images are missing")
    assert "convolution" not in {kind["name"] for kind in said["kinds"]}
    assert "it is missing" in question(client, 404, index=0)["detail"]
