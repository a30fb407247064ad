import signal
import subprocess
import sys

import pytest

# A script's `command &` starts with SIGINT ignored, `nohup command` with SIGHUP ignored.
WAIT = """
import os, signal, sys
number = int(sys.argv[1])
signal.signal(number, signal.SIG_IGN)
from backend.lab.errors import Interrupted
from backend.lab.signals import StopSignals
with StopSignals() as signals:
    os.kill(os.getpid(), number)
    try:
        signals.wait(lambda: False, timeout_s=0.3)
    except Interrupted:
        sys.exit("stopped")
"""


@pytest.mark.parametrize(("number", "stops"), [(signal.SIGINT, True), (signal.SIGTERM, True), (signal.SIGHUP, False)])
def test_only_a_hangup_that_was_ignored_stays_ignored(number: signal.Signals, stops: bool) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", WAIT, str(int(number))], capture_output=True, text=True, timeout=30, check=False
    )
    assert (ended.returncode, ended.stderr) == ((1, "stopped\n") if stops else (0, ""))
