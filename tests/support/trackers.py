"""What trackers show of a training: read back from TensorBoard's event files, and from MLflow's store."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from convstage.run import Run
from convstage.tracking.mlflow import DEFAULTS, FILE
from convstage.tracking.tensorboard import FOLDER


@contextmanager
def mlflow_store(folder: Path) -> Iterator[None]:
    """Give MLflow a store of the tests' own, and leave its settings as they were.

    Files: MLflow calls them outdated, and asks for a word that one knows; but a data base takes seconds to make.
    """
    with pytest.MonkeyPatch.context() as patch:
        for name in (*DEFAULTS, "MLFLOW_EXPERIMENT_NAME", "MLFLOW_EXPERIMENT_ID"):
            patch.setenv(name, "")  # so that it is taken away in the end
            patch.delenv(name)
        patch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
        patch.setenv("MLFLOW_TRACKING_URI", folder.as_uri())
        yield


@dataclass(frozen=True)
class Shown:
    """What a tracker shows.

    Attributes
    ----------
    figures : dict
        Step and value of every figure, in the order they are kept in: what was told twice is here twice.
    settings : dict of str
        Hyperparameters, as texts.
    about : str
        All that is said of the run in words.
    """

    figures: dict[str, list[tuple[int, float]]]
    settings: dict[str, str]
    about: str


def of_tensorboard(run: Run) -> Shown:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

    events = EventAccumulator(str(run.path / FOLDER), size_guidance={"scalars": 0})
    events.Reload()
    figures = {name: [(event.step, event.value) for event in events.Scalars(name)] for name in events.Tags()["scalars"]}
    settings: dict[str, str] = {}
    for content in events.PluginTagToContent("hparams").values():
        begins = HParamsPluginData.FromString(content).session_start_info.hparams
        settings |= {name: value.string_value or f"{value.number_value:g}" for name, value in begins.items()}
    words = [tensor.tensor_proto.string_val[0].decode() for tensor in events.Tensors("run/text_summary")]
    return Shown(figures, settings, "\n".join(words))


def of_mlflow(run: Run) -> Shown:
    from mlflow import MlflowClient

    client = MlflowClient()
    name = json.loads((run.path / FILE).read_text())["run"]
    known = client.get_run(name)
    histories = {figure: client.get_metric_history(name, figure) for figure in known.data.metrics}
    figures = {figure: [(one.step, one.value) for one in history] for figure, history in histories.items()}
    words = "\n".join(f"{tag}: {text}" for tag, text in known.data.tags.items())
    return Shown(figures, dict(known.data.params), f"{words}\nstatus: {known.info.status}")


#: How to read back what each tracker was told.
READ: dict[str, Callable[[Run], Shown]] = {"tensorboard": of_tensorboard, "mlflow": of_mlflow}


def event_files(run: Run) -> list[Path]:
    return sorted((run.path / FOLDER).iterdir())
