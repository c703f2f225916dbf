import csv

import pytest

from convstage import ConfigError, DataError, evaluate


def test_the_table_holds_every_test_image(trained):
    metrics = evaluate(trained)
    rows = trained.predictions
    test = [row for row in trained.split if row["part"] == "test"]
    assert [row["image"] for row in rows] == [row["name"] for row in test]
    assert [row["truth"] for row in rows] == [row["class"] for row in test]
    assert metrics["images"] == len(rows)
    hits = sum(row["truth"] == row["prediction"] for row in rows)
    assert metrics["accuracy"]["value"] == pytest.approx(hits / len(rows))
    for row in rows:
        assert float(row["p(0-healthy)"]) + float(row["p(1-corona)"]) == pytest.approx(1, abs=2e-6)


def test_evaluating_again_gives_the_same(trained):
    before = (trained.path / "metrics.json").read_bytes(), (trained.path / "predictions.csv").read_bytes()
    evaluate(trained.path)
    assert before == ((trained.path / "metrics.json").read_bytes(), (trained.path / "predictions.csv").read_bytes())


def test_other_data_is_matched_by_class_name(trained, tmp_path, make_folder):
    other = make_folder(tmp_path / "other", {"0-healthy": 2, "1-corona": 9}, seed=5)
    metrics = evaluate(trained, other)
    assert (metrics["part"], metrics["images"]) == ("all", 11)
    assert [sum(row) for row in metrics["confusion"]] == [2, 9]
    with open(trained.path / "evaluations/other/predictions.csv") as file:
        assert len(list(csv.DictReader(file))) == 11


def test_images_of_one_class_can_be_evaluated(trained, tmp_path, make_folder):
    make_folder(tmp_path / "sick", {"x": 1, "1-corona": 4}, seed=6)
    for file in (tmp_path / "sick/x").iterdir():
        file.unlink()
    (tmp_path / "sick/x").rmdir()
    metrics = evaluate(trained, tmp_path / "sick")
    assert metrics["per_class"]["1-corona"]["images"] == 4
    assert metrics["per_class"]["0-healthy"]["sensitivity"] is None


def test_the_test_part_of_other_data_is_taken(trained, tmp_path, make_folder):
    make_folder(tmp_path / "parts/train", {"0-healthy": 3, "1-corona": 3}, seed=7)
    make_folder(tmp_path / "parts/test", {"0-healthy": 2, "1-corona": 2}, seed=8)
    metrics = evaluate(trained, tmp_path / "parts")
    assert (metrics["part"], metrics["images"]) == ("test", 4)


def test_unreadable_files_of_other_data_are_listed(trained, tmp_path, make_folder):
    other = make_folder(tmp_path / "holes", {"0-healthy": 2, "1-corona": 2}, seed=9)
    (other / "1-corona/zero.png").write_bytes(b"")
    assert evaluate(trained, other)["images"] == 4
    listed = (trained.path / "evaluations/holes/unreadable.csv").read_text()
    assert listed == "file,reason\n1-corona/zero.png,the file is empty\n"


def test_unknown_classes_are_named(trained, tmp_path, make_folder):
    other = make_folder(tmp_path / "animals", {"cat": 2, "1-corona": 2})
    with pytest.raises(DataError) as caught:
        evaluate(trained, other)
    assert "has classes that the network does not know: cat.\nIt knows 0-healthy, 1-corona" in str(caught.value)
    assert "--classes" in str(caught.value)
    metrics = evaluate(trained, other, classes=["1-corona"])
    assert (metrics["images"], metrics["per_class"]["1-corona"]["images"]) == (2, 2)


def test_groups_of_other_images_are_read_off_their_names(trained, tmp_path, make_folder):
    other = make_folder(tmp_path / "grouped", {"0-healthy": 6, "1-corona": 6})
    single = evaluate(trained, other)
    paired = evaluate(trained, other, group_regex=r"/[a-z]*\d")
    assert single["accuracy"]["value"] == paired["accuracy"]["value"]
    assert "groups" in paired["intervals"]
    assert "groups" not in single["intervals"]


def test_classes_and_groups_of_the_runs_own_images_are_settled(trained):
    with pytest.raises(ConfigError, match="the run's own have the classes and groups of its training"):
        evaluate(trained, group_regex="p[0-9]+")
