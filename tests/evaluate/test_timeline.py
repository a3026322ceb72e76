"""The picture of a run is made from the report alone."""

from hwgen.evaluate.timeline import draw


def test_a_picture_comes_from_the_report(tmp_path):
    spans = [
        {"unit": "DIN", "name": "input", "first": 43, "last": 50, "work": 8},
        {"unit": "STREAM", "name": "fc", "first": 42, "last": 60, "work": 19},
        {"unit": "MM", "name": "fc", "first": 43, "last": 90, "work": 48},
        {"unit": "DOUT", "name": "output", "first": 104, "last": 109, "work": 1},
    ]
    report = {
        "name": "net",
        "array": [8, 8],
        "latency_cycles": None,
        "predicted_cycles": 115,
        "utilization": 0.4,
        "spans": spans,
    }
    assert draw(report, tmp_path / "t.png").read_bytes().startswith(b"\x89PNG")
