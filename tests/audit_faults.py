"""A process that writes audit records until it is killed."""

import os
import threading
from contextlib import closing
from itertools import count
from pathlib import Path

from serve.audit.log import AuditLog
from serve.audit.record import Outcome
from tests.audits import MASTER, used
from tests.gallery_faults import die_after

PACKAGE = f"{os.sep}serve{os.sep}audit{os.sep}"
THREADS = 3


def record_until_killed(folder: str, ledger: str, lines: int) -> None:
    """Writes uses and acts from several threads; the child's body.

    Args:
        folder: of the records.
        ledger: file to write the audit id of each acknowledged record to, one a line.
        lines: of the audit's code to run before it kills itself; 0 to be killed from outside.
    """
    if lines:
        die_after(lines, PACKAGE)
    log = os.open(ledger, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    with closing(AuditLog.open(Path(folder), MASTER)) as audit:
        writers = [threading.Thread(target=_record, args=(audit, log)) for _ in range(THREADS)]
        for writer in writers:
            writer.start()
        for writer in writers:
            writer.join()


def _record(audit: AuditLog, log: int) -> None:
    for number in count():
        if number % 2:
            entry = audit.write(used(number))
        else:
            intent = audit.write(used(number, outcome=Outcome.INTENDED))
            os.write(log, f"{intent.audit_id}\n".encode())
            entry = audit.write(used(number, intent=intent.sequence))
        os.write(log, f"{entry.audit_id}\n".encode())
