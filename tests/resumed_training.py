"""What the tests of interrupted trainings share."""

import subprocess
import sys
import time
from pathlib import Path
from unittest.mock import patch


def contents(outputs):
    """Return the bytes of the files that a training wrote, by name."""
    return {name: path.read_bytes() for name, path in outputs.items()}


def wait_and_signal(process, folder, states, number):
    """Wait until a training has written `states`, send it a signal and return its exit status."""
    while process.poll() is None and len(list(folder.glob("state/*.pt"))) < states:
        time.sleep(0.01)
    process.send_signal(number)
    return process.wait()


def interrupt(script: Path, folder: Path, states: int, number: int) -> int:
    """Run `script` as a process that trains in `folder`, and interrupt it."""
    with subprocess.Popen([sys.executable, script, folder]) as process:
        return wait_and_signal(process, folder, states, number)


def scored_by(metrics):
    """Return a context in which a training on events takes its metrics from `metrics`."""
    return patch("avlib.training.event_recognition.recognition_metrics", metrics)
