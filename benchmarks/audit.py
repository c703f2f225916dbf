"""How surely the audit finds planted faults, and how often it raises a false alarm.

Into a data set go 200 faults of one kind at a time: copies, the same pixels in another
format, JPEGs saved anew, resized or brightened pictures, blank ones, odd sizes. A near
duplicate counts as found when it is named beside its original; a false alarm is an image
that is flagged and has nothing to do with a fault. Beside it stands what a 64-bit
perceptual hash finds (as ``imagehash.phash``, the distance with the most found of those
with less than 1% false alarms). A second task times 10,000 images of 224 px.

    python benchmarks/audit.py [--xray FOLDER] [--scale]
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.fft import dct

from convstage.audit.checks import CHECKS
from convstage.audit.duplicates import alike
from convstage.audit.findings import Subject
from convstage.data import open_source
from convstage.data.facts import facts
from convstage.data.formats import Item
from convstage.data.images import open_image
from convstage.environment import environment
from convstage.machine import processor

RESULT = Path(__file__).parent / "results/audit.json"
FAULTS, SEEDS = 200, (1, 2, 3)
METHODS = (Image.Resampling.BILINEAR, Image.Resampling.BICUBIC, Image.Resampling.LANCZOS)
#: Kind of fault -> the check that has to find it.
KINDS = {
    "copy": "exact",
    "other format": "exact",
    "JPEG anew": "near",
    "resized": "near",
    "brightened": "near",
    "blank": "blank",
    "odd size": "sizes",
}


class Planted:
    """The first images of a source, and faults behind them."""

    root = Path("planted")

    def __init__(self, source, count: int | None = None) -> None:
        self.classes = source.classes
        self.items = [Item(item.name, item.label, "train") for item in source.items[:count]]
        self.contents = [_file(source, index) for index in range(len(self.items))]
        self.originals = len(self.items)

    def plant(self, kind: str, seed: int) -> list[int]:
        """Add faults to the test part; return the image that each was made of."""
        random = np.random.default_rng(seed)
        chosen = random.choice(self.originals, FAULTS, replace=False).tolist()
        del self.items[self.originals :], self.contents[self.originals :]
        for row in chosen:
            self.items.append(Item(f"planted/{row}", self.items[row].label, "test"))
            self.contents.append(fault(kind, self.contents[row], random))
        return chosen

    def read(self, index: int) -> bytes:
        return self.contents[index]

    def open(self, data: bytes) -> Image.Image:
        return open_image(data)


def _file(source, index: int) -> bytes:
    """Return an item as a file; the rows of an array become PNGs."""
    content = source.read(index)
    try:
        open_image(content)
    except ValueError:
        return encoded(source.open(content), "PNG")
    return content


def fault(kind: str, content: bytes, random: np.random.Generator) -> bytes:
    if kind == "copy":
        return content
    image = open_image(content).convert("L")
    if kind == "other format":
        return encoded(image, str(random.choice(["BMP", "TIFF", "PPM"])))
    if kind == "JPEG anew":
        return encoded(image, "JPEG", quality=int(random.integers(50, 96)))
    if kind == "resized":
        factor = float(np.exp(random.uniform(np.log(0.5), np.log(2))))
        if round(image.width * factor) == image.width:  # the same size: an exact copy
            return fault(kind, content, random)
        return encoded(resized(image, factor, factor, random), "PNG")
    if kind == "brightened":
        levels = np.asarray(image) * random.uniform(0.9, 1.1) + random.uniform(-15, 15)
        return encoded(Image.fromarray(np.clip(np.rint(levels), 0, 255).astype(np.uint8)), "PNG")
    if kind == "blank":
        return encoded(Image.fromarray(blank(image, random)), "PNG")
    side = float(random.choice([0.25, 0.4, 2.5, 4]))
    long = float(random.choice([1, 1.5, 3]))
    return encoded(resized(image, side * long, side, random), "PNG")


def blank(image: Image.Image, random: np.random.Generator) -> np.ndarray:
    """Return one grey value, one with a little noise, black with specks, or all but saturated."""
    shape = (image.height, image.width)
    level = int(random.integers(0, 256))
    match int(random.integers(4)):
        case 0:
            return np.full(shape, level, np.uint8)
        case 1:
            noise = random.normal(level, random.uniform(0.5, 3), shape)
            return np.clip(np.rint(noise), 0, 255).astype(np.uint8)
        case 2:
            return np.where(random.random(shape) < 0.002, np.uint8(255), np.uint8(0))
        case _:
            dark = np.quantile(np.asarray(image), 0.005)
            return np.where(np.asarray(image) > dark, np.uint8(255), np.asarray(image)).astype(np.uint8)


def resized(image: Image.Image, across: float, down: float, random: np.random.Generator) -> Image.Image:
    size = (max(1, round(image.width * across)), max(1, round(image.height * down)))
    return image.resize(size, METHODS[int(random.integers(len(METHODS)))])


def encoded(image: Image.Image, kind: str, **options) -> bytes:
    buffer = BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def measure(source: Planted, kind: str, seed: int) -> dict:
    """Plant faults of a kind, and count what is found."""
    made_of = source.plant(kind, seed)
    subject = Subject(
        names=[item.name for item in source.items],
        labels=np.array([item.label for item in source.items]),
        classes=source.classes,
        parts=[item.part for item in source.items],
        groups=[item.name for item in source.items],
        facts=facts(source),
        used=np.ones(len(source.items), bool),
        notes=[],
    )
    check = KINDS[kind]
    flagged = {name: remark for found in CHECKS[check].find(subject) for name, remark in found.files}
    if check == "near":  # of a set of look-alikes the first is not listed: it is a false alarm all the same
        rows = np.sort(np.unique(subject.facts.digest, axis=0, return_index=True)[1])
        number, _ = alike(subject.facts.spectrum[rows])
        sets = rows[np.bincount(number)[number] > 1]
        flagged = {subject.where(row): "" for row in sets} | flagged
    result = {"seed": seed, **count(subject, made_of, flagged, pairs=check in ("exact", "near"))}
    if check == "near":
        result["hash"] = by_hash(source, made_of)
    return result


def count(subject: Subject, made_of: list[int], flagged: dict[str, str], pairs: bool) -> dict:
    first = len(subject.names) - len(made_of)
    expected = {subject.where(first + place): subject.where(row) if pairs else "" for place, row in enumerate(made_of)}
    found = [name for name, original in expected.items() if flagged.get(name, "-").endswith(original)]
    related = {*expected, *expected.values()}
    # Those that are flagged without any faults, too: in real data some may be faults.
    false = sorted(name for name in flagged if name not in related)
    return {"found": len(found) / len(made_of), "false_alarms": len(false) / first, "falsely_flagged": false[:20]}


def by_hash(source: Planted, made_of: list[int]) -> dict:
    """Return what a 64-bit perceptual hash finds, at the best distance with less than 1% false alarms."""
    bits = np.array([perceptual_hash(open_image(content)) for content in source.contents], np.float32)
    signs = 2 * bits - 1
    distance = (64 - signs @ signs.T) / 2
    np.fill_diagonal(distance, 64)
    first, best = source.originals, {"distance": None, "found": 0.0, "false_alarms": 0.0}
    planted = np.zeros(len(bits), bool)
    planted[[*made_of, *range(first, len(bits))]] = True
    for limit in range(17):
        found = float(np.mean(distance[np.arange(first, len(bits)), made_of] <= limit))
        flagged = (distance <= limit).any(axis=1)
        false = float((flagged & ~planted).sum() / first)
        if false < 0.01 and found > best["found"]:
            best = {"distance": limit, "found": found, "false_alarms": false}
    return best


def perceptual_hash(image: Image.Image) -> np.ndarray:
    """Return the bits of ``imagehash.phash``."""
    pixels = np.asarray(image.convert("L").resize((32, 32), Image.Resampling.LANCZOS), np.float64)
    low = dct(dct(pixels, axis=0), axis=1)[:8, :8]
    return (low > np.median(low)).reshape(-1)


def scale(images: int = 10_000, side: int = 224) -> dict:
    """Time the audit and the pixel cache on PNGs of smooth noise, in a process of their own."""
    code = (
        "import json, resource, sys, time\n"
        "from convstage.audit import audit\n"
        "from convstage.data import choose_geometry, open_source, read_images\n"
        "began = time.perf_counter()\n"
        "name, source = open_source(sys.argv[1])\n"
        "read_images(source, choose_geometry(source))\n"
        "cached = time.perf_counter()\n"
        "audit(source)\n"
        "done = time.perf_counter()\n"
        "again = audit(source) and time.perf_counter()\n"
        "print(json.dumps({'cache_s': round(cached - began, 1), 'audit_s': round(done - cached, 1),\n"
        "    'audit_again_s': round(again - done, 1),\n"
        "    'peak_mb': resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024}))\n"
    )
    with tempfile.TemporaryDirectory() as folder:
        for name in ("a", "b"):
            (Path(folder) / "data" / name).mkdir(parents=True)
        for index in range(images):
            random = np.random.default_rng(index)
            small = Image.fromarray(random.integers(0, 256, (14, 14), dtype=np.uint8)).resize((side, side))
            pixels = np.asarray(small) + random.normal(0, 4, (side, side))
            path = Path(folder) / "data" / "ab"[index % 2] / f"{index}.png"
            Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).save(path)
        run = subprocess.run(
            [sys.executable, "-c", code, str(Path(folder) / "data")],
            env=os.environ | {"CONVSTAGE_CACHE": str(Path(folder) / "cache")},
            capture_output=True,
            text=True,
            check=True,
        )
    return {"images": images, "side": side, "processors": os.cpu_count(), **json.loads(run.stdout)}


def table(result: dict) -> str:
    """Return what was found, means over the seeds, as a Markdown table."""
    names = list(result["data"])
    lines = [
        "| planted | " + " | ".join(f"{name}: found | false alarms | by hash" for name in names) + " |",
        "|---" * (1 + 3 * len(names)) + "|",
    ]
    for kind in KINDS:
        cells = []
        for name in names:
            runs = result["data"][name][kind]
            found, false = (np.mean([run[key] for run in runs]) for key in ("found", "false_alarms"))
            hashed = f"{np.mean([run['hash']['found'] for run in runs]):.1%}" if "hash" in runs[0] else "–"
            cells += [f"{found:.1%}", f"{false:.2%}", hashed]
        lines.append(f"| {kind} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--xray", help="The folder covid-xray.")
    parser.add_argument("--scale", action="store_true", help="Time 10,000 images, too.")
    given = parser.parse_args()
    data = {"digits": "digits", **({"covid-xray": given.xray} if given.xray else {})}
    result = {
        "what": str(__doc__).split("\n")[0],
        "machine": {"processor": processor()},
        "environment": environment(),
        "faults": FAULTS,
        "data": {},
    }
    if given.scale:
        result["scale"] = scale()
        print(result["scale"])
    with tempfile.TemporaryDirectory() as folder:
        os.environ["CONVSTAGE_CACHE"] = folder
        for name, path in data.items():
            source = Planted(open_source(path)[1])
            result["data"][name] = {kind: [measure(source, kind, seed) for seed in SEEDS] for kind in KINDS}
    RESULT.write_text(json.dumps(result, indent=1) + "\n")
    print(table(result))


if __name__ == "__main__":
    main()
