"""One synthetic radiograph, by its number; and many of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..errors import ConfigError
from .anatomy import SOFT, Pose, make_chest
from .lesions import apply, draw_lesions, draw_texture, masks
from .letters import draw_letter, draw_mark, marked
from .lungs import Map
from .render import Exposure, vessels
from .shortcuts import ABSENT, PRESENT, QUALITY, SHORTCUTS

#: Names of the classes; the first two unless three are asked for.
CLASSES = ("0-healthy", "1-corona", "2-pneumonia")
#: The class that a shortcut gives away.
GIVEN_AWAY = 1
SMALLEST, LARGEST = 16, 2048
#: Smaller pictures are computed at this side at least, then pooled.
FINE = 128
#: From this side on a mark in the picture says that it is synthetic; on smaller ones nobody could read it.
MARKED_FROM = 96
#: Streams of random numbers, so that what is drawn for one purpose does not move what is drawn for another.
_ANATOMY, _LESIONS, _VIEW, _SOURCE = range(4)


@dataclass(frozen=True)
class Lesion:
    """One lesion as it shows in the picture.

    Attributes
    ----------
    kind : str
        ``opacity``, ``effusion`` or ``consolidation``.
    mask : ndarray of bool, shape (H, W)
        Where it is; masks of one picture do not overlap.
    """

    kind: str
    mask: npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Phantom:
    """A synthetic chest radiograph.

    Attributes
    ----------
    pixels : ndarray of uint8, shape (H, W)
        As radiographs are shown: bone white, air black; the patient's left is on the right.
    label : int
        Number of the class in `CLASSES`.
    lesions : list of Lesion
        None of a healthy patient.
    patient, view : int
        Whose picture, and which of theirs.
    artefact : bool
        Whether it has the shortcut's artefact.
    quality : int
        Quality at which it is to be stored, if as JPEG.
    """

    pixels: npt.NDArray[np.uint8]
    label: int
    lesions: list[Lesion]
    patient: int
    view: int
    artefact: bool
    quality: int

    @property
    def class_name(self) -> str:
        """Name of the class."""
        return CLASSES[self.label]


def image(
    index: int,
    seed: int = 0,
    size: int = 128,
    *,
    classes: int = 2,
    views: int = 1,
    shortcut: str | None = None,
    label: int | None = None,
) -> Phantom:
    """Make synthetic radiograph number `index`.

    Patient, lesions, exposure and noise depend on seed and number alone: not on how many
    are made, nor in which order. Another size shows the same patient, with other noise.

    Parameters
    ----------
    index : int
        From 0; patient ``index // views``, whose class is the remainder by `classes`.
    seed : int
        Any number from 0.
    size : int
        Side of the square picture, 16 to 2048 pixels.
    classes : int
        2, or 3 with pneumonia.
    views : int
        Pictures of every patient: the same chest and lesions, another stand, breath and exposure.
    shortcut : str, optional
        One of `SHORTCUTS`: an artefact that gives corona away.
    label : int, optional
        Show this patient with the lesions of this class, not of the patient's own.

    Returns
    -------
    Phantom

    Raises
    ------
    ConfigError
        A number out of its range, or an unknown shortcut.

    Examples
    --------
    >>> image(1).class_name, image(1).pixels.shape
    ('1-corona', (128, 128))
    """
    check(size=size, seed=seed, classes=classes, views=views, shortcut=shortcut)
    if index < 0:
        raise ConfigError(f"images are counted from 0; got number {index}.")
    if label is not None and not 0 <= label < len(CLASSES):
        raise ConfigError(f"the label must be 0 to {len(CLASSES) - 1}, for {', '.join(CLASSES)}; got {label}.")
    patient, view = divmod(index, views)
    label = patient % classes if label is None else label
    source = np.random.default_rng((seed, patient, _SOURCE))
    mark = draw_mark(source)
    artefact = shortcut is not None and source.random() < (PRESENT if label == GIVEN_AWAY else ABSENT)
    change = SHORTCUTS[shortcut] if shortcut is not None and artefact else None
    side = size if change is None else round(size * change.scale)
    picture, lesions = _radiograph(seed, patient, view, label, side)
    if change is not None:
        picture = change.change(picture)
    if size >= MARKED_FROM:
        picture = marked(picture, mark(side))
    pixels = np.rint(255 * picture).astype(np.uint8)
    quality = QUALITY if change is None else change.quality
    return Phantom(pixels, label, lesions, patient, view, bool(artefact), quality)


def generate(
    count: int, seed: int = 0, size: int = 128, *, classes: int = 2, views: int = 1, shortcut: str | None = None
) -> Iterator[Phantom]:
    """Yield radiographs 0 to `count` - 1, one after another; see `image`.

    Examples
    --------
    >>> [phantom.label for phantom in generate(4, size=16)]
    [0, 1, 0, 1]
    """
    for index in range(count):
        yield image(index, seed, size, classes=classes, views=views, shortcut=shortcut)


def check(*, size: int, seed: int, classes: int, views: int, shortcut: str | None) -> None:
    """Refuse what no picture can be made with."""
    if not SMALLEST <= size <= LARGEST:
        raise ConfigError(f"the size must be {SMALLEST} to {LARGEST} pixels; got {size}.")
    if seed < 0:
        raise ConfigError(f"the seed must be 0 or more; got {seed}.")
    if not 2 <= classes <= len(CLASSES):
        raise ConfigError(f"there are 2 or 3 classes, {', '.join(CLASSES)}; got {classes}.")
    if views < 1:
        raise ConfigError(f"every patient needs a view; got {views}.")
    if shortcut is not None and shortcut not in SHORTCUTS:
        raise ConfigError(f"there is no shortcut {shortcut!r}.\nChoose one of {', '.join(SHORTCUTS)}.")


def _radiograph(seed: int, patient: int, view: int, label: int, size: int) -> tuple[Map, list[Lesion]]:
    """Return the picture in 0..1, and its lesions."""
    fine = size * max(1, -(-FINE // size))
    anatomy = np.random.default_rng((seed, patient, _ANATOMY))
    taking = np.random.default_rng((seed, patient, _VIEW, view))
    pose, exposure, letter = Pose.draw(taking), Exposure.draw(taking), draw_letter(taking)
    chest = make_chest(anatomy, pose, taking.normal(0, 0.02), fine)
    texture = draw_texture(anatomy, fine)
    blood = vessels(anatomy, chest.lungs, pose, fine) * (chest.air > 1)
    healthy = chest.attenuation + SOFT * blood

    shapes = draw_lesions(np.random.default_rng((seed, patient, _LESIONS, label)), label)
    added, shares = apply(shapes, chest, texture)
    # The window is chosen as for the healthy chest: else a lesion would change the whole picture.
    picture = exposure.show(healthy + added, exposure.window(healthy), taking, size)
    picture = exposure.close(np.maximum(picture, letter(size)))
    shown = [exposure.close(mask) for mask in masks(shares, chest, size)]
    lesions = [Lesion(shape.kind, mask) for shape, mask in zip(shapes, shown, strict=True) if mask.any()]
    return picture, lesions
