"""Numbers as pictures: colour scales that people of all colour vision can read, overlays, PNG and SVG.

A picture is an array of uint8, height × width × 3. Signed values go from blue over white
to red, others from dark to light; a scale is made once for all maps that are compared.
"""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from .errors import ConfigError, DataError
from .files import atomic_path

if TYPE_CHECKING:
    from markupsafe import Markup
    from matplotlib.figure import Figure
    from PIL.ImageFont import FreeTypeFont

Picture = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.floating[Any]]

#: matplotlib's names: one lightness that only rises, and ColorBrewer's safe pair of hues.
SEQUENTIAL, DIVERGING = "cividis", "RdBu_r"
#: Formats of drawings, and the metadata that would otherwise hold the time of drawing.
FORMATS: dict[str, dict[str, None]] = {".svg": {"Date": None}, ".png": {}, ".pdf": {"CreationDate": None}}
#: What has no value: NaN and infinities.
NO_VALUE = (255, 0, 255)


@dataclass(frozen=True, slots=True)
class Scale:
    """What colour a value has, the same for all maps that are compared.

    Attributes
    ----------
    low, high : float
        The values at the ends; those beyond have the colours of the ends.
    signed : bool
        Whether 0 is the middle, and white.
    """

    low: float
    high: float
    signed: bool

    @classmethod
    def of(cls, *maps: Floats, signed: bool | None = None) -> Scale:
        """Return the scale for all values of some maps; signed, unless told, when there are negative ones.

        Examples
        --------
        >>> Scale.of(np.array([0.0, 2.0]), np.array([-3.0]))
        Scale(low=-3.0, high=3.0, signed=True)
        >>> Scale.of(np.array([0.5, 2.0]))
        Scale(low=0.0, high=2.0, signed=False)
        """
        values = np.concatenate([np.ravel(one) for one in maps]) if maps else np.zeros(1)
        values = values[np.isfinite(values)]
        low, high = (float(values.min()), float(values.max())) if len(values) else (0.0, 0.0)
        if signed if signed is not None else low < 0:
            end = max(abs(low), abs(high))
            return cls(-end, end, True)
        return cls(min(low, 0.0), max(high, 0.0), False)

    def share(self, map_hw: Floats) -> Floats:
        """Return where values lie between the ends, 0..1; NaN stays."""
        span = self.high - self.low
        if span == 0:
            return np.where(np.isnan(map_hw), np.nan, 0.5 if self.signed else 0.0)
        return np.asarray(np.clip((map_hw - self.low) / span, 0, 1))

    def colours(self, map_hw: Floats) -> Picture:
        """Return values, of any shape, as colours, with one more axis of red, green, blue."""
        share = self.share(np.asarray(map_hw, np.float64))
        table = _colours(DIVERGING if self.signed else SEQUENTIAL)
        painted = table[np.round(np.nan_to_num(share) * 255).astype(np.int64)]
        painted[~np.isfinite(map_hw)] = NO_VALUE
        return painted

    def bar(self, height: int = 12, width: int = 160) -> Picture:
        """Return the scale as a bar, lowest value on the left."""
        return self.colours(np.tile(np.linspace(self.low, self.high, width), (height, 1)))


@cache
def _colours(name: str) -> Picture:
    from matplotlib import colormaps

    return np.asarray(colormaps[name](np.arange(256), bytes=True)[:, :3])


def as_picture(pixels_hwc: npt.NDArray[np.uint8]) -> Picture:
    """Return an image as the network reads it, one channel or three, as a picture."""
    return np.ascontiguousarray(np.broadcast_to(pixels_hwc, (*pixels_hwc.shape[:2], 3)))


def enlarge(picture: Picture, factor: int) -> Picture:
    """Return every pixel as a square of factor × factor."""
    return np.asarray(picture.repeat(factor, axis=0).repeat(factor, axis=1))


def enlarged_to(picture: Picture, side: int) -> Picture:
    """Return a picture enlarged by the whole factor that makes its longer side come next to `side`, or as it is."""
    return enlarge(picture, max(1, round(side / max(picture.shape[:2]))))


def thumbnail(picture: Picture, side: int) -> Picture:
    """Return a picture that is at most `side` pixels high and wide."""
    from PIL import Image

    image = Image.fromarray(picture)
    image.thumbnail((side, side), Image.Resampling.LANCZOS)
    return np.asarray(image)


def overlay(picture: Picture, map_hw: Floats, scale: Scale | None = None, opacity: float = 0.75) -> Picture:
    """Lay a signed map over a picture: the farther from 0 a value, the less of the picture is seen.

    Parameters
    ----------
    picture : ndarray of uint8, shape (height, width, 3)
    map_hw : ndarray, shape (height, width)
    scale : Scale, optional
        Signed; that of the map when not given.
    opacity : float
        0..1, at the ends of the scale.
    """
    scale = scale or Scale.of(map_hw, signed=True)
    distance = np.nan_to_num(np.abs(2 * scale.share(map_hw) - 1))[:, :, None]
    # Full colour at a third of the way already: pale colours on grey would not be seen.
    alpha = opacity * np.clip(3 * distance, 0, 1) * (0.35 + 0.65 * distance)
    grey = picture.mean(axis=2, keepdims=True)
    ends = _colours(DIVERGING)[[24, 231]]
    colour = np.where((map_hw < 0)[:, :, None], ends[0], ends[1])
    return np.asarray(np.clip(np.round(grey * (1 - alpha) + colour * alpha), 0, 255).astype(np.uint8))


@cache
def font(height: int) -> FreeTypeFont:
    """Return the font that matplotlib brings along: it knows most alphabets, and is the same everywhere."""
    import matplotlib as mpl
    from PIL import ImageFont

    return ImageFont.truetype(f"{mpl.get_data_path()}/fonts/ttf/DejaVuSans.ttf", height)


def png(picture: Picture) -> bytes:
    """Return a picture as the content of a PNG file."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "PNG")
    return buffer.getvalue()


def jpeg(picture: Picture, quality: int = 80) -> bytes:
    """Return a picture as the content of a JPEG file: a tenth of the bytes, for photographs in pages."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


def data_uri(content: bytes, kind: str = "png") -> str:
    """Return the content of an image file as an address that holds it."""
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"


def save(picture: Picture, path: str | Path) -> Path:
    """Write a picture as a PNG file, whole or not at all."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(png(picture))
    return Path(path)


@contextmanager
def plot_style() -> Iterator[None]:
    """Draw alike for everyone, whatever the user's own matplotlib settings are; text in SVG stays text."""
    import matplotlib

    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(
            {"svg.fonttype": "none", "svg.hashsalt": "convstage", "pdf.fonttype": 42, "text.parse_math": False}
        )
        yield


def svg(figure: Figure) -> str:
    """Return a matplotlib figure, made within `plot_style`, as an SVG element for a page."""
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None}, transparent=True)
    text = buffer.getvalue()
    return text[text.index("<svg") :]


def inline(name: str, text: str) -> Markup:
    """Return an SVG that we drew as a part of a page: with names of its own, and nothing that reaches beyond it.

    Parameters
    ----------
    name : str
        Goes before the names of its parts, so that several drawings are told apart on one page.
    text : str
        From `svg`, or the content of a file that `save_figure` wrote.
    """
    from markupsafe import Markup

    text = text[text.index("<svg") :]
    text = re.sub(r"<(metadata|title)>.*?</\1>", "", text, flags=re.DOTALL)
    # A style for all elements is one for the whole page; what lies in the drawing inherits it from its root as well.
    text, styled = re.subn(r"<defs>\s*<style[^>]*>.*?</style>\s*</defs>", "", text, count=1, flags=re.DOTALL)
    if styled:
        text = text.replace("<svg", '<svg style="stroke-linejoin: round; stroke-linecap: butt"', 1)
    text = re.sub(r'<g id="[^"]*"', "<g", text)
    text = re.sub(r' d="([^"]*)"', _shorter, text)
    return Markup(re.sub(r'(\bid="|url\(#|href="#)', rf"\g<1>{name}-", text))  # noqa: S704  # our own drawing


def _shorter(path: re.Match[str]) -> str:
    """Return a path with hundredths of a point, which nobody sees, and on one line."""
    shorter = re.sub(r"(\.\d\d)\d+", r"\1", " ".join(path[1].split()))
    return f' d="{shorter}"'


def check_drawing(path: str | Path) -> None:
    """Refuse a file name that no drawing can be written to, before anything is drawn.

    Raises
    ------
    ConfigError
        Another suffix than one of `FORMATS`.
    """
    if Path(path).suffix.lower() not in FORMATS:
        raise ConfigError(f"the picture must end in .svg, .png or .pdf; got {Path(path).name!r}.")


def save_figure(figure: Figure, path: str | Path, title: str) -> Path:
    """Write a matplotlib figure; the suffix is the format. The same figure always gives the same bytes.

    Raises
    ------
    ConfigError
        Another suffix than .svg, .png or .pdf.
    DataError
        The file cannot be written.
    """
    check_drawing(path)
    path, suffix = Path(path), Path(path).suffix.lower()
    try:
        with plot_style(), atomic_path(path) as temporary:
            figure.savefig(temporary, format=suffix[1:], metadata={"Title": title, **FORMATS[suffix]})
    except OSError as error:
        raise DataError(f"{path} cannot be written: {error.strerror or error}.") from None
    return path
