"""Audit records: what was asked, by whom, what for, and what was answered; none can be changed.

`record` is what is written, `chain` and `head` how it is kept, `trail` what the service calls,
`recording` how every request gets its record, `verify` and `rotation` what an auditor runs.
"""
