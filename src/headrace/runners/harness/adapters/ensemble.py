"""Ensembles of a Triton repository: a config.pbtxt that puts other models together, which are asked as by BLS."""

from __future__ import annotations

from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Any

from headrace.runners.harness.adapters import ensemble_graph
from headrace.runners.harness.adapters.adapter import Asked
from headrace.runners.harness.adapters.ensemble_graph import Step, Wrong
from headrace.runners.harness.adapters.triton_calls import Outside, for_model
from headrace.runners.harness.adapters.triton_config import Config, Configured
from headrace.runners.harness.adapters.triton_requests import Tensor, TritonModelException, raised

Arrays = dict[str, Any]


class Ensemble(Configured):
    """A step is asked as soon as its inputs are there; steps that nobody wants the outputs of are not asked."""

    def __init__(self, config: Config, outside: Outside) -> None:
        super().__init__(config)
        self.platform = "ensemble"
        self._outside, self._requests = outside, for_model(outside).InferenceRequest
        self._steps = ensemble_graph.read(config.ensemble_scheduling)
        ensemble_graph.check(self._steps, self.inputs, self.outputs)
        ensemble_graph.check_models(self._steps, self._about, (*self.inputs, *self.outputs), self.max_batch_size)
        self._pool = ThreadPoolExecutor(len(self._steps), thread_name_prefix="headrace-steps")

    def run(self, arrays: Arrays, asked: Asked) -> Arrays:
        wanted = asked.outputs or tuple(spec.name for spec in self.outputs)
        waiting = ensemble_graph.needed(self._steps, wanted)
        used = {*wanted, *(tensor for step in waiting for tensor in step.reads.values())}
        missing = {spec.name for spec in self.inputs} - arrays.keys()  # optional ones
        tensors = dict(arrays)
        running: set[Future[Arrays]] = set()
        try:
            while waiting or running:
                ready = [step for step in waiting if tensors.keys() >= set(step.reads.values()) - missing]
                waiting = [step for step in waiting if step not in ready]
                if len(ready) == 1 and not running:
                    tensors.update(self._ask(ready[0], tensors, used, asked))
                    continue
                running |= {self._pool.submit(self._ask, step, tensors, used, asked) for step in ready}
                done, running = wait(running, return_when=FIRST_COMPLETED)
                for one in done:
                    tensors.update(one.result())
        finally:
            wait(running)  # they were asked in this request's time
        return {name: tensors[name] for name in wanted}

    def _ask(self, step: Step, tensors: Arrays, used: set[str], asked: Asked) -> Arrays:
        """Raises TritonModelException."""
        where = f"in ensemble '{self.config.named or asked.model}'"
        inputs = [Tensor(name, tensors[tensor]) for name, tensor in step.reads.items() if tensor in tensors]
        names = [name for name, tensor in step.gives.items() if tensor in used]
        request = self._requests.given(inputs, asked.id, asked.parameters, names).addressed(step.model, step.version)
        response = request.exec()
        if (error := response.error()) is not None:
            raise raised(error, f"{where}, ")
        given = {one.name(): one.as_numpy() for one in response.output_tensors()}
        if absent := [name for name in names if name not in given]:
            raise TritonModelException(f"{where}, {step} gave no output '{absent[0]}'")
        return {step.gives[name]: given[name] for name in names}

    def _about(self, model: str, version: str) -> dict[str, Any] | None:
        found = self._outside.about(model, version)
        if found is None:
            raise Wrong(
                f"the ensemble needs the model '{model}'{f' version {version}' * bool(version)}, which is not there"
            )
        return found.get("tensors")
