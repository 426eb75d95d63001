"""The process that runs the package laion_clap: python -m avlib.extractors.clap.laion_worker.

It replies to the messages of `laion_clap.LaionClap` from standard input on standard output, until
standard input ends, which it also does when the process that writes it is killed. Importing
the package reads the command line, adds modules of common names, and its network asks a hub for
the text tower and the tokenizer; here there are no arguments, the tower is built from its sizes,
and no tokenizer is needed because texts come as tokens.
"""

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any
from unittest import mock

import numpy as np
import torch
from torch import Tensor, nn

from avlib.errors import AvlibError, ConfigError
from avlib.extractors.clap.messages import Arrays, read_message, write_message
from avlib.extractors.clap.network import HTSAT_TINY, TEXT_EPS
from avlib.extractors.clap.weights import is_unused
from avlib.io.checkpoints import fit_state_dict, load_state_dict


class PackageClap:
    """The network of the package with the weights of a file.

    Args:
        checkpoint: file with the published names and sizes.
        device: as torch names it.
        dtype: precision of the network, such as `float32`.

    Raises:
        CheckpointError: if the file cannot be read or does not fit.
        ConfigError: if the package cannot be set up.
    """

    def __init__(self, checkpoint: Path, device: str, dtype: str) -> None:
        self.network = _build()
        _load(self.network, checkpoint)
        self.network.to(torch.device(device), getattr(torch, dtype)).eval()
        self.maps: list[Tensor] = []
        # The input of this layer is the map that the published features are.
        tokens = self.network.audio_branch.tscam_conv
        tokens.register_forward_pre_hook(lambda _, inputs: self.maps.append(inputs[0]))

    def logit_scale(self) -> Arrays:
        """Return the logarithm of what cosines are multiplied by."""
        return {"logit_scale": _as_float32(self.network.logit_scale_a)}

    def listen(self, log_mels: Tensor, is_longer: Tensor) -> Arrays:
        """Return embeddings and feature maps as `Clap.listen` does."""
        parameter = self.network.logit_scale_a
        sounds = {"mel_fusion": log_mels.to(parameter.dtype), "longer": is_longer}
        self.maps.clear()
        latent = self.network.encode_audio(sounds, device=parameter.device)["embedding"]
        embeddings = nn.functional.normalize(self.network.audio_projection(latent), dim=-1)
        return {"embeddings": _as_float32(embeddings), "maps": _as_float32(self.maps.pop())}

    def text_embeddings(self, token_ids: Tensor, mask: Tensor) -> Arrays:
        """Return the embeddings of tokens as `Clap.text_embeddings` does."""
        texts = {"input_ids": token_ids, "attention_mask": mask}
        return {"embeddings": _as_float32(self.network.get_text_embedding(texts))}


def _build() -> Any:
    """Return the package's network with random weights."""
    try:
        import laion_clap
        from transformers import RobertaConfig, RobertaModel, RobertaTokenizer

        sizes = HTSAT_TINY
        config = RobertaConfig(
            vocab_size=sizes.vocabulary,
            max_position_embeddings=sizes.positions,
            type_vocab_size=1,
            layer_norm_eps=TEXT_EPS,
        )
        with (
            mock.patch.object(RobertaModel, "from_pretrained", lambda _: RobertaModel(config)),
            mock.patch.object(RobertaTokenizer, "from_pretrained", lambda _: None),
        ):
            return laion_clap.CLAP_Module(enable_fusion=True, device="cpu").model
    except BaseException as error:  # the package also ends the process
        raise ConfigError(f"the package laion-clap cannot be set up: {_reason(error)}") from error


def _load(network: nn.Module, checkpoint: Path) -> None:
    """Copy a file's weights; the rest may be absent, as the other backend has it too."""
    state = {
        name: tensor
        for name, tensor in load_state_dict(checkpoint, allows_foreign=True).items()
        if not is_unused(name)
    }
    unused = {name: tensor for name, tensor in network.state_dict().items() if is_unused(name)}
    fit_state_dict(network, state | unused, checkpoint)


def _as_float32(tensor: Tensor) -> np.ndarray[Any, np.dtype[np.float32]]:
    return tensor.detach().float().cpu().numpy()


def _reason(error: BaseException) -> str:
    """Return an error as one line."""
    words = " ".join(str(error).split())
    return words if isinstance(error, AvlibError) else f"{type(error).__name__}: {words}"


class Requests:
    """What each kind of message is answered with."""

    def __init__(self) -> None:
        self.network: PackageClap | None = None

    def reply(self, request: Arrays) -> Arrays:
        """Return the answer to a request; an error where there is none."""
        kind = str(request.pop("kind"))
        try:
            if kind == "load":
                return self._load(request)
            method: Callable[..., Arrays] = getattr(self.network, kind)
            with torch.inference_mode():
                return method(**{name: torch.from_numpy(a) for name, a in request.items()})
        except Exception as error:  # the other end raises it
            return {"error": np.array(_reason(error)), "class": np.array(type(error).__name__)}

    def _load(self, request: Arrays) -> Arrays:
        torch.set_num_threads(int(request["threads"]))
        torch.backends.cudnn.allow_tf32 = False
        checkpoint, device, dtype = (str(request[n]) for n in ("checkpoint", "device", "dtype"))
        self.network = PackageClap(Path(checkpoint), device, dtype)
        return self.network.logit_scale()


@contextmanager
def _own_output() -> Iterator[IO[bytes]]:
    """Yield standard output; what the package prints goes to standard error instead."""
    with os.fdopen(os.dup(1), "wb") as replies:
        os.dup2(2, 1)
        yield replies


def main() -> None:
    """Answer until standard input ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the other end stops, and closes the pipe
    handler = Requests()
    with suppress(BrokenPipeError, EOFError), _own_output() as replies:
        while (request := read_message(sys.stdin.buffer)) is not None:
            write_message(replies, handler.reply(request))


if __name__ == "__main__":
    main()
