"""Commands for whoever answers for the records.

    python -m serve.audit verify DATA [--head HASH] [--json]
    python -m serve.audit show DATA [--since TIME] [--subject NAME] [--key ID] [--json]
    python -m serve.audit reviews DATA [--since TIME] [--two-reviewers] [--json]
    python -m serve.audit backup DATA --out FOLDER
    python -m serve.audit retire DATA --before TIME
    python -m serve.audit rewrap DATA --new-key FILE

All of them need the master key of the galleries.
"""

import sys
from dataclasses import asdict
from json import dumps as formatted
from pathlib import Path

import tyro

from gait.cli import run
from gait.errors import AuditError
from gallery.decision.decision import USUAL, Policy
from gallery.record.master_key import FILE_VARIABLE, MasterKey
from serve.audit import key as keys
from serve.audit.agreement import statistics
from serve.audit.key import AuditKey
from serve.audit.log import AuditLog
from serve.audit.record import AuditEntry
from serve.audit.search import Filter, moment
from serve.audit.verify import verify as check
from serve.text import drawable

Data = tyro.conf.Positional[Path]
_MOST_SHOWN = 50


def verify(
    data: Data,
    head: tyro.conf.UseAppendAction[tuple[str, ...]] = (),
    json: bool = False,
) -> None:
    """Checks every record; exit code 1 if anything is wrong.

    Args:
        data: folder with `audit.db`.
        head: hash or audit id that was kept elsewhere; may be given more than once.
        json: print JSON.
    """
    report = check(data, _key(data), head)
    last = report.head
    if json:
        found = [{"record": number, "problem": problem} for number, problem in report.findings]
        facts = {"intact": report.intact, "records": report.records, "findings": found}
        facts |= {"notices": report.notices, "head": last and last.hash}
        print(formatted(facts, indent=1))
    else:
        for notice in report.notices:
            print(f"note: {drawable(notice)}")
        for number, problem in report.findings[:_MOST_SHOWN]:
            print(f"record {number}: {drawable(problem)}")
        print(f"{report.records} records; keep the last one's hash elsewhere:")
        print(last.hash if last else "none")
    if not report.intact:
        sys.stdout.flush()
        raise AuditError(f"the records are not as they were written: {len(report.findings)} found")


def show(
    data: Data,
    since: str | None = None,
    subject: str | None = None,
    key: str | None = None,
    action: str | None = None,
    json: bool = False,
) -> None:
    """Prints records, the oldest first.

    Args:
        data: folder with `audit.db`.
        since: ISO 8601 time; without an offset it is UTC.
        subject: only records in which this person is enrolled, removed or a candidate.
        key: only records of this key.
        action: only records of this action, such as `identify`.
        json: print one JSON object per record.
    """
    wanted = Filter(since=since, subject=subject, caller=key, action=action)
    with AuditLog(data, _key(data)) as audit:
        for entry in audit.select(*wanted.sql()):
            text = entry.model_dump_json(exclude_defaults=True, ensure_ascii=True)
            print(text if json else _line(entry))


def reviews(
    data: Data,
    since: str | None = None,
    two_reviewers: bool = False,
    match_fpir: float = USUAL.match_fpir,
    possible_fpir: float = USUAL.possible_fpir,
    json: bool = False,
) -> None:
    """Prints how often people agreed with the service, as evidence beside its calibration.

    Args:
        data: folder with `audit.db`.
        since: ISO 8601 time; without an offset it is UTC.
        two_reviewers: count only what two people said, as the setting of that name does.
        match_fpir, possible_fpir: shares of strangers that the service allows, as in its settings.
        json: print JSON.
    """
    policy = Policy(match_fpir=match_fpir, possible_fpir=possible_fpir)
    with AuditLog(data, _key(data)) as audit:
        found = statistics(audit, Filter(since=since), policy, two_reviewers=two_reviewers)
    if json:
        print(formatted(asdict(found), indent=1))
        return
    for each in found.pairs:
        print(
            f"{each.probe} searched, enrolled by {each.enrolled_by}, {each.decision}: "
            f"{each.cases} cases, {each.confirmed} confirmed, {each.rejected} rejected, "
            f"{each.open} open"
        )
    for one in found.strangers:
        print(
            f"{one.probe} searched, {one.decision}: {one.rejected} strangers of {one.searches} "
            f"searches, at least {one.rate:.2%} ({one.low:.2%}..{one.high:.2%}); promised "
            f"{one.promised:.2%}{': CONTRADICTED' if one.contradicted else ''}"
        )


def backup(data: Data, out: Path) -> None:
    """Copies the records, whether or not a service runs; the copy verifies by itself.

    Args:
        data: folder with `audit.db`.
        out: new folder for the copy.
    """
    with AuditLog(data, _key(data)) as audit:
        audit.backup(out)


def retire(data: Data, before: str) -> None:
    """Deletes older records, and records that. To keep them elsewhere, run `backup` before.

    Args:
        data: folder with `audit.db`.
        before: ISO 8601 date or time; without an offset it is UTC.
    """
    with AuditLog(data, _key(data)) as audit:
        print(f"retired {audit.retire(moment(before))} records")


def rewrap(data: Data, new_key: Path) -> None:
    """Wraps the key of the records by another master key; every record still verifies.

    Args:
        data: folder with `audit.key`.
        new_key: file of the other master key, made by `python -m gallery.keys new`.
    """
    new = MasterKey.read(new_key)
    keys.rewrap(data, MasterKey.load(), new)
    print(f"rewrapped by master key {new.id}: export {FILE_VARIABLE}={new_key.resolve()}")


def _key(data: Path) -> AuditKey:
    key, begun = keys.load_key(data, MasterKey.load())
    if not begun:
        raise AuditError(f"there are no audit records in {data}")
    return key


def _line(entry: AuditEntry) -> str:
    shown = [f"{each.subject} {each.similarity:.3f}" for each in entry.candidates]
    told = [
        *(entry.audit_id, entry.time, entry.action, entry.outcome, entry.caller),
        *(entry.gallery, entry.purpose, entry.subject, *shown),
        *(entry.decision, entry.reviewer, entry.detail),
    ]
    return "  ".join(drawable(each) for each in told if each)


def main() -> None:
    """Runs one of the commands."""
    commands = (verify, show, reviews, backup, retire, rewrap)
    tyro.extras.subcommand_cli_from_dict(
        {command.__name__: command for command in commands}, prog="python -m serve.audit"
    )


if __name__ == "__main__":
    run(main)
