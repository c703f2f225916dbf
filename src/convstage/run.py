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

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import records
from .environment import environment
from .errors import RunError, WriteError
from .files import (
    TEMPORARY,
    csv_text,
    parse_json,
    read_csv,
    read_json,
    read_tensors,
    write_json,
    write_tensors,
    write_text,
)
from .folders import check_new, new_folder

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

#: What a folder may hold that was cut off before training began.
_BEFORE = (SPLIT, UNREADABLE, RATES, AUDIT, SHORTCUT)
#: Settings that two runs of the same weights may differ in.
_ASIDE = ("name", "out", "threads", "device", "save_every", "audit", "report", "calibrate", "epochs", "patience", "log")
#: Keys of the tensor files' metadata: the description of the model, the position, and whose they are.
_DESCRIPTION, _POSITION, _IDENTITY = "convstage", "position", "run"
_ANEW = "Make it anew: convstage evaluate {}"
_RESTORE = "Restore it from a copy."
_COLUMNS = ("image", "truth", "prediction", "probability")
_PROBABILITIES = r"probability|p\(.*\)"


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
        return cls(new_folder(out, name, stem))

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
        for litter in self.path.rglob(f"{TEMPORARY}*"):
            with suppress(OSError):
                litter.unlink()

    @property
    def config(self) -> dict[str, Any]:
        """Everything that was resolved when training began."""
        return self._read(CONFIG, records.ConfigRecord)

    def write_config(self, **content: Any) -> None:
        """Store the settings, with versions and machine."""
        write_json(self.path / CONFIG, {"format": FORMAT, **content, "environment": environment()})

    def write_split(self, rows: Iterable[Mapping[str, str]]) -> None:
        """Store every image's name, SHA-256, class and part."""
        write_json(self.path / SPLIT, {"images": list(rows)})

    @property
    def split(self) -> list[dict[str, str]]:
        """Every image's name, SHA-256, class and part."""
        rows = list(self._read(SPLIT, records.SplitRecord)["images"])
        if self.is_begun and (unknown := {row["class"] for row in rows}.difference(self.config["model"]["classes"])):
            raise RunError(f"{self.path / SPLIT} has a class that {CONFIG} does not: {min(unknown)!r}.\n{_RESTORE}")
        return rows

    def write_unreadable(self, files: Sequence[tuple[str, str]]) -> None:
        """List files that could not be used, by path and reason; writes nothing when there are none."""
        if files:
            self._write_csv(UNREADABLE, ("file", "reason"), files)

    @property
    def unreadable(self) -> list[tuple[str, str]]:
        """Files that could not be used, by path and reason."""
        return [(row["file"], row["reason"]) for row in self._table(UNREADABLE, ("file", "reason")) or ()]

    def write_audit(self, audit: Mapping[str, Any]) -> None:
        """Store what may mislead in the data, see `convstage.audit`."""
        write_json(self.path / AUDIT, audit)

    @property
    def audit(self) -> dict[str, Any] | None:
        """What may mislead in the data; None when it was not audited."""
        if not (self.path / AUDIT).is_file():
            return None
        audit = self._read(AUDIT, records.AuditRecord)
        audit.setdefault("findings", [])
        return audit

    def write_shortcut(self, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
        """Store what the strongest shortcut alone predicts for every image."""
        self._write_csv(SHORTCUT, columns, rows)

    @property
    def shortcut(self) -> list[dict[str, str]] | None:
        """What the strongest shortcut alone predicts, as text; None when none was probed."""
        return self._table(SHORTCUT, ("image",), _PROBABILITIES)

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
        return read_csv(self.path / HISTORY, tuple(records.EpochRecord.model_fields), ".*")

    @cached_property
    def identity(self) -> str | None:
        """SHA-256 of what makes weights this run's: settings, model and images; None where they are not all there."""
        if not (self.is_begun and (self.path / SPLIT).is_file()):
            return None
        settings = {name: value for name, value in self.config["settings"].items() if name not in _ASIDE}
        images = [[row[name] for name in ("name", "sha256", "class", "part")] for row in self.split]
        return hashlib.sha256(json.dumps([settings, self.config["model"], images], sort_keys=True).encode()).hexdigest()

    def write_model(self, weights: Mapping[str, Tensor], description: Mapping[str, Any]) -> None:
        """Store weights with what it takes to use them: pattern, classes, preprocessing.

        A calibration was of other weights; it goes.
        """
        (self.path / CALIBRATION).unlink(missing_ok=True)
        told = json.dumps(description, ensure_ascii=False).encode("utf-8", "backslashreplace").decode("utf-8")
        self._write_tensors(MODEL, weights, {_DESCRIPTION: told})

    def read_model(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Return the best weights and what it takes to use them.

        Raises
        ------
        RunError
            No finished epoch, a damaged file, or one of another run.
        """
        if not (self.path / MODEL).is_file():
            raise RunError(f"{self.path} has no finished epoch yet.\nResume it: convstage train --resume {self.path}")
        tensors, described = self._read_tensors(MODEL, _DESCRIPTION, records.ModelRecord)
        known = {name: value for name, value in described.items() if name != "epoch"}
        if self.is_begun and known != self.config["model"]:
            raise self._foreign(MODEL)
        return tensors, {"epoch": 0, **described}

    def write_calibration(self, calibration: Mapping[str, Any]) -> None:
        """Store the temperature of the probabilities and what it was fitted to, see `convstage.calibration`."""
        write_json(self.path / CALIBRATION, calibration)

    @property
    def calibration(self) -> dict[str, Any] | None:
        """The temperature of the probabilities and what it was fitted to; None when they are as they come."""
        return self._read(CALIBRATION, records.CalibrationRecord) if (self.path / CALIBRATION).is_file() else None

    def write_last(self, tensors: Mapping[str, Tensor], position: Mapping[str, Any]) -> None:
        """Store where training stands, in one file, so that its parts cannot disagree."""
        self._write_tensors(LAST, tensors, {_POSITION: json.dumps(position, allow_nan=False)})

    def read_last(self) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
        """Return where training stood, None when it was stopped before the first checkpoint.

        Raises
        ------
        RunError
            A damaged file, or one of another run.
        """
        if not (self.path / LAST).is_file():
            return None
        return self._read_tensors(LAST, _POSITION, records.PositionRecord)

    def write_evaluation(
        self, metrics: Mapping[str, Any], columns: Sequence[str], rows: Iterable[Sequence[Any]]
    ) -> None:
        """Store figures and the predictions that they are of."""
        self.write_predictions(columns, rows)
        own = self._own
        with self._going_on():
            write_json(self.path / METRICS, {**metrics, **own})

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
        found = records.stored(self.path / METRICS, records.MetricsRecord, _ANEW.format(self.path))
        self._check_own(METRICS, found)
        return {name: value for name, value in found.items() if name != _IDENTITY}

    @property
    def predictions(self) -> list[dict[str, str]]:
        """Predictions of the last evaluation, as text."""
        return read_csv(self.path / PREDICTIONS, _COLUMNS, _PROBABILITIES, _ANEW.format(self.path))

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
        return path if (path := self.path / REPORT).is_file() else None

    def _repr_html_(self) -> str:
        from .show import notebook_html

        return notebook_html(self.path, self.metrics if self.has_metrics else None, self.report)

    def _write_csv(self, name: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
        with self._going_on():
            write_text(self.path / name, csv_text(columns, rows))

    def _table(self, name: str, columns: Sequence[str], numbers: str = "") -> list[dict[str, str]] | None:
        return read_csv(self.path / name, columns, numbers) if (self.path / name).is_file() else None

    def _read(self, name: str, shape: type[records.Record]) -> dict[str, Any]:
        return records.stored(self.path / name, shape)

    def _write_tensors(self, name: str, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> None:
        own = self._own  # a file that cannot be read is no failed write
        with self._going_on():
            write_tensors(self.path / name, tensors, {**metadata, **own})

    @property
    def _own(self) -> dict[str, str]:
        """What a file says that is this run's alone."""
        return {_IDENTITY: self.identity} if self.identity else {}

    def _read_tensors(
        self, name: str, key: str, shape: type[records.Record]
    ) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Return tensors and what is said of them; files of another run are refused."""
        tensors, metadata = read_tensors(self.path / name)
        if key not in metadata:
            raise RunError(f"{self.path / name} is another file under this name.\n{_RESTORE}")
        told = records.checked(self.path / name, parse_json(metadata[key], self.path / name), shape)
        self._check_own(name, metadata)
        return tensors, told

    def _check_own(self, name: str, told: Mapping[str, Any]) -> None:
        """Refuse a file that says that it is another run's; of a run made before there was an identity, none does."""
        if told.get(_IDENTITY, self.identity) != self.identity and self.identity is not None:
            raise self._foreign(name)

    def _foreign(self, name: str) -> RunError:
        told = f"its settings, classes or images are not those of {CONFIG} and {SPLIT}"
        return RunError(f"{self.path / name} is of another run: {told}.\nPut back the files that belong together.")

    @contextmanager
    def _going_on(self) -> Iterator[None]:
        """Say of a failed write how to go on with the run."""
        try:
            yield
        except WriteError as error:
            if not self.is_begun:
                raise
            way = f"{error.hint}\nThen go on with: convstage train --resume {self.path}".lstrip()
            raise WriteError(error.filename, error, way) from None


def check_layout(path: str | Path, file: str, layout: int, what: str, command: str) -> None:
    """Refuse a folder that is none of ours, or of a layout that this version does not read."""
    try:
        is_there = (Path(path) / file).is_file()
    except OSError as error:
        raise RunError(f"{path} cannot be read: {error.strerror}.") from None
    if not is_there:
        if _is_cut_off(Path(path)):
            raise RunError(
                f"{path} was cut off before training began: there is nothing to go on with.\n"
                f"Remove it, and start anew: convstage {command}."
            )
        raise RunError(f"{path} is no {what}: it has no {file}.\nExpected a folder that convstage {command} made.")
    content = read_json(Path(path) / file)
    found = content.get("format") if isinstance(content, dict) else None
    if found != layout:
        raise RunError(f"{path} has layout {found}; this version of convstage reads layout {layout}.")


def _is_cut_off(path: Path) -> bool:
    """Whether a folder holds what a run begins with, and no more."""
    with suppress(OSError, ValueError):  # a path that no disk has is a ValueError
        names = [entry.name for entry in path.iterdir()]
        return bool(names) and all(name in _BEFORE or name.startswith(TEMPORARY) for name in names)
    return False


__all__ = ["Run", "check_layout", "check_new", "csv_text"]
