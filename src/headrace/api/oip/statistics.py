"""Statistics since the start, in Triton's form (contracts/oip.md, A16). Pure.

The time for outputs counts for inputs: see counts.py.
"""

from headrace.api.oip.shapes import BatchStatistics, Duration, InferStatistics, ModelStatistics, ResponseStatistics
from headrace.inference.counts import Batch, Counts, Place, Span


def model(name: str, version: str, counts: Counts) -> ModelStatistics:
    return ModelStatistics(
        name=name,
        version=version,
        last_inference=counts.last,
        inference_count=counts.rows,
        execution_count=counts.calls,
        inference_stats=InferStatistics(
            success=_span(counts.success),
            fail=_span(counts.fail),
            queue=_span(counts.queue),
            compute_input=_span(counts.compute_input),
            compute_infer=_span(counts.compute_infer),
            compute_output=_span(counts.compute_output),
            cache_hit=_span(counts.cache_hit),
            cache_miss=_span(counts.cache_miss),
        ),
        response_stats={str(place): _responses(found) for place, found in enumerate(counts.places)},
        batch_stats=[_batch(size, batch) for size, batch in sorted(counts.batches.items())],
        memory_usage=[],
    )


def _responses(place: Place) -> ResponseStatistics:
    return ResponseStatistics(
        compute_infer=Duration(
            place.success + place.empty + place.fail, place.success_ns + place.empty_ns + place.fail_ns
        ),
        compute_output=Duration(place.success, 0),
        success=Duration(place.success, place.success_ns),
        fail=Duration(place.fail, place.fail_ns),
        empty_response=Duration(place.empty, place.empty_ns),
        cancel=Duration(),
    )


def _span(span: Span) -> Duration:
    return Duration(span.count, span.ns)


def _batch(size: int, batch: Batch) -> BatchStatistics:
    return BatchStatistics(
        batch_size=size,
        compute_input=Duration(batch.count, batch.input_ns),
        compute_infer=Duration(batch.count, batch.infer_ns),
        compute_output=Duration(batch.count, 0),
    )
