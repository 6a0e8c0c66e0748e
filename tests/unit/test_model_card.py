"""What the card of a model says of what was measured."""

from typing import Any

from bench.model_card import _conditions


def _row(probe: str, gallery: str, rank1: float, **other: Any) -> dict[str, Any]:
    scores = {"rank1": {"value": rank1, "low": rank1 - 1, "high": rank1 + 1}}
    facts = {"distance": "cosine", "view": None, "condition": "Overall", "subjects": 3}
    return {"probe": probe, "gallery": gallery, "scores": scores} | facts | other


def test_conditions_are_shown_in_both_directions() -> None:
    camera, lidar = "silhouette", "range_view"
    rows = [
        _row(camera, lidar, 50.0),
        _row(lidar, camera, 60.0),
        _row(lidar, lidar, 70.0),
        _row(camera, lidar, 80.0, distance="euclidean"),
        _row(camera, lidar, 90.0, view="090"),
        _row(camera, lidar, 20.0, view="180"),
    ]
    text = _conditions({"rows": rows, "simulated": True})
    assert text.startswith("3 simulated people in all conditions from 2 sides")
    assert text.endswith("| Overall | 50.0 [49.0, 51.0] | 60.0 [59.0, 61.0] |")
    assert "not tried" in _conditions(None)
