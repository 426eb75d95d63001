import logging
import subprocess
import sys

from avlib.joblog import job_log, log_files

OTHER = """
import logging, sys
from avlib.joblog import join_logs
join_logs(sys.argv[1:])
logging.info("from another process")
"""


def test_processes_that_a_job_starts_log_to_its_file(tmp_path):
    log = tmp_path / "job.log"
    log.write_text("of an earlier run\n")
    with job_log(log):
        logging.info("first")
        subprocess.run([sys.executable, "-c", OTHER, *log_files()], check=True)
        logging.info("last")
    messages = [line.rpartition(": ")[2] for line in log.read_text().splitlines()]
    assert messages == ["first", "from another process", "last"]
    assert str(log) not in log_files()
