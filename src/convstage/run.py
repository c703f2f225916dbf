"""The run folder: the only code that knows its files.

    config.json          everything resolved: settings, pattern, classes, preprocessing, versions
    split.json           every image, its SHA-256, its class and its part
    unreadable.csv       files that could not be used, each with the reason; only when there are any
    lr-finder.csv        what the search for the learning rate has tried; only with --find-lr
    history.csv          one line per epoch
    model.safetensors    the best epoch's weights; enough on its own to predict
    last.safetensors     where training stands: weights, optimizer, position; resumes to the identical result
    calibration.json     the temperature that probabilities are corrected by; only after --calibrate
    metrics.json         figures of the evaluation
    predictions.csv      every test image: truth, prediction, probabilities
    report.html          all of this as one page that needs no other file
    CARD.md              the model card
    features/            what the filters have learned: page, sheets, data; only after `convstage features`
    explanations/<image>/  page and pictures of `convstage explain`
    evaluations/<data>/  the same two for other data or another part

Every file is written whole or not at all; tensors carry a digest.
"""

from __future__ import annotations

import csv
import io
import json
import os
import platform
import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import ConfigError, RunError
from .files import TEMPORARY, read_json, read_tensors, write_json, write_tensors, write_text

if TYPE_CHECKING:
    from torch import Tensor

#: Layout of the folder; raised when an older convstage could not read it.
FORMAT = 1

CONFIG = "config.json"
SPLIT = "split.json"
UNREADABLE = "unreadable.csv"
HISTORY = "history.csv"
MODEL = "model.safetensors"
LAST = "last.safetensors"
CALIBRATION = "calibration.json"
METRICS = "metrics.json"
PREDICTIONS = "predictions.csv"
AUDIT = "audit.json"
SHORTCUT = "shortcut.csv"
RATES = "lr-finder.csv"
REPORT = "report.html"
CARD = "CARD.md"


@dataclass(frozen=True)
class Run:
    """A run folder.

    Attributes
    ----------
    path : Path
        The folder.
    """

    path: Path

    @classmethod
    def create(cls, out: str | Path, name: str | None, stem: str) -> Run:
        """Make a new run folder: `name`, or `stem` with the next free number."""
        check_new(out, name)
        stem = re.sub(r"[^\w.-]+", "-", stem).strip("-.") or "run"
        names = [name] if name is not None else (f"{stem}-{number}" for number in count(1))
        try:
            Path(out).mkdir(parents=True, exist_ok=True)
            for candidate in names:
                with suppress(FileExistsError):
                    (Path(out) / candidate).mkdir()
                    return cls(Path(out) / candidate)
        except OSError as error:
            raise _unwritable(out, error.strerror) from None
        raise _exists(Path(out) / str(name))

    @classmethod
    def open(cls, path: str | Path) -> Run:
        """Open an existing run folder.

        Raises
        ------
        RunError
            No run folder, or one of a later layout.
        """
        check_layout(path, CONFIG, FORMAT, "run folder", "train")
        return cls(Path(path))

    def sweep(self) -> None:
        """Remove the temporary files of writes that were cut off by a crash."""
        for litter in self.path.glob(f"{TEMPORARY}*"):
            litter.unlink(missing_ok=True)

    @property
    def config(self) -> dict[str, Any]:
        """Everything that was resolved when training began."""
        return dict(read_json(self.path / CONFIG))

    def write_config(self, **content: Any) -> None:
        """Store the settings, with versions and machine."""
        write_json(self.path / CONFIG, {"format": FORMAT, **content, "environment": environment()})

    def write_split(self, rows: Iterable[Mapping[str, str]]) -> None:
        """Store every image's name, SHA-256, class and part."""
        write_json(self.path / SPLIT, {"images": list(rows)})

    @property
    def split(self) -> list[dict[str, str]]:
        """Every image's name, SHA-256, class and part."""
        return list(read_json(self.path / SPLIT)["images"])

    def write_unreadable(self, files: Sequence[tuple[str, str]]) -> None:
        """List files that could not be used, by path and reason; writes nothing when there are none."""
        if files:
            self._write_csv(UNREADABLE, ("file", "reason"), files)

    @property
    def unreadable(self) -> list[tuple[str, str]]:
        """Files that could not be used, by path and reason."""
        listed = self._read_csv(UNREADABLE) if (self.path / UNREADABLE).is_file() else []
        return [(row["file"], row["reason"]) for row in listed]

    def write_audit(self, audit: Mapping[str, Any]) -> None:
        """Store what may mislead in the data, see `convstage.audit`."""
        write_json(self.path / AUDIT, audit)

    @property
    def audit(self) -> dict[str, Any] | None:
        """What may mislead in the data; None when it was not audited."""
        return dict(read_json(self.path / AUDIT)) if (self.path / AUDIT).is_file() else None

    def write_shortcut(self, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
        """Store what the strongest shortcut alone predicts for every image."""
        self._write_csv(SHORTCUT, columns, rows)

    @property
    def shortcut(self) -> list[dict[str, str]] | None:
        """What the strongest shortcut alone predicts, as text; None when none was probed."""
        return self._read_csv(SHORTCUT) if (self.path / SHORTCUT).is_file() else None

    def write_rates(self, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
        """Store what the search for the learning rate has tried."""
        self._write_csv(RATES, columns, rows)

    def write_history(self, history: Sequence[Mapping[str, Any]]) -> None:
        """Store one line per epoch."""
        if history:
            self._write_csv(HISTORY, tuple(history[0]), [tuple(row.values()) for row in history])

    @property
    def history(self) -> list[dict[str, str]]:
        """One line per epoch, as text."""
        return self._read_csv(HISTORY)

    def write_model(self, weights: Mapping[str, Tensor], description: Mapping[str, Any]) -> None:
        """Store weights with what it takes to use them: pattern, classes, preprocessing.

        A calibration was of other weights; it goes.
        """
        (self.path / CALIBRATION).unlink(missing_ok=True)
        metadata = {"convstage": json.dumps(description, ensure_ascii=False)}
        write_tensors(self.path / MODEL, weights, metadata)

    def read_model(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Return the best weights and what it takes to use them."""
        if not (self.path / MODEL).is_file():
            raise RunError(f"{self.path} has no finished epoch yet.\nResume it: convstage train --resume {self.path}")
        tensors, metadata = read_tensors(self.path / MODEL)
        return tensors, dict(json.loads(metadata["convstage"]))

    def write_calibration(self, calibration: Mapping[str, Any]) -> None:
        """Store the temperature of the probabilities and what it was fitted to, see `convstage.calibration`."""
        write_json(self.path / CALIBRATION, calibration)

    @property
    def calibration(self) -> dict[str, Any] | None:
        """The temperature of the probabilities and what it was fitted to; None when they are as they come."""
        return dict(read_json(self.path / CALIBRATION)) if (self.path / CALIBRATION).is_file() else None

    def write_last(self, tensors: Mapping[str, Tensor], position: Mapping[str, Any]) -> None:
        """Store where training stands, in one file, so that its parts cannot disagree."""
        write_tensors(self.path / LAST, tensors, {"position": json.dumps(position)})

    def read_last(self) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
        """Return where training stood, None when it was stopped before the first checkpoint."""
        if not (self.path / LAST).is_file():
            return None
        tensors, metadata = read_tensors(self.path / LAST)
        return tensors, dict(json.loads(metadata["position"]))

    def write_evaluation(
        self, metrics: Mapping[str, Any], columns: Sequence[str], rows: Iterable[Sequence[Any]]
    ) -> None:
        """Store the figures and the predictions that they were computed from."""
        self.write_predictions(columns, rows)
        write_json(self.path / METRICS, metrics)

    def write_predictions(self, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
        """Store every prediction."""
        self._write_csv(PREDICTIONS, columns, rows)

    def evaluation(self, stem: str) -> Run:
        """Return the folder for an evaluation on other data: ``evaluations/<stem>``, made anew."""
        folder = self.path / "evaluations" / stem
        folder.mkdir(parents=True, exist_ok=True)
        return Run(folder)

    @property
    def is_begun(self) -> bool:
        """Whether it holds all that is needed to go on."""
        return (self.path / CONFIG).is_file()

    @property
    def has_metrics(self) -> bool:
        """Whether it has been evaluated."""
        return (self.path / METRICS).is_file()

    @property
    def metrics(self) -> dict[str, Any]:
        """Figures of the last evaluation."""
        return dict(read_json(self.path / METRICS))

    @property
    def predictions(self) -> list[dict[str, str]]:
        """Predictions of the last evaluation, as text."""
        return self._read_csv(PREDICTIONS)

    def write_report(self, html: str) -> None:
        """Store the report, see `convstage.report`."""
        write_text(self.path / REPORT, html)

    @property
    def card(self) -> str | None:
        """The model card; None when none was written."""
        try:
            return (self.path / CARD).read_text(encoding="utf-8")
        except FileNotFoundError:
            return None
        except (OSError, UnicodeDecodeError) as error:
            raise RunError(f"{self.path / CARD} cannot be read: {error}.") from None

    def write_card(self, text: str) -> None:
        """Store the model card."""
        write_text(self.path / CARD, text)

    @property
    def report(self) -> Path | None:
        """The report; None when none was written."""
        return self.path / REPORT if (self.path / REPORT).is_file() else None

    def _repr_html_(self) -> str:
        from .show import notebook_html

        return notebook_html(self.path, self.metrics if self.has_metrics else None, self.report)

    def _write_csv(self, name: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
        write_text(self.path / name, csv_text(columns, rows))

    def _read_csv(self, name: str) -> list[dict[str, str]]:
        try:
            with open(self.path / name, encoding="utf-8", newline="") as file:
                return list(csv.DictReader(file))
        except OSError as error:
            raise RunError(f"{self.path / name} cannot be read: {error.strerror}.") from None


def check_layout(path: str | Path, file: str, layout: int, what: str, command: str) -> None:
    """Refuse a folder that is none of ours, or of a layout that this version does not read."""
    if not (Path(path) / file).is_file():
        raise RunError(f"{path} is no {what}: it has no {file}.\nExpected a folder that convstage {command} made.")
    found = read_json(Path(path) / file).get("format")
    if found != layout:
        raise RunError(f"{path} has layout {found}; this version of convstage reads layout {layout}.")


def check_new(out: str | Path, name: str | None) -> None:
    """Refuse a run folder that could not be made, before any work is done for it; makes nothing."""
    if name is not None and (not re.fullmatch(r"[^/\\\0]{1,200}", name) or name in (".", "..")):
        raise ConfigError(f"name = {name!r}: a run's name must be a folder's name, without slashes.")
    out = Path(out)
    if name is not None and (out / name).exists():
        raise _exists(out / name)
    parent = next(folder for folder in (out, *out.absolute().parents) if folder.exists())
    if not parent.is_dir():
        raise _unwritable(out, f"{parent} is not a folder")
    if not os.access(parent, os.W_OK):
        raise _unwritable(out, f"{parent} cannot be written to")


def _exists(path: Path) -> RunError:
    return RunError(f"{path} exists already.\nChoose another --name, or go on with it: convstage train --resume {path}")


def _unwritable(out: str | Path, reason: str | None) -> RunError:
    return RunError(f"no run folder can be made in {out}: {reason}.\nChoose another place with --out.")


def csv_text(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Return a table as CSV text."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    return buffer.getvalue()


def environment() -> dict[str, Any]:
    """Return what a result may depend on: versions, processor, threads, stage implementation."""
    from importlib.metadata import version

    import torch

    from . import stage

    packages = ("convstage", "torch", "numpy", "pillow", "scikit-learn")
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "versions": {name: version(name) for name in packages},
        "threads": torch.get_num_threads(),
        "stage": stage.active().name,
    }
