"""Which sheet a filter at work is drawn on, and the file it goes to."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ..pictures import save_figure
from ..stage.receipt import Cell
from .filtered import Filtered
from .matrix_sheet import matrix_sheet
from .proof import Proof
from .sheet import gallery, sheet, title


def draw(
    filtered: Sequence[Filtered],
    turned: Filtered | None = None,
    proof: Proof | None = None,
    cell: Cell | None = None,
    *,
    path: str | Path | None = None,
) -> Path:
    """Draw one filter at work, or the gallery of several.

    Parameters
    ----------
    filtered : sequence of Filtered
        Of one image; from `apply`.
    turned : Filtered, optional
        The same as the only one, with the filter turned.
    proof : Proof, optional
        From `prove`: its matrix is drawn, if it could be written out.
    cell : (int, int), optional
        A cell of the last map; what it was made from is framed.
    path : path, optional
        Where to; the suffix, ``.png``, ``.svg`` or ``.pdf``, is the format. When not given,
        ``<image>-<filter>.png`` in the current folder: beside the image it would
        become one of the images there, which may be training data.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    ConfigError
        Another suffix.
    DataError
        The file cannot be written.
    """
    one = filtered[0]
    if len(filtered) > 1:
        figure, name, words = gallery(filtered), "gallery", "gallery"
    else:
        name = one.kernel.name.replace("×", "x") + ("-flip" if turned else "")
        words = title(one.kernel)
        if proof is not None and proof.places is not None:
            figure, name = matrix_sheet(turned or one, proof), f"{name}-matrix"
        else:
            figure = sheet(one, turned, cell=cell)
    return save_figure(figure, path or f"{Path(one.image.name).stem}-{name}.png", words)
