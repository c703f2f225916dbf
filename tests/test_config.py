from pathlib import Path

import pytest

from convstage import ConfigError, Pattern
from convstage.config import Config, make_config


def test_flags_overrule_the_file_and_the_file_the_defaults(tmp_path: Path) -> None:
    file = tmp_path / "run.yaml"
    file.write_text("epochs: 7\nlearning-rate: 0.002\n")
    config = make_config(file, epochs=9)
    assert (config.epochs, config.learning_rate, config.seed) == (9, 0.002, Config().seed)


def test_what_stands_for_a_text_is_taken(tmp_path: Path) -> None:
    (tmp_path / "run.yaml").write_text("size: 160\n")
    pattern = Pattern("input -> classifier")
    config = make_config(tmp_path / "run.yaml", out=tmp_path, pattern=pattern)
    assert (config.size, config.out, config.pattern) == ("160", str(tmp_path), "INPUT -> CLASSIFIER")


def test_an_empty_file_changes_nothing(tmp_path: Path) -> None:
    (tmp_path / "run.yaml").write_text("# nothing yet\n")
    assert make_config(tmp_path / "run.yaml") == Config()


def test_settings_survive_being_written_down() -> None:
    config = make_config(epochs=3, flip="horizontal", pattern="INPUT -> CLASSIFIER")
    assert make_config(**config.model_dump()) == config


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"epoch": 5}, "there is no setting 'epoch'.\nDid you mean epochs?"),
        (
            {"epochs": 0},
            "epochs = 0: input should be greater than or equal to 1.\nepochs: Passes over the training images.",
        ),
        (
            {"flip": "sideways"},
            "flip = 'sideways': input should be 'none', 'horizontal', 'vertical' or 'both'.\n"
            "flip: Mirror half of the images.",
        ),
    ],
)
def test_mistakes_are_explained(settings: dict, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        make_config(**settings)
    assert str(caught.value) == message


def test_an_unlike_name_gets_the_whole_list() -> None:
    with pytest.raises(ConfigError, match=r"there is no setting 'xyzzy'\.\nSettings are pattern, size, channels, "):
        make_config(xyzzy=1)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("epochz: 3", r"there is no setting 'epochz' \(in .*run.yaml\)\.\nDid you mean epochs\?"),
        ("epochs: many", r"epochs = 'many' \(in .*run.yaml\): input should be a valid integer"),
        (": : x: [", r"the config file .*run.yaml is no YAML"),
        ("- a\n- b", r"must hold settings, one a line, such as 'epochs: 30'\."),
        ("!!python/object/apply:os.system ['true']", r"is no YAML"),
    ],
)
def test_mistakes_in_a_file_name_the_file(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "run.yaml").write_text(content)
    with pytest.raises(ConfigError, match=message):
        make_config(tmp_path / "run.yaml")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"the config file .*nope.yaml cannot be read: No such file or directory\."):
        make_config(tmp_path / "nope.yaml")


@pytest.mark.parametrize(
    ("given", "classes"),
    [
        ("0-healthy, 1-corona", ("0-healthy", "1-corona")),
        (["a, b", 7], ("a, b", "7")),
        (("b", "a"), ("b", "a")),
        (3, ("3",)),
        (None, None),
    ],
)
def test_classes_are_named_in_a_text_or_a_list(given, classes) -> None:
    assert make_config(classes=given).classes == classes
    assert make_config(**make_config(classes=given).model_dump(mode="json")).classes == classes


def test_classes_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "run.yaml").write_text("classes: [1, 'a,b', 0]\n")
    assert make_config(tmp_path / "run.yaml").classes == ("1", "a,b", "0")


@pytest.mark.parametrize("classes", ["a,b,a", "a,,b", "", ["a", "a "]])
def test_classes_are_named_once(classes) -> None:
    with pytest.raises(ConfigError, match=r"^classes = .*: every class must be named, and once\.\nclasses: These"):
        make_config(classes=classes)


def test_every_setting_says_what_it_means() -> None:
    assert all(field.description and field.description.endswith(".") for field in Config.model_fields.values())
