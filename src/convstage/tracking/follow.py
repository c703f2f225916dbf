"""A training is followed by trackers: who is told what, and when. One that fails is left out, and the training goes on.

Names of figures are the same everywhere: ``train/loss``, ``val/balanced_accuracy``, ``learning_rate``, and at the end
``test/accuracy`` with ``test/accuracy_low`` and ``test/accuracy_high``, its interval. The step is the epoch.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from importlib.metadata import version
from typing import Any

from ..checkpoint import State
from ..config import Config
from ..data import Dataset
from ..errors import TrainingError
from ..figures import OVERALL
from ..loop import AfterEpoch
from ..pattern import Plan
from ..recipe import learning_rate
from ..run import Run
from ..terminal import console
from ..text import cut, shown
from .filters import FILTERS, filter_grid
from .registry import TRACKERS, check
from .tracker import Ended, Told, Tracker, Value

#: The filters are shown about so many times in a training.
PICTURES = 20
#: Settings that say where things lie, or who is told; not hyperparameters.
_ASIDE = ("name", "out", "log")


class Log:
    """The trackers of a training.

    Parameters
    ----------
    names : sequence of str
        Of `TRACKERS`.
    told : Told
        What they begin with.
    config : Config
        Settings, with a batch size.
    images : int
        Of the training part.
    state : State
        Its history has the epochs that are done; its model is looked at after each epoch.
    """

    def __init__(self, names: Sequence[str], told: Told, config: Config, images: int, state: State) -> None:
        assert config.batch_size is not None
        self.config, self.state = config, state
        self.steps = -(-images // config.batch_size)
        self.trackers: dict[str, Tracker] = {}
        for name in names:
            with self._spared(name):
                self.trackers[name] = TRACKERS[name].begin(told)
        for row in state.position.history:  # what a training that was killed had not told of yet
            self._figures(self._of_epoch(row), int(row["epoch"]))

    @contextmanager
    def _spared(self, name: str) -> Iterator[None]:
        """Say that a tracker has failed, once, and go on without it."""
        try:
            yield
        except Exception as error:
            failed = self.trackers.pop(name, None)
            reason = cut(shown(str(error).strip().partition("\n")[0]), 200).rstrip(".") or type(error).__name__
            told = f"{TRACKERS[name].title}: {reason}.\nThe training goes on without it."
            console.print(told, highlight=False, markup=False, soft_wrap=True)
            if failed is not None:
                with suppress(Exception):
                    failed.close(Ended.FAILED)

    def _figures(self, values: Mapping[str, float], epoch: int) -> None:
        for name, tracker in list(self.trackers.items()):
            with self._spared(name):
                new = {figure: value for figure, value in values.items() if epoch not in tracker.steps(figure)}
                if new:
                    tracker.figures(new, epoch)

    def _of_epoch(self, row: Mapping[str, float]) -> dict[str, float]:
        """Return the figures of a line of the history, under their names here, with its last learning rate."""
        last = int(row["epoch"]) * self.steps - 1
        rate = learning_rate(last, self.steps * self.config.epochs, self.config.learning_rate)
        figures = {
            name.replace("_", "/", 1) if name.startswith(("train_", "val_")) else name: float(value)
            for name, value in row.items()
            if name != "epoch"
        }
        return {**figures, "learning_rate": rate}

    def epoch(self, row: Mapping[str, float]) -> None:
        """Tell of an epoch that is done and saved."""
        if not self.trackers:
            return
        epoch = int(row["epoch"])
        if epoch % -(-self.config.epochs // PICTURES) == 0 or epoch == 1:
            self._picture(epoch)
        self._figures(self._of_epoch(row), epoch)

    def _picture(self, epoch: int) -> None:
        grid = filter_grid(self.state.model)
        for name, tracker in list(self.trackers.items()):
            if grid is not None:
                with self._spared(name):
                    tracker.picture(FILTERS, grid, epoch)

    def before(self, after_epoch: AfterEpoch | None) -> AfterEpoch:
        """Return what tells the trackers of an epoch, and then whoever else is to be told, who may end the training."""

        def tell(row: Mapping[str, float]) -> None:
            self.epoch(row)
            if after_epoch is not None:
                after_epoch(row)

        return tell

    def test(self, metrics: Mapping[str, Any]) -> None:
        """Tell of the test: the figures of all images together, with their intervals."""
        known = {name: metrics[name] for name in OVERALL if metrics.get(name) is not None}
        values = {
            f"test/{name}{end}": float(figure[key])
            for name, figure in known.items()
            for key, end in (("value", ""), ("low", "_low"), ("high", "_high"))
        }
        self._figures(values, len(self.state.position.history))

    def close(self, ended: Ended) -> None:
        """Come to an end, in whatever way."""
        while self.trackers:
            name, tracker = self.trackers.popitem()
            with self._spared(name):
                tracker.close(ended)


@contextmanager
def follow(names: Sequence[str], run: Run, config: Config, dataset: Dataset, plan: Plan, state: State) -> Iterator[Log]:
    """Have a training followed from wherever it stands.

    Parameters
    ----------
    names : sequence of str
        Trackers; none of a process that does not lead.
    run, config, dataset, plan
        What is trained, and how.
    state : State
        As it was restored.

    Raises
    ------
    ConfigError
        A tracker is not installed.
    """
    check(names)
    told = describe(run, config, dataset, plan, len(state.position.history)) if names else Told(run)
    log = Log(names, told, config, len(dataset.rows("train")), state)
    ended = Ended.STOPPED
    try:
        yield log
        ended = Ended.FINISHED
    except TrainingError:
        ended = Ended.FAILED
        raise
    finally:
        log.close(ended)


def describe(run: Run, config: Config, dataset: Dataset, plan: Plan, epochs: int) -> Told:
    """Return what trackers are told before the first epoch; all texts are such that any program takes them."""
    settings = {name: value for name, value in config.model_dump().items() if name not in _ASIDE and value is not None}
    costs = {"parameters": plan.parameters, "multiply_adds": plan.multiply_adds}
    images = {f"{part}_images": len(dataset.rows(part)) for part in ("train", "val", "test")}
    about = {
        "folder": str(run.path.absolute()),
        "data": dataset.source,
        "pattern": str(plan.pattern),
        "classes": ", ".join(dataset.classes),
        "version": version("convstage"),
    }
    tested = OVERALL if images["test_images"] else ()
    return Told(
        run,
        {name: _plain(value) for name, value in {**settings, **costs, **images}.items()},
        {name: shown(text) for name, text in about.items()},
        tuple(f"test/{name}" for name in tested),
        epochs,
    )


def _plain(value: Any) -> Value:
    """Return a setting as a number or a text."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        return value
    return shown(", ".join(map(str, value)) if isinstance(value, tuple) else str(value))
