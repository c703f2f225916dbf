"""A command in a fork ends, writes and finds its surroundings as one in an interpreter of its own does."""

import os
import signal
import subprocess
import sys

import pytest

PROGRAMS = {
    "well": "print('done')",
    "a code": "import sys; print('out'); sys.exit(3)",
    "nothing": "raise SystemExit",
    "a text": "import sys; sys.exit('that cannot be')",
    "an error": "1 / 0",
    "its own signal": "import os, signal; print('last', flush=True); os.kill(os.getpid(), signal.SIGKILL)",
    "afterwards": "import atexit; atexit.register(print, 'registered'); print('first')",
    "a thread": "import threading, time; threading.Thread(target=lambda: (time.sleep(0.1), print('late'))).start()",
}


@pytest.mark.parametrize("code", PROGRAMS.values(), ids=PROGRAMS)
def test_it_ends_and_writes_as_by_itself(convstage, code):
    forked = convstage.python(code)
    alone = subprocess.run([sys.executable, "-S", "-c", code], capture_output=True, text=True, check=False)
    assert (forked.returncode, forked.stdout) == (alone.returncode, alone.stdout)
    assert forked.stderr.splitlines()[-1:] == alone.stderr.splitlines()[-1:]


def test_folder_environment_and_arguments_are_its_own(convstage, tmp_path, monkeypatch):
    monkeypatch.setenv("OF_THE_TEST", "b\udcff")
    code = "import os, sys; print(os.getcwd(), os.environb[b'OF_THE_TEST'], os.environ['OF_IT'], sys.argv[1:])"
    told = convstage.python(code, "é", 2, cwd=tmp_path, environment={"OF_IT": "yes"})
    assert told.stdout == f"{tmp_path} b'b\\xff' yes ['é', '2']\n"
    assert "OF_IT" not in os.environ


def test_streams_together_are_in_order(convstage):
    told = convstage.python(
        "import sys\nfor n in range(4): print(n, file=(sys.stdout, sys.stderr)[n % 2])", together=True
    )
    assert (told.stdout, told.stderr) == ("0\n1\n2\n3\n", None)


def test_a_signal_from_outside_ends_it(convstage, tmp_path):
    script = tmp_path / "waits.py"
    script.write_text("import time; time.sleep(60)")
    process = convstage.start(script=script)
    os.kill(process.pid, signal.SIGTERM)
    assert process.wait().returncode == -signal.SIGTERM
