"""The description of the API holds: whatever fits it, and much that does not, is answered as it says."""

from __future__ import annotations

import hypothesis
import pytest
import schemathesis
from hypothesis import HealthCheck
from hypothesis import strategies as st
from schemathesis.checks import CHECKS, load_all_checks
from schemathesis.generation import GenerationMode

from convstage.serve.problems import MEDIA_TYPE

load_all_checks()

#: What must hold of every answer.
HOLDS = [
    CHECKS.get_one(name)
    for name in (
        "not_a_server_error",
        "status_code_conformance",
        "content_type_conformance",
        "response_headers_conformance",
        "response_schema_conformance",
    )
]
#: And of those to requests that do not fit.
REFUSED = CHECKS.get_one("negative_data_rejection")
#: Requests of each operation; the same ones every time.
SETTINGS = hypothesis.settings(
    max_examples=25, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck), database=None
)
OPERATIONS = {
    ("GET", "/"),
    ("GET", "/static/{name}"),
    ("GET", "/api/run"),
    ("GET", "/api/images"),
    ("GET", "/api/images/{index}/thumbnail.png"),
    ("POST", "/api/predict"),
    ("POST", "/api/walk"),
    ("GET", "/api/walk/{id}/input.png"),
    ("GET", "/api/walk/{id}/maps/{layer}/{k}.png"),
    ("GET", "/api/walk/{id}/filters/{layer}/{k}.png"),
    ("GET", "/api/walk/{id}/values/{layer}/{k}"),
    ("POST", "/api/receipt"),
    ("POST", "/api/evidence"),
    ("POST", "/api/filter"),
    ("POST", "/api/plan"),
    ("POST", "/api/learn"),
    ("POST", "/api/learn/answer"),
    ("GET", "/health/live"),
    ("GET", "/health/ready"),
    ("GET", "/metrics"),
}


@pytest.fixture(scope="module")
def described(client):
    return schemathesis.openapi.from_dict(client.get("/api/openapi.json").json())


def test_all_operations_are_known(described):
    found = {(result.ok().method.upper(), result.ok().path) for result in described.get_all_operations()}
    assert found == OPERATIONS


#: What generated text hardly ever is: names that there are, and text that can be read.
KNOWN = {
    "layer": [
        "input",
        "stage1.conv",
        "stage1.relu",
        "stage1.pool",
        "flatten",
        "fc1",
        "fc1_relu",
        "classifier",
        "softmax",
    ],
    "name": ["index.html", "app.js"],
    "method": ["trace-back", "grad-cam", "occlusion"],
    "target": [None, "0-healthy", "1-corona"],
    "kernel": ["loopy", "sobel", "1 -1", "(1 2; 3 4)/9", "1/0", "1 2; 3"],
    "pattern": [
        "INPUT -> CONV(2) -> RELU -> POOL -> CLASSIFIER",
        "INPUT(9x9x3) -> [CONV -> RELU]*N -> POOL? -> CLASSIFIER(3)",
        "INPUT -> [POOL]*9 -> CLASSIFIER",
        "INPUT -> CONF",
    ],
    "input": [None, "12x12x1", "1x1x1"],
    "kind": [None, "convolution", "output-size"],
    "keep": [None, [True], [None]],
    "counts": [None, {"N": "1..2"}, {"N": "2"}],
    "k": [0, 1, 3, 4],
    "index": [0, 39, 40],
    "cell": [[0, 0, 0], [3, 4, 1], [5], [0, 0], None],
    "picture": [False],
}


@pytest.mark.parametrize(("method", "path"), sorted(OPERATIONS))
def test_answers_are_as_described(client, described, walk, method, path):
    @hypothesis.given(case=described[path][method].as_strategy(), data=st.data())
    @SETTINGS
    def ask(case, data):
        for part in (case.path_parameters, case.body):
            if not isinstance(part, dict):
                continue
            if "id" in part and data.draw(st.booleans()):
                part["id"] = walk["id"]
            for name in sorted(set(part) & set(KNOWN)):
                if data.draw(st.booleans()):
                    part[name] = data.draw(st.sampled_from(KNOWN[name]))
        check(client, case)

    ask()


@pytest.mark.parametrize("path", sorted(path for method, path in OPERATIONS if method == "POST"))
def test_what_does_not_fit_is_refused(client, described, path):
    strategy = described[path]["POST"].as_strategy(generation_mode=GenerationMode.NEGATIVE)

    @hypothesis.given(case=strategy)
    @SETTINGS
    def ask(case):
        # Of a form, it makes files that no client could send.
        hypothesis.assume(case.media_type == "application/json")
        check(client, case, REFUSED)

    ask()


def check(client, case, *more):
    sent = case.as_transport_kwargs(base_url="http://localhost:8000")
    taken = {name: sent[name] for name in ("params", "headers", "json", "files") if sent.get(name) is not None}
    if sent.get("data") is not None:
        taken["data" if isinstance(sent["data"], dict | list) else "content"] = sent["data"]
    answer = client.request(sent["method"], sent["url"], **taken)
    answer.request.read()  # which the checks look at, too
    case.validate_response(answer, checks=[*HOLDS, *more])
    if answer.status_code >= 400:
        assert answer.headers["content-type"] == MEDIA_TYPE
