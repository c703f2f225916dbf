"""From a run to the features that its network has learned."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
from torch import Tensor, nn

from ..data import Dataset, restore_dataset
from ..data.pixel_rows import PixelRows
from ..errors import ConfigError, DataError
from ..pattern.plan import FLOAT_BYTES, Plan
from ..predict import Classifier, load
from ..run import Run
from ..sizes import Region
from . import synthesis
from .field import field_of
from .hierarchy import Features, FilterFeature, LayerFeatures, Patch, Synthetic
from .scan import Floats, Ints, Reading, Tally, readings, scan
from .synthesis import BATCH_VALUES, Respond, steps_for

#: Filters shown of a layer, images shown of a filter, filters below that are named.
FILTERS, PATCHES, NAMED = 16, 9, 3
#: The hierarchy: the first convolution, those between, the last, the classes.
LEVELS = ("small patterns", "larger patterns", "large patterns", "whole objects")
PARTS = ("train", "val", "test")


def features(
    run: str | Path | Run,
    *,
    part: str = "train",
    filters: int | None = FILTERS,
    patches: int = PATCHES,
    layers: Sequence[str] | None = None,
    synthesise: bool = True,
    seed: int = 0,
    dataset: Dataset | None = None,
) -> Features:
    """Look at what the filters of a trained network answer to, from small patterns to whole objects.

    Parameters
    ----------
    run : path or Run
        A run folder.
    part : {"train", "val", "test"}
        Whose images are looked at.
    filters : int or None
        How many of each layer: those whose activation tells the classes apart best; None
        for all. The classes are always all there.
    patches : int
        How many images of each filter: those that excite it most.
    layers : sequence of str, optional
        Names of convolutions, ``stage1.conv`` or ``stage1``, and ``classifier``, in any
        order; all when not given.
    synthesise : bool
        Also make an image that excites each of them, see `convstage.learned.synthesis`.
    seed : int
        Of the noise that these images begin as.
    dataset : Dataset, optional
        The run's own images, where they are at hand; they are read again otherwise.

    Returns
    -------
    Features

    Raises
    ------
    RunError, DataError, ConfigError
        No such run; its images are gone, or it has no such part; no such layer, or a
        number that is impossible.

    Notes
    -----
    The values are those of the image as it is: shifts and temperature, which some runs
    predict with, are not in them. Images with the same content count once. The images that
    are made repeat exactly on the same machine with as many threads.
    """
    run = run if isinstance(run, Run) else Run.open(run)
    classifier = load(run)
    classifier.network.requires_grad_(False)
    _check(part, filters, patches, seed)
    taken = _chosen_layers(classifier.plan, layers)
    dataset = dataset or restore_dataset(run.config["data"], run.split, run.config["model"])
    images = _Images.of(run, dataset, part)
    tallies = scan(classifier, images.pixels, images.labels, [one.after for one in taken], patches)
    found = []
    for one in taken:
        maker = _Maker(classifier, one, tallies[one.after.name], images)
        chosen = maker.choose(None if one.conv.kind == "CLASSIFIER" else filters)
        made = maker.make_images(chosen, seed) if synthesise else {}
        found.append(maker.layer([maker.filter(number, made.get(number)) for number in chosen]))
    counts = np.bincount(images.labels, minlength=len(classifier.classes)).tolist()
    return Features(
        run=run.path,
        part=part,
        images=dict(zip(classifier.classes, counts, strict=True)),
        copies=images.copies,
        image=classifier.plan.image,
        pattern=classifier.plan.pattern,
        seed=seed,
        layers=tuple(found),
    )


def _check(part: str, filters: int | None, patches: int, seed: int) -> None:
    if part not in PARTS:
        raise ConfigError(f"there is no part {part!r}.\nParts are {', '.join(PARTS)}.")
    for name, number, least in (("filters", filters, 1), ("patches", patches, 1), ("seed", seed, 0)):
        if number is not None and (isinstance(number, bool) or not isinstance(number, int) or number < least):
            raise ConfigError(f"{name} = {number!r}: expected a whole number of at least {least}.")


def _chosen_layers(plan: Plan, names: Sequence[str] | None) -> list[Reading]:
    """Return where to look, in the order of the network."""
    last = plan.rows[-1]
    every = [*readings(plan), Reading(last, last, last)]
    if names is None:
        return every
    by_name = {one.conv.name: one for one in every} | {one.conv.name.removesuffix(".conv"): one for one in every}
    unknown = [name for name in names if name not in by_name]
    if unknown:
        raise ConfigError(
            f"there is no convolution {unknown[0]!r}.\nThe network has {', '.join(one.conv.name for one in every)}."
        )
    wanted = {by_name[name].conv.name for name in names}
    return [one for one in every if one.conv.name in wanted]


@dataclass(frozen=True, slots=True)
class _Images:
    """The images that are looked at, each content once."""

    pixels: PixelRows
    labels: Ints
    names: list[str]
    copies: int

    @classmethod
    def of(cls, run: Run, dataset: Dataset, part: str) -> _Images:
        rows = dataset.rows(part)
        if not len(rows):
            raise DataError(f"{run.path} has no {part} part.\nLook at another part.")
        first = {dataset.sha256[row]: row for row in reversed(rows)}
        kept = np.array(sorted(first.values()), np.int64)
        names = [dataset.names[row] for row in kept]
        return cls(dataset.pixels.take(kept), dataset.labels[kept], names, len(rows) - len(kept))


class _Maker:
    """One layer of a network and what is known of its filters."""

    def __init__(self, classifier: Classifier, reading: Reading, tally: Tally, images: _Images) -> None:
        self.classifier, self.reading, self.tally, self.images = classifier, reading, tally, images
        self.plan = classifier.plan
        names = [row.name for row in self.plan.rows if row.kind == "CONV"]
        self.index = len(names) if self.is_last else names.index(reading.conv.name)
        self.level = LEVELS[-1] if self.is_last else LEVELS[min(self.index, 1) + (0 < self.index == len(names) - 1)]
        self.below = names[self.index - 1] if self.index else None
        self.module: Any = classifier.network.get_submodule(reading.conv.name)

    @property
    def is_last(self) -> bool:
        """Whether the filters are the classes."""
        return self.reading.conv.kind == "CLASSIFIER"

    def choose(self, filters: int | None) -> list[int]:
        """Return the numbers of the filters that tell the classes apart best, in order; dead ones come last."""
        alive = self.tally.high > self.tally.low
        best = np.argsort(-np.where(alive, self.tally.told, -1), kind="stable")
        return sorted(best[:filters].tolist())

    def layer(self, shown: Sequence[FilterFeature]) -> LayerFeatures:
        """Return the layer with the filters that were chosen."""
        conv, tally = self.reading.conv, self.tally
        return LayerFeatures(
            name=conv.name,
            kind=conv.kind,
            level=self.level,
            after=self.reading.after.name,
            below=self.below,
            size=conv.window.size if conv.window else None,
            receptive_field=conv.receptive_field,
            filters=len(tally.high),
            dead=tuple(np.flatnonzero(tally.high == tally.low).tolist()),
            shown=tuple(shown),
        )

    def filter(self, number: int, synthetic: Synthetic | None) -> FilterFeature:
        """Return what is known of one filter."""
        tally, classes = self.tally, self.classifier.classes
        return FilterFeature(
            number=number,
            name=classes[number] if self.is_last else f"filter {number}",
            low=float(tally.low[number]),
            high=float(tally.high[number]),
            positive=float(tally.positive[number] / tally.images.sum()),
            told=float(tally.told[number]),
            class_means={
                name: float(mean)
                for name, mean, count in zip(classes, tally.class_means[:, number], tally.images, strict=True)
                if count
            },
            patches=tuple(self._patches(number)),
            synthetic=synthetic,
            weights=self._weights(number),
            reads=self._reads(number),
        )

    def _patches(self, number: int) -> Iterator[Patch]:
        """Yield what excites a filter most; its lowest value excites nothing."""
        tally = self.tally
        for value, row, cell in zip(
            tally.values[number], tally.rows[number], tally.cells[number].tolist(), strict=True
        ):
            if value > tally.low[number]:
                frame, inside = self._field((cell[0], cell[1]))
                yield Patch(
                    image=self.images.names[row],
                    label=self.classifier.classes[self.images.labels[row]],
                    value=float(value),
                    cell=(cell[0], cell[1]),
                    frame=frame,
                    inside=inside,
                    whole_hwc=self.images.pixels[int(row)],
                )

    def _field(self, cell: tuple[int, int]) -> tuple[Region, Region]:
        """Return the frame and the inside of a cell's receptive field; of a class it is the image."""
        if self.is_last:
            whole = range(self.plan.image[0]), range(self.plan.image[1])
            return whole, whole
        field = field_of(self.plan, self.reading.conv.name, cell)
        return field.frame, field.inside

    def _weights(self, number: int) -> np.ndarray[Any, np.dtype[np.float32]] | None:
        if self.below is not None or self.is_last:
            return None
        return np.asarray(self.module.weight[number].detach().permute(1, 2, 0).contiguous().numpy())

    def _reads(self, number: int) -> tuple[tuple[int, float], ...]:
        """Return the filters below that have the largest weights; their maps keep their order on the way."""
        if self.below is None or self.is_last:
            return ()
        squares = self.module.weight[number].detach().double().square().sum((1, 2)).numpy()
        best = np.argsort(-squares, kind="stable")[:NAMED]
        return tuple((int(one), float(squares[one] / squares.sum())) for one in best if squares[one] > 0)

    def make_images(self, numbers: Sequence[int], seed: int) -> dict[int, Synthetic]:
        """Return an image for each filter, all climbing together; of very many classes for the first."""
        if self.is_last:
            frame, inside = self._field((0, 0))
            respond: Respond = self.classifier.network
            work, values = self.plan.multiply_adds, self.plan.activation_bytes // FLOAT_BYTES
            numbers = numbers[: synthesis.most_images(work)]
        else:
            height, width = self.reading.before.output[:2]
            field = field_of(self.plan, self.reading.before.name, (height // 2, width // 2))
            frame, inside = field.frame, field.inside
            respond = lambda x: field.run(self.classifier.network, x)  # noqa: E731
            work, values = field.multiply_adds, field.values
        shape = (len(inside[0]), len(inside[1]), self.plan.image[2])
        scales = _scales(self.tally.high)
        size = max(1, BATCH_VALUES // values)
        chunks = [numbers[start : start + size] for start in range(0, len(numbers), size)]
        made: dict[int, Synthetic] = {}
        for chunk in chunks:
            result = synthesis.synthesise(
                respond,
                shape,
                chunk,
                scales[list(chunk)],
                self.classifier.standardisation,
                steps=steps_for(work * len(numbers)),
                seed=(seed, self.index),
                finish=self._finish,
                title=f"Making images for {self.reading.conv.name}",
            )
            for number, pixels, value, start in zip(chunk, result.pixels, result.values, result.start, strict=True):
                made[number] = Synthetic(pixels, float(value), float(start), result.steps, frame, inside)
        return made

    def _finish(self, outputs: Tensor) -> Tensor:
        """Return outputs (n, K) after the non-linearity."""
        if self.reading.after is self.reading.before:
            return outputs
        module: nn.Module = self.classifier.network.get_submodule(self.reading.after.name)
        return cast(Tensor, module(outputs))


def _scales(high: Floats) -> Floats:
    """Return what is much for each filter: what it reaches on the images, or for a dead one what others reach."""
    positive = high[high > 0]
    return np.where(high > 0, high, np.median(positive) if len(positive) else 1.0)
