"""Audit records: what was asked, by whom, what for, and what was answered; none can be changed.

`record` is what is written, `log` where, `key` what authenticates it; `use` is the record of one
request in the making; `verify`, `search` and `archive` are what an auditor runs.
"""
