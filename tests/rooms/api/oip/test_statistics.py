"""What was counted, in Triton's form: every time stands beside its own count."""

from headrace.api.oip.statistics import model
from headrace.domain.question import Answer, Output
from headrace.inference.counts import Counts


def test_answers_of_streams_by_how_they_ended():
    counts = Counts()
    some = {"": Output(b"{}", "application/json")}
    for place, answer in enumerate(
        (Answer(1, 2, 3.0, some, more=True), Answer(1, 2, 2.0, error="no"), Answer(1, 2, 1.0, meta={"empty": "1"}))
    ):
        counts.respond(place, answer)
    places = [model("m", "1.0.0", counts).response_stats[str(place)] for place in range(3)]

    kinds = [(one.success, one.fail, one.empty_response, one.compute_infer) for one in places]
    assert [
        [(1, 3_000_000), (0, 0), (0, 0), (1, 3_000_000)],
        [(0, 0), (1, 2_000_000), (0, 0), (1, 2_000_000)],
        [(0, 0), (0, 0), (1, 1_000_000), (1, 1_000_000)],
    ] == [[(one.count, one.ns) for one in kind] for kind in kinds]


def test_batches_add_up():
    counts = Counts()
    for rows in ("4", "1", "4"):
        counts.take(Answer(1, 2, 3.0, meta={"rows": rows}))
    counts.take(Answer(1, 2, 3.0, error="no"))
    found = model("m", "1.0.0", counts)

    assert [(1, 1), (4, 2)] == [(one.batch_size, one.compute_infer.count) for one in found.batch_stats]
    assert (9, 3) == (found.inference_count, found.execution_count)
    assert 9_000_000 == sum(one.compute_infer.ns for one in found.batch_stats) == found.inference_stats.compute_infer.ns
