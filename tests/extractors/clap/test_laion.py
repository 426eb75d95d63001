"""The pipe to the package laion_clap, with a stand-in for it; and the package where it is."""

import importlib.util
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from avlib.__main__ import main
from avlib.errors import AvlibError, CheckpointError, ConfigError
from avlib.extractors.clap.embeddings import clap_logits, open_clap, text_embeddings
from avlib.extractors.clap.laion import LaionClap
from avlib.extractors.clap.laion_worker import Requests
from avlib.verify import verify

GOLDEN = Path(__file__).parents[2] / "golden" / "valor"
needs_package = pytest.mark.skipif(
    importlib.util.find_spec("laion_clap") is None,
    reason="the package laion-clap is not installed: make laion-clap",
)

# As importing the package does: reads the command line, and prints.
IMPORT = """
import argparse, os
argparse.ArgumentParser().parse_args()
print("Load our best checkpoint in the paper.")
os.write(1, b"as a library in C would print")
assert os.environ["HF_HUB_OFFLINE"] == os.environ["TRANSFORMERS_OFFLINE"] == "1"
"""
NETWORK = """
import torch
from torch import nn
from transformers import RobertaModel, RobertaTokenizer

class Network(nn.Module):
    def __init__(self):
        super().__init__()
        self.logit_scale_a = nn.Parameter(torch.zeros(()))
        self.audio_branch = nn.Module()
        self.audio_branch.tscam_conv = nn.Conv2d(2, 1, 1)
        self.audio_projection = nn.Linear(2, 2)

    def encode_audio(self, sounds, device):
        maps = sounds["mel_fusion"][:, :2] + 1
        self.audio_branch.tscam_conv(maps)
        return {"embedding": maps.mean((2, 3)) * (1 + sounds["longer"][:, None])}

    def get_text_embedding(self, texts):
        return texts["input_ids"] * texts["attention_mask"]

class CLAP_Module(nn.Module):
    def __init__(self, enable_fusion, device):
        super().__init__()
        assert enable_fusion
        assert RobertaModel.from_pretrained("roberta-base").sizes["max_position_embeddings"] == 514
        assert RobertaTokenizer.from_pretrained("roberta-base") is None
        self.model = Network()
"""
# What takes seconds to import, and would look for a hub.
TRANSFORMERS = """
class RobertaConfig(dict):
    def __init__(self, **sizes):
        super().__init__(sizes)

class RobertaModel:
    def __init__(self, config):
        self.sizes = config

    def from_pretrained(name):
        raise OSError("no hub")

class RobertaTokenizer:
    from_pretrained = RobertaModel.from_pretrained
"""
STATE = {
    "logit_scale_a": torch.tensor(0.5),
    "audio_projection.weight": torch.tensor([[1.0, 2.0], [3.0, 5.0]]),
    "audio_projection.bias": torch.tensor([0.0, 1.0]),
}


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Return what puts a stand-in where this process and its children find the package."""

    def install(source):
        (tmp_path / "package").mkdir()
        (tmp_path / "package" / "laion_clap.py").write_text(source)
        (tmp_path / "others").mkdir()
        (tmp_path / "others" / "transformers.py").write_text(TRANSFORMERS)
        monkeypatch.syspath_prepend(tmp_path / "package")
        path = os.pathsep.join(str(tmp_path / name) for name in ("package", "others"))
        monkeypatch.setenv("PYTHONPATH", path)

    return install


@pytest.fixture
def checkpoint(tmp_path):
    """Return a file with the weights of the stand-in, and with what published ones hold beside."""
    extra = {"text_branch.embeddings.position_ids": torch.arange(514)[None]}
    state = {f"module.{name}": tensor for name, tensor in (STATE | extra).items()}
    torch.save({"epoch": 3, "best": np.float64(0.5), "state_dict": state}, tmp_path / "best.pt")
    return tmp_path / "best.pt"


def start(checkpoint):
    return LaionClap(checkpoint, torch.device("cpu"), torch.float32)


def test_the_network_of_the_package_is_asked_through_a_pipe(install, checkpoint, monkeypatch):
    install(IMPORT + NETWORK)
    monkeypatch.setattr(sys, "argv", ["snakemake", "--cores", "2"])
    network = open_clap(checkpoint, "laion_clap", torch.device("cpu"))
    log_mels = torch.randn(3, 4, 5, 6)
    is_longer = torch.tensor([False, True, False])
    embeddings, maps = network.listen(log_mels, is_longer)
    torch.testing.assert_close(maps, log_mels[:, :2] + 1)
    latent = maps.mean((2, 3)) * torch.tensor([[1], [2], [1]])
    expected = latent @ STATE["audio_projection.weight"].T + STATE["audio_projection.bias"]
    torch.testing.assert_close(embeddings, torch.nn.functional.normalize(expected))
    texts = text_embeddings(network, np.array([[5, 7], [8, 9]]), np.array([[1, 1], [1, 0]]))
    np.testing.assert_array_equal(texts, [[5, 7], [8, 0]])
    logits = clap_logits(network, embeddings.numpy(), texts)
    np.testing.assert_allclose(logits, np.exp(0.5) * (embeddings.numpy() @ texts.T), rtol=1e-6)

    with pytest.raises(AvlibError, match=r"^laion_clap: \w+Error: .*$"):
        network.listen(torch.zeros(1, 7), is_longer)
    process = network._process
    del network
    assert process.returncode == 0


def test_a_process_that_ended_is_told(install, checkpoint):
    install(NETWORK)
    network = start(checkpoint)
    network._process.kill()
    with pytest.raises(AvlibError, match=r"process of laion_clap ended \(exit status -9\)"):
        network.text_embeddings(torch.ones(1, 2), torch.ones(1, 2))


def test_a_file_that_does_not_fit_is_named(install, checkpoint):
    install(NETWORK)
    torch.save({"audio_projection.weight": torch.zeros(3, 2), "a": torch.zeros(1)}, checkpoint)
    pattern = (
        r"^laion_clap: \S+best\.pt does not fit: missing audio_projection\.bias, logit_scale_a; "
        r"unexpected a; of another shape audio_projection\.weight \[3, 2\] for \[2, 2\]$"
    )
    with pytest.raises(CheckpointError, match=pattern):
        start(checkpoint)


@pytest.mark.parametrize(
    "source, reason",
    [
        ("raise OSError('no such file\\nat the hub')", "OSError: no such file at the hub"),
        ("raise SystemExit(2)", "SystemExit: 2"),
    ],
)
def test_a_package_that_cannot_be_set_up_is_told_in_a_line(tmp_path, monkeypatch, source, reason):
    (tmp_path / "laion_clap.py").write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    given = {"kind": "load", "checkpoint": "a.pt", "device": "cpu", "dtype": "float32"}
    answer = Requests().reply(
        {name: np.array(text) for name, text in given.items()}
        | {"threads": np.array(torch.get_num_threads())}
    )
    assert str(answer["error"]) == f"the package laion-clap cannot be set up: {reason}"
    assert str(answer["class"]) == "ConfigError"


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs signals")
def test_the_process_ends_with_a_killed_parent(install, checkpoint):
    """It would keep standard error open, whose end `run` waits for."""
    install(NETWORK)
    program = f"""
import os, signal
from pathlib import Path
import torch
from avlib.extractors.clap.laion import LaionClap
network = LaionClap(Path({str(checkpoint)!r}), torch.device("cpu"), torch.float32)
print("began")
os.kill(os.getpid(), signal.SIGKILL)
"""
    command = [sys.executable, "-u", "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == -signal.SIGKILL
    assert (done.stdout, done.stderr) == ("began\n", "")


def test_an_absent_package_is_told_before_anything_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"not installed; `make laion-clap` installs it, or set"):
        start(tmp_path / "absent.pt")
    arguments = ["verify", str(GOLDEN / "clap_clip_10s.json"), "--clap-backend", "laion_clap"]
    assert main(arguments) == 1
    assert capsys.readouterr().err.startswith("error: backend laion_clap: the package")


@needs_package
@pytest.mark.slow
@pytest.mark.parametrize("stem", ["clap_clip_10s", "clap_clip_short"])
def test_golden_cases_pass_through_the_package(stem):
    lines = []
    path = GOLDEN / f"{stem}.json"
    passed = verify(
        [path], device="cpu", dtype="float32", clap_backend="laion_clap", out=lines.append
    )
    assert passed, [line for line in lines if "FAIL" in line]
    assert "seg_embedding" in "".join(lines)


@needs_package
@pytest.mark.slow
def test_golden_case_of_a_longer_sound_passes_through_the_package():
    """See test_teacher_verify on the kernels of MKL."""
    path = str(GOLDEN / "clap_clip_long.json")
    command = [sys.executable, "-m", "avlib", "verify", path, "--clap-backend", "laion_clap"]
    environment = os.environ | {"MKL_CBWR": "COMPATIBLE"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
