"""Every route of the application, found by walking its own table: what holds for one holds for the next one, too."""

from __future__ import annotations

import re

import pytest
from fastapi.routing import APIRoute, iter_route_contexts
from pydantic import BaseModel

from convstage.serve.problems import MEANINGS, MEDIA_TYPE
from convstage.serve.security import HEADERS

#: Something for every variable of an address; no route needs more than that to be found.
VARIABLES = {"index": "0", "id": "0" * 32, "layer": "input", "k": "0", "name": "index.html"}
DOCUMENT = "/api/openapi.json"


@pytest.fixture(scope="module")
def routes(client):
    found = [
        (method, re.sub(r"{(\w+)}", lambda match: VARIABLES[match[1]], route.path), route)
        for route in iter_route_contexts(client.app.routes)
        for method in sorted(route.methods)
    ]
    assert len(found) > 15
    assert {"/", "/api/run", DOCUMENT, "/metrics"} <= {path for _, path, _ in found}
    return found


def test_no_route_answers_another_host(client, routes):
    for method, path, _ in routes:
        for host in ("evil.example", "localhost.evil.example:8000", "127.0.0.1.nip.io", "0.0.0.0:8000", "[::2]"):
            answer = client.request(method, path, headers={"Host": host})
            assert answer.status_code == 403, (method, path, host)
            assert "another host" in answer.text or method == "HEAD"


def test_nothing_that_changes_anything_is_done_for_another_origin(client, routes):
    changing = [(method, path) for method, path, _ in routes if method not in ("GET", "HEAD")]
    assert len(changing) >= 6
    for method, path in changing:
        for origin in ("null", "http://evil.example", "https://localhost:8000", "http://localhost:3000", "file://"):
            answer = client.request(method, path, headers={"Origin": origin}, json={})
            assert answer.status_code == 403, (path, origin)
        assert client.request(method, path, headers={"Sec-Fetch-Site": "cross-site"}, json={}).status_code == 403
        own = client.request(method, path, headers={"Origin": "http://localhost:8000"}, json={})
        assert own.status_code != 403, path


def test_every_answer_has_the_headers(client, routes):
    asked = [client.request(method, path) for method, path, _ in routes]
    asked += [client.get("/nowhere"), client.post("/", json={}), client.get("/", headers={"Host": "evil.example"})]
    for answer in asked:
        for name, value in HEADERS.items():
            assert answer.headers.get_list(name) == [value], (answer.request.url, name)
        assert answer.headers["Cache-Control"]
        assert "server" not in answer.headers
        assert "access-control-allow-origin" not in answer.headers


def test_errors_are_problems_on_every_route(client, routes):
    for method, path, _ in routes:
        if method == "POST":
            answers = [client.post(path, json={"no": "such thing"}), client.post(path, content=b"x")]
        else:
            answers = [client.request("DELETE", path)]
        for answer in answers:
            assert answer.status_code in MEANINGS, path
            assert answer.headers["content-type"] == MEDIA_TYPE
            problem = answer.json()
            assert {"type", "title", "status", "detail", "instance"} <= set(problem)
            assert (problem["status"], problem["instance"]) == (answer.status_code, path)


def test_every_route_is_described(client, routes):
    described = client.get(DOCUMENT).json()
    for method, _, route in routes:
        if method == "HEAD" or route.path == DOCUMENT:
            continue
        assert isinstance(route.original_route, APIRoute)
        operation = described["paths"][route.path][method.lower()]
        assert operation["description"]
        answers = operation["responses"]
        assert {"200", "400", "403", "500"} <= set(answers)
        for status, answer in answers.items():
            if int(status) >= 400:
                assert list(answer["content"]) == [MEDIA_TYPE], (route.path, status)
                assert answer["content"][MEDIA_TYPE]["schema"]["$ref"].endswith("/ProblemBody")
        if "application/json" in answers["200"].get("content", {}):
            assert issubclass(route.original_route.response_model, BaseModel), route.path
        if method == "POST":
            assert {"422", "413"} <= set(answers), route.path


def test_every_body_has_examples_that_fit(client, routes):
    described = client.get(DOCUMENT).json()
    schemas = described["components"]["schemas"]

    def resolved(schema):
        return schemas[schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema

    for method, _, route in routes:
        if method == "HEAD" or route.path == DOCUMENT:
            continue
        operation = described["paths"][route.path][method.lower()]
        bodies = [operation["responses"]["200"]]
        bodies += [operation["requestBody"]] if method == "POST" else []
        for body in bodies:
            content = body["content"].get("application/json")
            if content is not None:
                assert resolved(content["schema"]).get("examples"), f"{method} {route.path} has no example"
        model = getattr(route.original_route, "response_model", None)
        if model is not None:
            for example in model.model_config["json_schema_extra"]["examples"]:
                model.model_validate(example)


def test_no_route_takes_a_path_or_an_address(client, routes):
    """Names of parameters that would say so; what is taken for a file name is refused by the tests of each route."""
    described = client.get(DOCUMENT).json()
    named = {
        parameter["name"]
        for operations in described["paths"].values()
        for operation in operations.values()
        for parameter in operation.get("parameters", ())
    }
    assert named == {"part", "offset", "limit", "index", "id", "layer", "k", "rows", "columns", "name"}


def test_the_page_is_a_list_of_files(client):
    page = client.get("/")
    assert page.status_code == 200
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert page.text == client.get("/static/index.html").text
    script = client.get("/static/app.js")
    assert script.headers["content-type"] == "text/javascript; charset=utf-8"
    again = client.get("/static/app.js", headers={"If-None-Match": script.headers["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    for name in ("../app.py", "..%2fapp.py", "%2e%2e/app.py", "/etc/passwd", "app.py", "static", ".", "APP.JS"):
        assert client.get(f"/static/{name}").status_code == 404, name


def test_no_page_of_ours_loads_anything_from_elsewhere(client):
    for path in ("/docs", "/redoc", "/openapi.json"):
        assert client.get(path).status_code == 404
    assert client.get("/api/run/").status_code == 404, "a redirect would repeat the Host"


def test_readiness_follows_the_lifespan(trained):
    from convstage.serve import make_app
    from support.asking import client_of

    app = make_app(trained)
    assert not app.state.readiness.ready
    with client_of(app) as client:
        assert client.get("/health/ready").status_code == 200
        app.state.readiness.down("stopping")
        refused = client.get("/health/ready")
        assert (refused.status_code, refused.headers["Retry-After"]) == (503, "1")
        assert "stopping" in refused.json()["detail"]
        assert client.get("/health/live").status_code == 200
        app.state.readiness.up()
    assert not app.state.readiness.ready


def test_the_numbers_of_the_server_are_for_prometheus(client):
    client.post("/api/predict", json={"indices": [0]})
    answer = client.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=")
    assert 'convstage_requests_total{method="POST",route="/api/predict",status="200"}' in answer.text


def test_what_is_served_is_told(client, trained):
    about = client.get("/api/run").json()
    assert about["name"] == trained.path.name
    assert about["classes"] == ["0-healthy", "1-corona"]
    assert about["input"] == {"height": 24, "width": 24, "channels": 1}
    assert [stage["name"] for stage in about["stages"]] == ["stage1", "flatten", "fc1", "classifier"]
    assert about["stages"][0]["steps"] == ["stage1.conv", "stage1.relu", "stage1.pool"]
    assert {method["name"] for method in about["methods"]} >= {"trace-back", "grad-cam"}
    loopy = next(kernel for kernel in about["kernels"] if kernel["name"] == "loopy")
    assert (loopy["rows"][1][1], loopy["denominator"]) == ("-1/9", 9)
    assert sum(about["images"].values()) == 40
    assert about["figures"]["accuracy"]["value"] == 1.0
    assert about["verdict"]
    assert about["plan"]["totals"]["parameters"] == 40 + 576 * 8 + 8 + 18
    assert about["limits"]["images"] == 64
