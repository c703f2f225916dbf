"""What tests of the kernels share: each runs on every instruction set of the machine."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from convstage.stage.load import choose, instruction_sets

ISAS = instruction_sets() or ["no compiled kernel"]


@pytest.fixture(params=ISAS)
def isa(request: pytest.FixtureRequest) -> Iterator[str]:
    """Let a test run on one instruction set; the widest is chosen again behind it."""
    choose(request.param)
    yield request.param
    choose(ISAS[0])
