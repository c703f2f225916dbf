"""TensorBoard, through torch's own writer: event files in the run folder, so that ``--logdir runs`` shows all runs."""

from __future__ import annotations

from collections.abc import Mapping

from ..pictures import Picture
from .tracker import Ended, Told, Tracker

#: Where the event files lie in a run folder.
FOLDER = "tensorboard"
#: The text that says what is trained; the last that is written before the first epoch.
ABOUT = "run"


class TensorBoard(Tracker):
    """Scalars, the filters as an image, hyperparameters, and where the run folder is."""

    def __init__(self, told: Told) -> None:
        from torch.utils.tensorboard import SummaryWriter
        from torch.utils.tensorboard.summary import hparams

        folder = told.run.path / FOLDER
        goes_on = folder.is_dir() and any(folder.iterdir())
        self._steps, has_begun = _known(str(folder)) if goes_on else ({}, False)
        # What was logged beyond the last checkpoint, as in a folder that was put back from a copy, is hidden.
        self.writer = SummaryWriter(str(folder), purge_step=told.epochs + 1 if goes_on else None)
        known = dict(told.settings), dict.fromkeys(told.results, 0.0)
        experiment, begins, self._ends = hparams(*known)  # type: ignore[no-untyped-call]
        if not has_begun:
            self._add(experiment)
            self._add(begins)
            # Indented by four, Markdown shows it as it is.
            lines = "\n".join(f"    {name}: {text}" for name, text in told.about.items())
            self.writer.add_text(ABOUT, lines)
            self.writer.flush()

    def _add(self, summary: object) -> None:
        """Write a part of the hyperparameters; `SummaryWriter.add_hparams` would make a folder of its own for them."""
        self.writer._get_file_writer().add_summary(summary)  # type: ignore[no-untyped-call]

    def steps(self, name: str) -> set[int]:
        return self._steps.get(name, set())

    def figures(self, values: Mapping[str, float], epoch: int) -> None:
        for name, value in values.items():
            self.writer.add_scalar(name, value, epoch)
        self.writer.flush()

    def picture(self, name: str, picture: Picture, epoch: int) -> None:
        self.writer.add_image(name, picture, epoch, dataformats="HWC")

    def close(self, ended: Ended) -> None:
        if ended is Ended.FINISHED:
            self._add(self._ends)
        self.writer.close()


def _known(folder: str) -> tuple[dict[str, set[int]], bool]:
    """Return the steps of every scalar that TensorBoard would show, and whether all is there that comes before them."""
    from tensorboard.backend.event_processing.event_accumulator import SCALARS, TENSORS, EventAccumulator

    events = EventAccumulator(folder, size_guidance={SCALARS: 0})
    events.Reload()
    tags = events.Tags()
    steps = {name: {event.step for event in events.Scalars(name)} for name in tags[SCALARS]}
    return steps, f"{ABOUT}/text_summary" in tags[TENSORS]
