"""Figures of a search between sensors on a simulated street."""

from bench.street_search import Looked, figures


def looked(person: str, number: int, first: str, decision: str | None = "no_match") -> Looked:
    return Looked("0001", person, number, first, decision)


def test_rank_1_by_pass_with_what_was_decided() -> None:
    found = figures(
        [
            looked("a", 0, "a", "match"), looked("a", 1, "b"), looked("b", 1, "b", "possible"),
            looked("b", 1, "b", "possible"),
        ]
    )  # fmt: skip
    assert (found["first"], found["clips"], found["rank1"]) == (3, 4, 75.0)
    assert found["same_pass"]["decided"] == {"match, right person first": 1}
    assert found["another_pass"]["decided"] == {
        "no_match, wrong person first": 1,
        "possible, right person first": 2,
    }
    assert (found["low"], found["high"]) == (50.0, 100.0), "whole people are drawn"


def test_three_people_who_are_all_found_say_little() -> None:
    found = figures([looked(name, 0, name) for name in "abc"])
    # Clopper and Pearson's bound: 0.025 ** (1 / 3).
    assert (found["low"], found["rank1"], found["high"]) == (29.2, 100.0, 100.0)
