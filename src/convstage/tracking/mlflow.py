"""MLflow: a run on whatever server or file MLflow's own settings name, ``MLFLOW_TRACKING_URI`` first.

The run folder remembers which one, so that a training that goes on is told to the same run.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping

from ..files import write_json
from ..records import Name, Record, stored
from .tracker import Ended, Told, Tracker

#: The file in a run folder that says which run it is on the server. Not where the server is: that may hold a password.
FILE = "mlflow.json"
#: The experiment, where MLFLOW_EXPERIMENT_NAME and MLFLOW_EXPERIMENT_ID say none.
EXPERIMENT = "convstage"
#: MLflow's settings, unless they have values already. A server that is gone must not hold up a training for minutes,
#: or of several processes the others would take this one for dead; and nothing is told to MLflow's makers.
DEFAULTS = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_DISABLE_TELEMETRY": "true",
}
STATUS = {Ended.FINISHED: "FINISHED", Ended.STOPPED: "KILLED", Ended.FAILED: "FAILED"}
#: So many parameters are taken at once.
BATCH = 100


class Known(Record):
    """What `FILE` holds."""

    run: Name


class MLflow(Tracker):
    """Parameters, metrics, and tags that say what it is and where the run folder lies."""

    def __init__(self, told: Told) -> None:
        for name, value in DEFAULTS.items():
            os.environ.setdefault(name, value)
        from mlflow import MlflowClient
        from mlflow.entities import Param

        self.client = MlflowClient()
        file = told.run.path / FILE
        self.goes_on = file.is_file()
        self._steps: dict[str, set[int]] = {}
        if self.goes_on:
            self.id = str(stored(file, Known)["run"])
            self.client.update_run(self.id, status="RUNNING")
            return
        tags = {f"convstage.{name}": text for name, text in told.about.items()}
        made = self.client.create_run(self._experiment(), tags=tags, run_name=told.run.path.name)
        self.id = str(made.info.run_id)
        write_json(file, {"run": self.id})
        params = [Param(name, str(value)) for name, value in told.settings.items()]
        for start in range(0, len(params), BATCH):
            self.client.log_batch(self.id, params=params[start : start + BATCH])

    def _experiment(self) -> str:
        if number := os.environ.get("MLFLOW_EXPERIMENT_ID"):
            return number
        name = os.environ.get("MLFLOW_EXPERIMENT_NAME") or EXPERIMENT
        found = self.client.get_experiment_by_name(name)
        return str(found.experiment_id if found else self.client.create_experiment(name))

    def steps(self, name: str) -> set[int]:
        if name not in self._steps and self.goes_on:
            self._steps[name] = {metric.step for metric in self.client.get_metric_history(self.id, name)}
        return self._steps.get(name, set())

    def figures(self, values: Mapping[str, float], epoch: int) -> None:
        from mlflow.entities import Metric

        now = round(1000 * time.time())
        self.client.log_batch(self.id, metrics=[Metric(name, value, now, epoch) for name, value in values.items()])

    def close(self, ended: Ended) -> None:
        self.client.set_terminated(self.id, STATUS[ended])
