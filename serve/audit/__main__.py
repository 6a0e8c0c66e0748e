"""Commands for whoever answers for the records.

    python -m serve.audit verify DATA [--head HASH] [--json]
    python -m serve.audit show DATA [--since TIME] [--subject NAME] [--key ID] [--json]
    python -m serve.audit head DATA
    python -m serve.audit rotate DATA
    python -m serve.audit retire DATA --before DATE
    python -m serve.audit accept DATA --reason TEXT

All of them need the master key of the galleries.
"""

import json
import sys
from dataclasses import asdict
from pathlib import Path

import tyro

from gait.cli import run
from gait.errors import AuditError
from gallery.record.master_key import MasterKey
from serve.audit import rotation
from serve.audit.record import Entry, Keys
from serve.audit.search import Filter, moment, search
from serve.audit.verify import verify

Data = tyro.conf.Positional[Path]


def _verify(
    data: Data,
    head: tyro.conf.UseAppendAction[tuple[str, ...]] = (),
    json: bool = False,
) -> None:
    """Checks every record, archives included; exit code 1 if anything is wrong.

    Args:
        data: folder with `audit.db`.
        head: hash or audit id that was kept elsewhere; may be given more than once.
        json: print JSON.
    """
    report = verify(data, _keys(), head)
    if json:
        _print({**asdict(report), "intact": report.intact})
    else:
        for notice in report.notices:
            print(f"note: {notice}")
        for finding in report.findings:
            print(finding)
        print(f"{report.records} records in {', '.join(report.files)}")
        if report.head:
            print(f"head: {report.head.hash} (record {report.head.sequence}); keep it elsewhere")
    if not report.intact:
        sys.stdout.flush()
        raise AuditError(f"the records are not as they were written: {len(report.findings)} found")


def _show(
    data: Data,
    since: str | None = None,
    subject: str | None = None,
    key: str | None = None,
    action: str | None = None,
    json: bool = False,
) -> None:
    """Prints records, archives included, the oldest first.

    Args:
        data: folder with `audit.db`.
        since: ISO 8601 time; without an offset it is UTC.
        subject: only records in which this person is enrolled, removed or a candidate.
        key: only records of this key.
        action: only records of this action, such as `identify`.
        json: print one JSON object per record.
    """
    wanted = Filter(since=since, subject=subject, key=key, action=action)
    for entry in search(data, _keys(), wanted):
        print(_json(entry) if json else _line(entry))


def _head(data: Data) -> None:
    """Prints the hash of the last record: keep it elsewhere and give it to `verify --head`.

    Args:
        data: folder with `audit.db`.
    """
    report = verify(data, _keys())
    if report.head is None or not report.intact:
        raise AuditError("the records are not as they were written: run `verify`")
    print(report.head.hash)


def _rotate(data: Data) -> None:
    """Moves all records into an archive; the chain goes on in an empty `audit.db`.

    Args:
        data: folder with `audit.db`.
    """
    print(rotation.rotate(data, _keys()))


def _retire(data: Data, before: str) -> None:
    """Deletes archives all of whose records are older, and records that.

    Args:
        data: folder with `audit.db`.
        before: ISO 8601 date or time; without an offset it is UTC.
    """
    for name in rotation.retire(data, _keys(), moment(before)):
        print(f"deleted {name}")


def _accept(data: Data, reason: str) -> None:
    """Goes on although records at the end are lost, as after an old backup was put back.

    Args:
        data: folder with `audit.db`.
        reason: why they are lost; it stays in the records.
    """
    mark = rotation.accept(data, _keys(), reason)
    print(f"head: {mark.hash} (record {mark.sequence})")


def _keys() -> Keys:
    return Keys(MasterKey.load())


def _json(entry: Entry) -> str:
    return json.dumps(entry.as_json())


def _print(value: object) -> None:
    print(json.dumps(value, indent=1))


def _line(entry: Entry) -> str:
    record = entry.record
    shown = [f"{each.subject} {each.similarity:.3f}" for each in record.candidates]
    told = [
        *(entry.audit_id, entry.time, record.action, record.outcome, record.caller),
        *(each for each in (record.gallery, record.purpose, record.subject) if each),
        *shown,
        *(each for each in (record.decision, record.reviewer, record.detail) if each),
    ]
    return "  ".join(told)


def main() -> None:
    """Runs one of the commands."""
    tyro.extras.subcommand_cli_from_dict(
        {
            "verify": _verify,
            "show": _show,
            "head": _head,
            "rotate": _rotate,
            "retire": _retire,
            "accept": _accept,
        },
        prog="python -m serve.audit",
    )


if __name__ == "__main__":
    run(main)
