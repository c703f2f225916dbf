"""A chest, as a ray sees it: how much soft tissue, bone and air lies on the way through.

Everything is drawn as numbers in units of the picture's side, before a pixel is computed: pictures of
different sizes show the same chest.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Self

import numpy as np

from .lungs import Lungs, Map, chord, edge

#: Attenuation per centimetre at about 100 keV, of the order of the tables' (Hubbell and Seltzer 1995).
SOFT, BONE = 0.17, 0.35
#: Share of an inflated lung that is tissue; the rest is air.
LUNG_TISSUE = 0.28


@dataclass(frozen=True)
class Pose:
    """How the patient stands before the detector: turned, moved, nearer or farther."""

    tilt: float
    right: float
    lower: float
    scale: float

    @classmethod
    def draw(cls, random: np.random.Generator) -> Self:
        return cls(
            tilt=math.radians(random.normal(0, 2.0)),
            right=random.normal(0, 0.015),
            lower=random.normal(0.0, 0.02),
            scale=random.uniform(0.82, 0.98),
        )

    def body(self, size: int) -> tuple[Map, Map]:
        """Return `across` and `down` of every pixel's centre, both (size, size)."""
        centres = (np.arange(size, dtype=np.float32) + 0.5) / size - 0.5
        x, y = centres[None, :] - self.right, centres[:, None] - self.lower
        cos, sin = math.cos(self.tilt) / self.scale, math.sin(self.tilt) / self.scale
        return (cos * x + sin * y).astype(np.float32), (cos * y - sin * x + 0.5).astype(np.float32)

    def picture(self, across: float, down: float) -> tuple[float, float]:
        """Return where in the picture a place of the body is, x and y in units of its side."""
        cos, sin = math.cos(self.tilt) * self.scale, math.sin(self.tilt) * self.scale
        down -= 0.5
        return cos * across - sin * down + 0.5 + self.right, sin * across + cos * down + 0.5 + self.lower


@dataclass(frozen=True)
class Chest:
    """What lies on the rays, per pixel.

    Attributes
    ----------
    attenuation : Map
        Of the whole body, without lesions.
    air : Map
        Lung on the ray, in centimetres.
    across, down : Map
        Body coordinates.
    lungs : Lungs
        Their outline.
    """

    attenuation: Map
    air: Map
    across: Map
    down: Map
    lungs: Lungs


def make_chest(random: np.random.Generator, pose: Pose, breath: float, size: int) -> Chest:
    """Draw a patient and look through it; from the same generator, the same patient at any size."""
    across, down = pose.body(size)
    lungs = Lungs.draw(random, breath)
    sharp = max(0.006, 1.2 / size)
    out = np.abs(across)
    depth = random.uniform(17, 25) * (0.72 + 0.28 * edge(down - 0.45, 0.7))
    body = _body(random, across, out, down, depth)
    outline = lungs.outline(out, down)
    air = _air(random, lungs, across, down, random.uniform(0.46, 0.68) * depth * chord(outline), sharp)
    soft = body - (1 - LUNG_TISSUE) * air + _breasts(random, out, down)
    bone = _ribs(random, lungs, out, down, outline) + _spine(random, across, down, sharp)
    bone += _shoulders(random, across, out, down)
    hollow = _hollows(random, lungs, across, down, sharp)
    attenuation = SOFT * np.maximum(soft - hollow, 0.05 * body) + BONE * bone * (body > 0)
    return Chest(attenuation.astype(np.float32), air, across, down, lungs)


def _body(random: np.random.Generator, across: Map, out: Map, down: Map, depth: Map) -> Map:
    """Return the way through neck, trunk and arms, in centimetres."""
    neck, trunk = random.uniform(0.11, 0.14), random.uniform(0.43, 0.54)
    shoulder = random.uniform(0.04, 0.09)
    half = neck + (trunk - neck) * edge(down - shoulder, 0.16)
    trunk_way = depth * np.sqrt(chord(np.square(across / half) * np.square(across / half) ** 2))
    arm = random.uniform(0.47, 0.58)
    lean = random.uniform(0.0, 0.08)
    arms = ((out - arm - lean * down) / 0.085) ** 2
    arm_way = 9.0 * chord(np.where(down < shoulder + 0.2, arms + ((down - shoulder - 0.2) / 0.16) ** 2, arms))
    return np.asarray(np.maximum(trunk_way, arm_way), np.float32)


def _air(random: np.random.Generator, lungs: Lungs, across: Map, down: Map, full: Map, sharp: float) -> Map:
    """Return the lung on the ray, in centimetres: `full` less what vessels, diaphragm and heart take of it."""
    out, is_left = np.abs(across), across > 0
    # The aortic arch lies on the left, the pulmonary arteries on both sides.
    knob, waist = random.uniform(0.012, 0.032), random.uniform(0.046, 0.06)
    arch = random.uniform(0.27, 0.31)
    middle = (
        waist
        + 0.03 * edge(down - arch - 0.16, 0.2)
        + np.where(
            is_left,
            knob * _bump(down - arch, 0.035) + 0.018 * _bump(down - arch - 0.1, 0.05),
            0.008 * _bump(down - arch - 0.03, 0.12) + 0.01 * _bump(down - arch - 0.14, 0.05),
        )
    )
    below = lungs.diaphragm(out, np.where(is_left, *reversed(lungs.domes)).astype(np.float32)) - down
    # A little lung lies behind the dome, and is seen through it.
    floor = 0.9 * edge(below, 1.5 * sharp) + 0.1 * edge(below + 0.05, 0.05)

    lean, long, wide = math.radians(random.uniform(38, 55)), random.uniform(0.18, 0.22), random.uniform(0.11, 0.135)
    x, y = across - random.uniform(0.042, 0.06), down - (lungs.domes[1] - random.uniform(0.05, 0.08))
    cos, sin = math.cos(lean), math.sin(lean)
    heart = np.sqrt(chord(((cos * x + sin * y) / long) ** 2 + ((cos * y - sin * x) / wide) ** 2))
    taken = random.uniform(0.85, 0.97)
    return np.asarray(full * edge(out - middle, 2.5 * sharp) * floor * (1 - taken * heart), np.float32)


def _bump(distance: Map, width: float) -> Map:
    return np.asarray(np.exp(-((distance / width) ** 2)), np.float32)


def _breasts(random: np.random.Generator, out: Map, down: Map) -> Map:
    thick = random.uniform(1.0, 4.5) * (random.random() < 0.5)
    wide, high = random.uniform(0.11, 0.14), random.uniform(0.09, 0.13)
    r_squared = ((out - random.uniform(0.17, 0.21)) / wide) ** 2 + ((down - random.uniform(0.55, 0.66)) / high) ** 2
    return np.asarray(thick * np.maximum(1 - r_squared, 0), np.float32)


def _ribs(random: np.random.Generator, lungs: Lungs, out: Map, down: Map, outline: Map) -> Map:
    """Return the way through the ribs: those of the back, nearly level, and those of the front, falling inwards."""
    spacing, height = random.uniform(0.055, 0.068), random.uniform(0.010, 0.0135)
    phase, slope, bend = random.random(), random.uniform(0.0, 0.22), random.uniform(0.5, 1.3)
    back = _tubes(down - slope * out - bend * out**2, spacing * (1 + 0.5 * out), phase, height)
    fan, phase = random.uniform(0.35, 0.75), random.random()
    front = _tubes(down + fan * (out - lungs.width) + 0.6 * (lungs.width - out) ** 2, spacing * 1.1, phase, height)
    rim = outline / (1 + outline)  # towards the side wall rays run along the ribs
    cage = edge(1.08 - outline, 0.14) * edge(out - 0.035, 0.01) * (0.25 + 0.75 * edge(0.78 - down, 0.2))
    gristle = edge(out - random.uniform(0.12, 0.16), 0.03)
    strength = random.uniform(0.7, 1.15)
    return np.asarray(strength * cage * (back * (0.9 + 1.6 * rim**3) + 0.45 * gristle * front), np.float32)


def _tubes(position: Map, spacing: Map | float, phase: float, height: float) -> Map:
    """Return the way through a ladder of tubes with a hard shell, in centimetres."""
    turn = position / spacing + phase
    r_squared = ((turn - np.floor(turn) - 0.5) * spacing / height) ** 2
    return np.asarray(chord(r_squared) - 0.55 * chord(r_squared * 1.7), np.float32)


def _spine(random: np.random.Generator, across: Map, down: Map, sharp: float) -> Map:
    curve = random.normal(0, 0.008)
    bow = across - curve * np.sin(np.pi * down)
    spacing, half = random.uniform(0.042, 0.05), random.uniform(0.03, 0.036)
    discs = 0.9 + 0.1 * np.cos(2 * np.pi * (down / spacing + random.random()))
    return np.asarray(1.3 * discs * edge(half - np.abs(bow), 2 * sharp), np.float32)


def _shoulders(random: np.random.Generator, across: Map, out: Map, down: Map) -> Map:
    """Return the way through collar bones, shoulder blades and the heads of the upper arms."""
    bone = np.zeros_like(out)
    for sign in (-1, 1):
        x = sign * across
        rise, height = random.uniform(0.12, 0.3), random.uniform(0.155, 0.185)
        line = height - rise * (x - 0.03) + 0.018 * np.sin(22 * (x - 0.03))
        span = edge(x - 0.025, 0.02) * edge(0.34 - x, 0.03)
        thick = random.uniform(0.010, 0.013)
        r_squared = ((down - line) / thick) ** 2
        bone += 0.8 * span * (chord(r_squared) - 0.4 * chord(1.6 * r_squared))
    blade = ((out - random.uniform(0.32, 0.37) - 0.25 * (down - 0.25)) / 0.05) ** 2 + ((down - 0.27) / 0.16) ** 2
    arm, top = random.uniform(0.42, 0.48) + 0.1 * (down - 0.2), down - random.uniform(0.12, 0.16)
    head, shaft = ((out - arm) / 0.045) ** 2 + (top / 0.045) ** 2, ((out - arm) / 0.024) ** 2
    bone += 0.45 * np.sqrt(chord(blade)) + 1.2 * np.maximum(chord(head), chord(shaft) * edge(top, 0.03))
    return np.asarray(bone, np.float32)


def _hollows(random: np.random.Generator, lungs: Lungs, across: Map, down: Map, sharp: float) -> Map:
    """Return the air in windpipe and stomach, in centimetres."""
    middle = random.normal(0, 0.005)
    half, fork = random.uniform(0.013, 0.018), random.uniform(0.33, 0.37)
    pipe = 1.5 * edge(half - np.abs(across - middle), 2 * sharp) * edge(fork - down, 0.06)
    gas = random.uniform(2, 8) * (random.random() < 0.5)
    left, high = random.uniform(0.09, 0.17), random.uniform(0.02, 0.035)
    top = lungs.domes[1] + random.uniform(0.045, 0.07)
    bubble = gas * chord(((across - left) / (2 * high)) ** 2 + ((down - top) / high) ** 2)
    return np.asarray(pipe + bubble, np.float32)
