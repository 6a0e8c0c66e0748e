"""Who is trained on and who chooses the best checkpoint."""

import pytest

from gait.errors import ConfigError
from tests.training_setup import tiny_config
from train.data.pack import Record
from train.data.split import split_people


def records(train: int, test: int) -> list[Record]:
    return [
        Record(f"{i:03d}", "00-nm", view, "train" if i < train else "test", 0, 1)
        for i in range(train + test)
        for view in ("000", "090")
    ]


@pytest.mark.parametrize("held", [0, 1, 5])
def test_people_are_parted_and_test_people_left_out(held: int) -> None:
    split = split_people(records(12, 7), tiny_config(data={"validation_subjects": held}))
    trained, held_out = ({r.subject for r in part} for part in split)
    assert len(held_out) == held
    assert not trained & held_out
    assert trained | held_out == {f"{i:03d}" for i in range(12)}
    assert split.classes == sorted(trained)
    assert len(split.train) == 2 * (12 - held)


def test_the_seed_draws_them() -> None:
    people = records(40, 0)
    draws = [
        split_people(people, tiny_config().model_copy(update={"seed": seed})).validation
        for seed in (0, 0, 1)
    ]
    assert draws[0] == draws[1] != draws[2]


def test_too_few_people_is_said_with_what_to_lower() -> None:
    with pytest.raises(ConfigError, match=r"got 3 training people, 2 of them.*at least 2.*lower"):
        split_people(records(3, 9), tiny_config())
