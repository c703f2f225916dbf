"""Walks that were made lately, by an id of their own; what takes too much memory goes."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from dataclasses import dataclass
from functools import cached_property
from threading import Lock

import numpy as np
import numpy.typing as npt

from ..files import digest
from ..predict import Classifier
from ..walkthrough import Walk
from ..walkthrough.groups import Group, groups_of

#: Letters of an id: half of a SHA-256, so that nobody guesses one and no two are the same.
ID_LETTERS = 32


@dataclass(frozen=True, eq=False)
class Entry:
    """A walk that is kept.

    Attributes
    ----------
    id : str
        By which the client asks for its parts.
    walk : Walk
    """

    id: str
    walk: Walk

    @cached_property
    def groups(self) -> list[Group]:
        """Its stages, vectors and layers as they are shown, each with its colour scale."""
        return groups_of(self.walk.steps.values())

    @cached_property
    def group_by_layer(self) -> dict[str, Group]:
        """The group that a layer belongs to, by the layer's name."""
        return {step.name: group for group in self.groups for step in group.steps}

    @property
    def bytes(self) -> int:
        """Memory that its numbers take; what a layer reads is what the one before it made."""
        return sum(step.output.nbytes for step in self.walk.steps.values())


class Store:
    """The walks that were looked at last, as many as memory is given to. Safe to use from several threads.

    Parameters
    ----------
    most, most_bytes : int
        Walks, and bytes of all of them; the last one is kept however large it is.
    """

    def __init__(self, most: int, most_bytes: int) -> None:
        self.most = most
        self.most_bytes = most_bytes
        self._entries: OrderedDict[str, Entry] = OrderedDict()
        self._lock = Lock()

    def get(self, id: str) -> Entry | None:  # noqa: A002  # it is what it is called
        """Return a walk, None when there is none of that id, or none any more."""
        with self._lock:
            entry = self._entries.get(id)
            if entry is not None:
                self._entries.move_to_end(id)
            return entry

    def put(self, entry: Entry) -> Entry:
        """Keep a walk, and return it; or, of an image that is there already, the walk that is."""
        with self._lock:
            kept = self._entries.setdefault(entry.id, entry)
            self._entries.move_to_end(entry.id)
            while len(self._entries) > 1 and (len(self._entries) > self.most or self._bytes() > self.most_bytes):
                self._entries.popitem(last=False)
            return kept

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def bytes(self) -> int:
        """Memory that all of them take."""
        with self._lock:
            return self._bytes()

    def _bytes(self) -> int:
        return sum(entry.bytes for entry in self._entries.values())


def network_digest(classifier: Classifier) -> str:
    """Return the SHA-256 of what a network says: its weights, its pattern, its temperature."""
    described = {
        "pattern": classifier.plan.pattern,
        "image": str(classifier.plan.image),
        "temperature": repr(classifier.temperature),
        "shifts": repr(classifier.shifts),
        "standardisation": repr(classifier.standardisation),
    }
    return digest(classifier.network.state_dict(), described)


def walk_id(network: str, pixels_hwc: npt.NDArray[np.uint8]) -> str:
    """Return the id of an image's walk through a network; the same image has the same.

    The network is a part of it: browsers keep the pictures of an id for long, and another run may be served at
    the same address tomorrow.
    """
    sha = hashlib.sha256(f"{network} {pixels_hwc.shape} ".encode())
    sha.update(np.ascontiguousarray(pixels_hwc).data)
    return sha.hexdigest()[:ID_LETTERS]
