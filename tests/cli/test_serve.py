"""``convstage serve``: its options, and what it says before it starts."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from convstage.cli import cli
from convstage.errors import ConfigError, RunError
from convstage.serve import run as serving
from convstage.serve.run import host_name, listen, url


def run(*arguments: object) -> Result:
    return CliRunner().invoke(cli, ["serve", *map(str, arguments)])


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> list[dict]:
    """Return what would be served, instead of serving it."""
    from convstage.serve import lifecycle

    calls: list[dict] = []

    class Server:
        def __init__(self, app, readiness, started) -> None:
            calls.append({"app": app, "readiness": readiness, "started": started})

        def run(self, sockets: list[socket.socket]) -> None:
            calls[-1]["place"] = sockets[0].getsockname()
            calls[-1]["started"]()

    monkeypatch.setattr(lifecycle, "Server", Server)
    monkeypatch.setenv("OMP_WAIT_POLICY", "ACTIVE")
    return calls


def test_it_serves_this_machine_only(trained, served) -> None:
    result = run(trained.path, "--port", "0")
    assert result.exit_code == 0, result.output
    (call,) = served
    host, port = call["place"]
    assert result.stdout == f"{trained.path} at http://127.0.0.1:{port} (stop with Ctrl-C)\n"
    assert result.stderr == ""
    assert host == "127.0.0.1"
    assert call["app"].hosts == ("localhost", "127.0.0.1", "[::1]")
    assert call["app"].state.readiness is call["readiness"]


def test_other_machines_are_warned_of(trained, served) -> None:
    result = run(trained.path, "--port", "0", "--host", "0.0.0.0", "--allow-host", "Lab.example.org")
    assert "other machines can reach this server. It has no password and no encryption" in result.stderr
    assert "localhost, 127.0.0.1, [::1], lab.example.org; --allow-host adds one." in result.stderr
    assert f"at http://127.0.0.1:{served[0]['place'][1]} " in result.stdout
    assert served[0]["app"].hosts == ("localhost", "127.0.0.1", "[::1]", "lab.example.org")


def test_the_page_is_opened_when_asked_for(trained, served, monkeypatch) -> None:
    import threading

    opened, done = [], threading.Event()
    monkeypatch.setattr("webbrowser.open", lambda address: (opened.append(address), done.set()))
    run(trained.path, "--port", "0", "--open")
    assert done.wait(10)
    assert opened == [f"http://127.0.0.1:{served[0]['place'][1]}"]


def test_no_run_folder(tmp_path: Path, served) -> None:
    result = run(tmp_path)
    assert isinstance(result.exception, RunError)
    assert not served


def test_what_is_missing_is_named_with_the_way_out(trained, served, monkeypatch) -> None:
    monkeypatch.setattr(serving, "NEEDED", {"no_such_module": "no-such-package", "click": "click"})
    result = run(trained.path)
    assert isinstance(result.exception, ConfigError)
    assert str(result.exception) == (
        "the server needs no-such-package, which is not installed.\n"
        "Install what it needs: pip install 'convstage[serve]'"
    )
    assert not served


def test_ports_are_numbers_that_exist(trained) -> None:
    result = run(trained.path, "--port", "65536")
    assert result.exit_code == 2
    assert "--port" in result.stderr


@pytest.mark.parametrize("text", ["http://lab", "lab:80", "a b", "", "*", "lab/..", "[zz]", "<script>", "-a"])
def test_what_is_no_name_is_refused(trained, served, text: str) -> None:
    result = run(trained.path, "--allow-host", text)
    assert isinstance(result.exception, ConfigError)
    assert f"without a port; got {text!r}." in str(result.exception)
    assert not served


@pytest.mark.parametrize(
    ("text", "name"), [("LAB", "lab"), ("10.0.0.7", "10.0.0.7"), ("::1", "[::1]"), ("[FE80::1]", "[fe80::1]")]
)
def test_names_are_as_a_host_header_has_them(text: str, name: str) -> None:
    assert host_name(text) == name


def test_an_address_that_is_not_this_machines() -> None:
    with pytest.raises(ConfigError, match=r"--host 192.0.2.1: that is no address of this machine.\nUse 127.0.0.1"):
        listen("192.0.2.1", 0)
    for host in ("no such name", "x" * 300):
        with pytest.raises(ConfigError, match=r"there is no such address.\nUse 127.0.0.1"):
            listen(host, 0)


def test_a_port_that_was_bound_but_not_listened_on_is_found_out_when_it_starts(trained, monkeypatch) -> None:
    def taken(*_: object) -> None:
        raise OSError(98, "Address already in use")

    monkeypatch.setattr(serving, "_serve", taken)
    assert "is in use by another program" in str(run(trained.path, "--port", "0").exception)


def test_nobody_can_connect_before_it_is_ready() -> None:
    with listen("127.0.0.1", 0) as listener, pytest.raises(ConnectionRefusedError):
        socket.create_connection(listener.getsockname())


def test_a_browser_on_this_machine_finds_every_address() -> None:
    for host, shown in (("127.0.0.1", "127.0.0.1"), ("0.0.0.0", "127.0.0.1"), ("localhost", "127.0.0.1")):
        with listen(host, 0) as listener:
            assert url(listener) == f"http://{shown}:{listener.getsockname()[1]}"
    if socket.has_ipv6:
        with listen("::1", 0) as listener:
            assert url(listener) == f"http://[::1]:{listener.getsockname()[1]}"
