"""`convstage shard` as a user calls it, and a training on what it made."""

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from convstage import ConvstageError
from convstage.cli import cli
from support.shards import picture_folder


def invoke(*arguments: object) -> Result:
    return CliRunner().invoke(cli, ["shard", *map(str, arguments)])


def test_it_says_what_it_made_and_what_to_do_with_it(tmp_path: Path) -> None:
    data = picture_folder(tmp_path / "data")
    (data / "class 1/broken.png").write_bytes(b"")
    result = invoke(data, "-o", tmp_path / "shards", "--images", 5, "--val", 0.2, "--test", 0.2)
    assert result.exit_code == 0, result.output
    assert result.output == (
        f"{tmp_path}/shards: 25 images in 5 shards, 100.0 KiB\n"
        "train 15, val 5, test 5\n"
        f"left out: 1 file that cannot be read, see {tmp_path}/shards/unreadable.csv\n"
        f"train on them: convstage train {tmp_path}/shards\n"
    )
    assert len(list((tmp_path / "shards").glob("*.tar"))) == 5


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--size", "1MB", "--images", 5], "--size and --images both say how large a shard is."),
        (["--size", "much"], "size = 'much' is no size."),
        (["--val", 0.9], "val = 0.9: input should be less than 0.5."),
        (["--classes", "lungs"], "has no class 'lungs'."),
        (["--group-regex", "("], "group_regex = '(' is no regular expression"),
        (["--split-file", "nowhere.csv"], "the split file nowhere.csv cannot be read"),
    ],
)
def test_mistakes_are_explained_before_anything_is_written(options: list, message: str, tmp_path: Path) -> None:
    data = picture_folder(tmp_path / "data")
    result = invoke(data, "-o", tmp_path / "shards", *options)
    assert isinstance(result.exception, ConvstageError)
    assert message in str(result.exception)
    assert not (tmp_path / "shards").exists()
