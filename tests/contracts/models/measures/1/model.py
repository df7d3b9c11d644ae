"""Measures by itself what it does (custom metrics of Triton's Python backend). Ends its process when it is given -1."""

import os

import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    def initialize(self, _args):
        self.family = pb_utils.MetricFamily(
            name="test_rows_total", description="Rows that were seen", kind=pb_utils.MetricFamily.COUNTER
        )
        self.rows = self.family.Metric(labels={"model": "measures", "version": "1"})
        self.last = pb_utils.MetricFamily("test_last", "The last one", pb_utils.MetricFamily.GAUGE).Metric()
        self.sizes = pb_utils.MetricFamily("test_sizes", "Sizes", pb_utils.MetricFamily.HISTOGRAM).Metric(
            labels={"of": "rows"}, buckets=[1, 10]
        )

    def execute(self, requests):
        return [self.answer(pb_utils.get_input_tensor_by_name(request, "X")) for request in requests]

    def answer(self, given):
        value = int(given.as_numpy()[0])
        if value < 0:
            os._exit(1)
        self.rows.increment(value)
        self.last.set(value)
        self.sizes.observe(value)
        return pb_utils.InferenceResponse([pb_utils.Tensor("Y", given.as_numpy())])
