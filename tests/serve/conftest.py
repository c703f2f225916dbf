"""The explorer of the trained run, asked in this process."""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO
from typing import Any

import numpy as np
import pytest
from PIL import Image

from convstage.serve import make_app
from support.asking import Client, client_of


@pytest.fixture(scope="session")
def client(trained: Any) -> Iterator[Client]:
    """Return a client of the explorer of `trained`."""
    with client_of(make_app(trained)) as asking:
        yield asking


@pytest.fixture(scope="session")
def picture() -> bytes:
    """Return a PNG file of another size than the network's, with something in it."""
    pixels = np.random.default_rng(5).integers(0, 255, (30, 40), dtype=np.uint8)
    buffer = BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture
def walk(client: Client) -> dict[str, Any]:
    """Return the walk of an image of the run's data."""
    answer = client.post("/api/walk", json={"index": 3})
    assert answer.status_code == 200, answer.text
    return answer.json()
