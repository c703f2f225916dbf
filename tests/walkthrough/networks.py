"""Networks with random weights, and images for them: what tests of the walk share."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from hypothesis import strategies as st

import convstage
from convstage import Pattern, Run
from convstage.data import Geometry, Standardisation
from convstage.pattern.layers import LAYERS, Activation
from convstage.predict import Classifier
from convstage.subject import Subject
from convstage.walkthrough import Walk
from convstage.walkthrough.steps import steps_of

PAGES = Path(convstage.__file__).parent / "pages"
ACTIVATIONS = [name for name, kind in LAYERS.items() if isinstance(kind, Activation)]
#: A layer of every kind.
ALL_KINDS = (
    "INPUT(9x8x3) -> BN -> CONV(4, 3x2) -> BN -> " + " -> ".join(ACTIVATIONS) + " -> DROPOUT -> POOL -> "
    "CONV(5, s=2) -> RELU -> POOL(avg, 2, stride=1) -> FC(6) -> BN -> RELU -> DROPOUT -> CLASSIFIER(3)"
)


def classifier_of(pattern: str, seed: int = 0, temperature: float = 1.0) -> Classifier:
    """Return a network whose every number is random, also what training would have measured."""
    plan = Pattern(pattern).plan()
    network = plan.build(seed=seed)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, tensor in network.state_dict().items():
            if name.endswith("running_var"):
                tensor.copy_(torch.rand(tensor.shape, generator=generator) + 0.5)
            elif tensor.ndim == 1:
                tensor.copy_(torch.randn(tensor.shape, generator=generator))
    height, width, channels = plan.image
    shade = "grey" if channels == 1 else "colour"
    standardisation = Standardisation((0.3, 0.5, 0.4)[:channels], (0.2, 0.3, 0.25)[:channels])
    names = [f"class {number}" for number in range(plan.classes)]
    return Classifier(network, plan, names, Geometry(height, width, shade), standardisation, temperature=temperature)


def walk_of(pattern: str, seed: int = 0, temperature: float = 1.0) -> Walk:
    """Return a walk of a random image through a random network, without a run and without evidence."""
    classifier = classifier_of(pattern, seed, temperature)
    pixels = np.random.default_rng(seed).integers(0, 256, classifier.plan.image, dtype=np.uint8)
    subject = Subject("image", pixels)
    return Walk(Run(Path("nowhere")), subject, classifier, steps_of(classifier, subject), None, ())


@st.composite
def patterns(draw: st.DrawFn) -> str:
    """Draw a pattern that fits its image: filters, strides, paddings, poolings, normalisation, activations."""
    layers = [f"INPUT({draw(st.integers(8, 12))}x{draw(st.integers(8, 12))}x{draw(st.sampled_from([1, 3]))})"]
    activations = st.sampled_from(ACTIVATIONS)
    if draw(st.booleans()):
        layers.append("BN")
    for _ in range(draw(st.integers(1, 2))):
        height, width = draw(st.integers(1, 3)), draw(st.integers(1, 3))
        stride = f"{draw(st.integers(1, 2))}x{draw(st.integers(1, 2))}"
        margins = f"{draw(st.integers(0, height - 1))}x{draw(st.integers(0, width - 1))}"
        padding = draw(st.sampled_from(["same", "valid", margins]))
        number = draw(st.integers(1, 3))
        layers.append(f"CONV({number}, {height}x{width}, stride={stride}, padding={padding})")
        layers += ["BN"] * draw(st.booleans()) + [draw(activations)] * draw(st.booleans())
        layers += ["DROPOUT"] * draw(st.booleans())
        if draw(st.booleans()):
            layers.append(f"POOL({draw(st.sampled_from(['max', 'avg']))}, 2, stride={draw(st.integers(1, 2))})")
            # Further down the maps would be too small.
            break
    layers += ["GAP"] * draw(st.booleans())
    if draw(st.booleans()):
        layers += ["FC(5)", *["BN"] * draw(st.booleans()), draw(activations), "DROPOUT"]
    return " -> ".join([*layers, "CLASSIFIER(3)"])


def some_cells(walk: Walk, each: int, seed: int = 0) -> list[tuple[str, tuple[int, ...]]]:
    """Return a few cells of every step, the first and the last among them."""
    random = np.random.default_rng(seed)
    cells = []
    for name, step in walk.steps.items():
        corners = [tuple(0 for _ in step.shape), tuple(n - 1 for n in step.shape)]
        inner = [tuple(int(random.integers(0, n)) for n in step.shape) for _ in range(each - 2)]
        cells += [(name, cell) for cell in dict.fromkeys([*corners, *inner])]
    return cells
