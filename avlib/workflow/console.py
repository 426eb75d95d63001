"""What a terminal shows of a run: the plan, a line a step, warnings, errors and results.

Snakemake shows a block of files, reasons and resources for each job, which its log keeps.
"""

import logging
import re
from collections.abc import Iterable, Mapping
from typing import Any

# Events of Snakemake's records that say nothing of what a run does or finds.
UNSHOWN_EVENTS = {"workflow_started", "resources_info", "job_info", "job_started", "shellcmd"}
ROUTINE = (  # first words of its other lines that say nothing of that either
    *("Config file ", "Assuming unrestricted", "Building DAG", "Using shell", "Conda environments"),
    *("Select jobs", "Execute ", "Complete log", "Removing output files of failed job"),
)
# The command of a job that has ended with a line of its own.
SAID_BY_THE_JOB = r"RuleException:\s*CalledProcessError.* returned non-zero exit status 1\."


def show_steps(handlers: Iterable[logging.Handler]) -> None:
    """Let the handler that writes to the terminal show a line a step in place of a block a job.

    Args:
        handlers: of Snakemake's logger; those of files are left as they are.
    """
    for handler in handlers:
        if isinstance(handler, logging.StreamHandler) and not hasattr(handler, "baseFilename"):
            handler.addFilter(is_shown)
            handler.setFormatter(StepFormatter(handler.formatter))


def is_shown(record: logging.LogRecord) -> bool:
    """Return whether a record is for the terminal; a filter of a handler."""
    text = record.getMessage()
    if record.levelno > logging.INFO:
        return not re.match(SAID_BY_THE_JOB, text, re.DOTALL)
    return _event(record) not in UNSHOWN_EVENTS and not text.startswith(ROUTINE)


class StepFormatter(logging.Formatter):
    """Put the plan, a finished job and a failed one into a line each.

    Args:
        usual: formats all other records.
    """

    def __init__(self, usual: logging.Formatter | None) -> None:
        super().__init__()
        self._usual = usual or logging.Formatter()
        self._finished: list[str] = []  # rules since the last line

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of a record; an empty one is not written."""
        values = record.__dict__
        match _event(record):
            case "run_info":
                return plan(values["stats"])
            case "job_finished":  # the record of the progress follows
                self._finished += re.findall(r"\(Rule: (.*)\)$", record.getMessage())
                return ""
            case "progress":
                rules, self._finished = ", ".join(self._finished), []
                return f"{values['done']} of {values['total']} done: {rules}"
            case "job_error":
                return f"failed: {values['rule_name']}; log: {', '.join(values['log']) or 'none'}"
        return self._usual.format(record)


def plan(stats: Mapping[str, Any]) -> str:
    """Return the number of jobs, in all and by rule."""
    counts = [f"{rule} {count}" for rule, count in stats.items() if rule != "total"]
    return f"{stats['total']} steps: {', '.join(counts)}"


def _event(record: logging.LogRecord) -> str:
    return str(getattr(record, "event", None))
