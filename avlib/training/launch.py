"""Start the processes of a data-parallel training on this machine, through torchrun's interface."""

import logging
import signal
import sys
from typing import NoReturn
from uuid import uuid4

from torch.distributed.elastic.multiprocessing import SignalException
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError, get_error_handler
from torch.distributed.launcher.api import LaunchConfig, elastic_launch

from avlib import errors
from avlib.errors import AvlibError
from avlib.joblog import log_files
from avlib.training.state import INTERRUPTED

logger = logging.getLogger(__name__)


def run_module(module: str, argument: str, *, processes: int) -> None:
    """Run `python -m module argument log...` as a team of processes, and wait for all of them.

    They are processes of their own rather than copies of this one, whose main module, for example
    a workflow's script, must not run again. One that ends in an error ends all others.

    Args:
        module: calls `report` on its errors; the further arguments that it gets are the files
            that this process logs to.
        argument: passed on unchanged.
        processes: their number.

    Raises:
        AvlibError: that one of them reported, of the class and with the message it had.
        SystemExit: with status 143 if this process, or one of them, got SIGTERM or SIGINT.
        RuntimeError: if one of them died otherwise.
    """
    config = LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        nproc_per_node=processes,
        run_id=uuid4().hex,
        rdzv_backend="c10d",
        rdzv_endpoint="localhost:0",  # any free port
        local_addr="localhost",  # the machine's own name need not be known to the network
        max_restarts=0,
        signals_to_handle="SIGTERM,SIGINT",
    )
    try:
        elastic_launch(config, sys.executable)("-m", module, argument, *log_files())
    except SignalException as error:
        logger.warning("%s: all processes have ended", signal.Signals(error.sigval).name)
        raise SystemExit(INTERRUPTED) from error
    except ChildFailedError as error:
        _raise_first(error)


def report(error: BaseException) -> None:
    """Report the error that ends this process to the launcher."""
    get_error_handler().record_exception(error)


def _raise_first(error: ChildFailedError) -> NoReturn:
    rank, failure = error.get_first_failure()
    if failure.exitcode == INTERRUPTED:
        raise SystemExit(INTERRUPTED) from error
    # A dictionary where the process called `report`, else torch's own words.
    text = failure.message["message"] if isinstance(failure.message, dict) else failure.message
    kind, _, message = text.partition(": ")
    known = getattr(errors, kind, None)
    if isinstance(known, type) and issubclass(known, AvlibError):
        raise known(message) from error
    raise RuntimeError(f"process {rank} ended with status {failure.exitcode}: {text}") from error
