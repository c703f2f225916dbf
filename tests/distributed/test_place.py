import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from convstage import ConfigError
from convstage.distributed import ALONE, Share, World, leads, refuse_several
from convstage.distributed.place import find_place

TORCHRUN = {
    "RANK": "3",
    "WORLD_SIZE": "4",
    "LOCAL_RANK": "1",
    "LOCAL_WORLD_SIZE": "2",
    "MASTER_ADDR": "node0",
    "MASTER_PORT": "29500",
    "TORCHELASTIC_RUN_ID": "mine",
    "TORCHELASTIC_RESTART_COUNT": "1",
    "TORCHELASTIC_USE_AGENT_STORE": "True",
}


@pytest.fixture
def launched_as(monkeypatch):
    """Return a function that sets the environment as torchrun does."""

    def set_environment(**other: str) -> None:
        for name, value in (TORCHRUN | other).items():
            monkeypatch.setenv(name, value)

    return set_environment


def test_without_a_launcher_a_process_is_on_its_own(monkeypatch):
    for name in TORCHRUN:
        monkeypatch.delenv(name, raising=False)
    assert find_place() is None
    assert leads()
    refuse_several("crossval")
    monkeypatch.setenv("WORLD_SIZE", "8")  # some clusters set it, and nothing else
    assert find_place() is None


def test_the_place_is_what_torchrun_says(launched_as):
    launched_as()
    place = find_place()
    assert (place.rank, place.size, place.local_rank, place.local_size) == (3, 4, 1, 2)
    assert (place.host, place.port, place.launch, place.restarts) == ("node0", 29500, "mine", 1)
    assert not place.serves
    assert not leads()


def test_the_first_rank_offers_the_store_where_no_launcher_does(launched_as):
    launched_as(RANK="0", TORCHELASTIC_USE_AGENT_STORE="")
    assert find_place().serves
    assert leads()
    launched_as(RANK="1", TORCHELASTIC_USE_AGENT_STORE="")
    assert not find_place().serves


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ({"RANK": "4"}, "RANK = 4, WORLD_SIZE = 4 in the environment: a rank is at least 0 and below the size."),
        ({"RANK": "-1"}, "RANK = -1, WORLD_SIZE = 4 in the environment"),
        ({"WORLD_SIZE": "two"}, "WORLD_SIZE = 'two' in the environment is no number"),
        ({"MASTER_PORT": "http"}, "MASTER_PORT = 'http' in the environment is no number"),
    ],
)
def test_an_environment_that_cannot_be_is_refused(launched_as, other, message):
    launched_as(**other)
    with pytest.raises(ConfigError) as caught:
        find_place()
    assert message in str(caught.value)


def test_commands_that_do_not_share_their_work_are_refused(launched_as):
    launched_as()
    with pytest.raises(ConfigError, match=r"convstage crossval runs on one process, and 4 were started\.\nOnly train "):
        refuse_several("crossval")
    launched_as(WORLD_SIZE="1", RANK="0")
    refuse_several("crossval")


@given(count=st.integers(0, 5000), size=st.integers(1, 600))
def test_every_thing_is_somebodys_and_shares_differ_by_one_at_most(count, size):
    shares = [World(rank, size).share(count) for rank in range(size)]
    assert [index for share in shares for index in range(share.start, share.stop)] == list(range(count))
    lengths = [share.stop - share.start for share in shares]
    assert max(lengths) - min(lengths) <= 1


def test_a_share_is_remembered_for_the_layers():
    share = Share(World(1, 3))
    assert share.take(7) == slice(2, 4) == share.part
    assert share.count == 7


def test_threads_are_shared_out_unless_they_are_given(monkeypatch):
    monkeypatch.setattr("convstage.distributed.world._processors", lambda: 8)
    assert World(0, 4, 0, 2).threads(None) == 4
    assert World(0, 32, 0, 16).threads(None) == 1
    assert World(0, 4, 0, 2).threads(3) == 3
    assert ALONE.threads(None) is None


def test_alone_everything_is_as_it_is_and_there_is_no_process_group():
    tensor = torch.tensor([1.0, 2.0])
    ALONE.add(tensor)
    ALONE.copy([tensor])
    ALONE.meet()
    assert tensor.tolist() == ALONE.total([1, 2]) == [1, 2]
    assert ALONE.told({"a": 1}) == {"a": 1}
    assert not torch.distributed.is_initialized()
