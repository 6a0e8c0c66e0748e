"""The command line of training, run within a test."""

import sys

import pytest

from train.run import main


def trained(monkeypatch: pytest.MonkeyPatch, *words: str) -> None:
    """Runs it with these words."""
    monkeypatch.setattr(sys, "argv", ["run", *words, "--json"])
    main()
