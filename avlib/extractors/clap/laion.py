"""CLAP as the package of its authors computes it, laion_clap, in a process of its own.

Source: Wu et al., "Large-scale Contrastive Language-Audio Pretraining with Feature Fusion and
Keyword-to-Caption Augmentation", ICASSP 2023. Its network is always of the published size.
"""

import importlib.util
import os
import subprocess
import sys
import weakref
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from avlib import errors
from avlib.extractors.clap import laion_worker as laion_clap_worker
from avlib.extractors.clap.messages import Arrays, read_message, write_message

OFFLINE = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"}


class LaionClap:
    """The network of the package, with the methods of `clap_network.Clap`.

    The process runs as long as this object lives, and ends with the process that made it.

    Args:
        checkpoint: file with the published names and sizes, such as `630k-fusion-best.pt`.
        device: where the network runs; what the methods take and return is on the CPU.
        dtype: precision of the network; what the methods take and return is float32.

    Raises:
        ConfigError: if the package is not installed, or cannot be set up.
        CheckpointError: if the file cannot be read or does not fit.
    """

    device = torch.device("cpu")
    dtype = torch.float32

    def __init__(self, checkpoint: Path, device: torch.device, dtype: torch.dtype) -> None:
        require_package()
        self._process = _start()
        weakref.finalize(self, _end, self._process)
        answer = self._ask(
            "load",
            checkpoint=np.array(str(checkpoint)),
            device=np.array(str(device)),
            dtype=np.array(str(dtype).removeprefix("torch.")),
            threads=np.array(torch.get_num_threads()),  # another number gives other last bits
        )
        self.logit_scale = torch.from_numpy(answer["logit_scale"])

    def listen(self, log_mels: Tensor, is_longer: Tensor) -> tuple[Tensor, Tensor]:
        """Return embeddings (B, embedding) and feature maps (B, C, 2, T), as `Clap.listen`."""
        answer = self._ask("listen", log_mels=log_mels.numpy(), is_longer=is_longer.numpy())
        return torch.from_numpy(answer["embeddings"]), torch.from_numpy(answer["maps"])

    def text_embeddings(self, token_ids: Tensor, mask: Tensor) -> Tensor:
        """Return embeddings (N, embedding), as `Clap.text_embeddings`."""
        answer = self._ask("text_embeddings", token_ids=token_ids.numpy(), mask=mask.numpy())
        return torch.from_numpy(answer["embeddings"])

    def logits(self, sounds: Tensor, texts: Tensor) -> Tensor:
        """Return the scaled cosines (B, N) of embeddings (B, embedding) and (N, embedding)."""
        return self.logit_scale.exp() * (sounds @ texts.T)

    def _ask(self, kind: str, **arrays: NDArray[Any]) -> Arrays:
        requests, replies = self._process.stdin, self._process.stdout
        assert requests and replies
        answer = None
        with suppress(OSError, EOFError):  # the process ended, which is reported below
            write_message(requests, {"kind": np.array(kind)} | arrays)
            answer = read_message(replies)
        if answer is None:
            status = self._process.wait()
            raise errors.AvlibError(f"the process of laion_clap ended (exit status {status})")
        if "error" in answer:
            error = getattr(errors, str(answer["class"]), errors.AvlibError)
            raise error(f"laion_clap: {answer['error']}")
        return answer


def require_package() -> None:
    """Look for the package, without importing it.

    Raises:
        ConfigError: if it is not installed.
    """
    if importlib.util.find_spec("laion_clap") is None:
        raise errors.ConfigError(
            "backend laion_clap: the package laion-clap is not installed; `make laion-clap` "
            "installs it, or set the backend to transformers"
        )


def _start() -> subprocess.Popen[bytes]:
    """Start a process that finds this library where this one does, and no hub."""
    library = str(Path(errors.__file__).parents[1])
    path = os.pathsep.join(filter(None, [library, os.environ.get("PYTHONPATH")]))
    return subprocess.Popen(
        # Without the working directory on the path: the package's modules have common names.
        [sys.executable, "-P", "-W", "ignore", "-m", laion_clap_worker.__name__],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=os.environ | OFFLINE | {"PYTHONPATH": path},
    )


def _end(process: subprocess.Popen[bytes]) -> None:
    """Close the process's pipes, at which it ends, and wait for it."""
    for pipe in (process.stdin, process.stdout):
        assert pipe
        with suppress(OSError):  # what could not be sent any more does not matter
            pipe.close()
    process.wait()
