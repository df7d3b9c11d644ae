"""Models that give any number of answers, and models that remember sequences: each in a process of its own.

No test looks at a clock: a model waits for a file before it goes on, and what it does is read from files.
"""

import asyncio
import json
from contextlib import aclosing
from pathlib import Path

from engines.test_formats import asked, folder, outputs, rest, tensor, workshop  # noqa: F401 - a fixture

from headrace.domain.question import Answer, Fault, Form, Question

NUMPY = "numpy==2.4.6"
ROW = tensor("n", "INT32", [1], [5])

COUNTS = """
import os, time

class Model:
    inputs = {{"n": ("INT32", [-1])}}
    outputs = {{"i": ("INT32", [1])}}

    def predict_stream(self, inputs, parameters):
        try:
            for i in range(int(inputs["n"][0])):
                while i and parameters.get("wait") and not os.path.exists({go!r}):
                    time.sleep(0.005)
                if parameters.get("fail") == i:
                    raise ValueError("no more")
                with open({seen!r}, "w") as seen:
                    seen.write(str(i + 1))
                yield {{"i": [i]}}
        finally:
            open({closed!r}, "w").close()
"""


def stream(*inputs, **more) -> Question:
    body = json.dumps({"inputs": inputs, **more}).encode()
    return Question({"": body}, Form.V2_REST, stream=True)


async def until(condition) -> None:
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.sleep(0.01)


def counting(tmp_path: Path, source: str = COUNTS) -> tuple[Path, Path, Path, Path]:
    """The model's folder, and the files that it waits for and writes."""
    go, seen, closed = (tmp_path / name for name in ("go", "seen", "closed"))
    text = source.format(go=str(go), seen=str(seen), closed=str(closed))
    return folder(tmp_path / "counts", model_dot_py=text, requirements_dot_txt=NUMPY), go, seen, closed


def numbers(answers: list[Answer], name: str = "i") -> list[int]:
    assert [True] * (len(answers) - 1) + [False] == [one.more for one in answers]
    assert not answers[-1].outputs
    return [outputs(one)[name][2][0] for one in answers[:-1]]


async def test_the_first_answer_comes_before_the_last_is_made(workshop, tmp_path) -> None:  # noqa: F811
    model, go, _, closed = counting(tmp_path)

    async with workshop.serving(model) as (frames, info):
        assert info.tensors is not None
        assert "only" == info.tensors.streams
        answers = frames.run([stream(ROW, id="7", parameters={"wait": True})], 60.0)
        first = await anext(answers)
        assert not closed.exists()
        go.touch()
        rest_of_them = [answer async for answer in answers]
        [one_way] = await asked(frames, rest(ROW))
        [as_files] = await asked(frames, Question({"n": b"[3]"}))
        [one] = await asked(frames, rest(tensor("n", "INT32", [1], [1])))

    assert [0, 1, 2, 3, 4] == numbers([first, *rest_of_them])
    assert "7" == first.meta["id"]
    assert Fault.UNSUPPORTED == one_way.fault
    assert "HTTP end point doesn't support models with decoupled transaction policy" == one_way.error
    assert {"i": b"[[0], [1], [2]]"} == {name: output.body for name, output in as_files.outputs.items()}
    assert {"i": ("INT32", [1], [0])} == outputs(one)


async def test_an_error_between_answers_ends_the_stream_and_not_the_replica(workshop, tmp_path) -> None:  # noqa: F811
    model, *_ = counting(tmp_path)

    async with workshop.serving(model) as (frames, _):
        *before, last = await asked(frames, stream(ROW, parameters={"fail": 2}))
        [refused] = await asked(frames, stream(tensor("n", "FP32", [1], [5])))
        after = await asked(frames, stream(ROW))

    assert [0, 1] == [outputs(one)["i"][2][0] for one in before]
    assert (False, "no more", Fault.MODEL) == (last.more, last.error, last.fault)
    assert "inference input 'n' data-type is 'FP32', but model 'simple' expects 'INT32'" == refused.error
    assert [0, 1, 2, 3, 4] == numbers(after)


async def test_whoever_reads_slowly_slows_the_model(workshop, tmp_path) -> None:  # noqa: F811
    model, _, seen, _ = counting(tmp_path)
    many, taken = 400, 0

    async with workshop.serving(model) as (frames, _):
        async for answer in frames.run([stream(tensor("n", "INT32", [1], [many]))], 60.0):
            taken += bool(answer.outputs)
            if taken == 100:
                await until(lambda: int(seen.read_text() or 0) >= 163)  # as far as it may go without us
            assert int(seen.read_text() or 0) <= taken + 65

    assert many == taken


async def test_who_wants_no_more_has_the_generator_closed(workshop, tmp_path) -> None:  # noqa: F811
    model, _, _, closed = counting(tmp_path)

    async with workshop.serving(model) as (frames, _):
        async with aclosing(frames.run([stream(tensor("n", "INT32", [1], [1_000_000]))], 60.0)) as answers:
            await anext(answers)
            frames.refuse()
            left = [answer async for answer in answers]
        await until(closed.exists)
        again = await asked(frames, stream(ROW))

    assert len(left) < 300
    assert (False, None) == (left[-1].more, left[-1].error)
    assert [0, 1, 2, 3, 4] == numbers(again)


BOTH = """
class Model:
    tensors = True
    def predict(self, inputs):
        return {"all": inputs["n"]}
    async def predict_stream(self, inputs):
        for one in inputs["n"].tolist():
            yield {"one": [one]}
"""


async def test_a_class_with_both_methods_answers_as_it_is_asked(workshop, tmp_path) -> None:  # noqa: F811
    model = folder(tmp_path / "both", model_dot_py=BOTH, requirements_dot_txt=NUMPY)
    many = tensor("n", "INT64", [3], [4, 5, 6])

    async with workshop.serving(model) as (frames, info):
        [whole] = await asked(frames, rest(many))
        pieces = await asked(frames, stream(many))

    assert info.tensors is not None
    assert "also" == info.tensors.streams
    assert {"all": ("INT64", [3], [4, 5, 6])} == outputs(whole)
    assert [4, 5, 6] == numbers(pieces, "one")


WORDS = """
class Model:
    inputs = ["input.txt"]
    def predict_stream(self, inputs):
        for word in inputs["input.txt"].split():
            yield {"word.txt": word}
"""


async def test_a_class_that_takes_files(workshop, tmp_path) -> None:  # noqa: F811
    text = tensor("input.txt", "BYTES", [2], ["one two", "three"])

    async with workshop.serving(folder(tmp_path / "words", model_dot_py=WORDS)) as (frames, info):
        pieces = await asked(frames, stream(text))
        [whole] = await asked(frames, Question({"input.txt": b"one two"}))

    assert info.tensors is not None
    assert ("files", "only") == (info.tensors.platform, info.tensors.streams)
    assert ["one", "two", "three"] == numbers(pieces, "word.txt")
    assert {"word.txt": b"onetwo"} == {name: output.body for name, output in whole.outputs.items()}


MLSERVER = """
from mlserver import MLModel, types
from mlserver.codecs import StringCodec

class Words(MLModel):
    async def predict_stream(self, payloads):
        async for payload in payloads:
            for word in self.decode(payload.inputs[0], default_codec=StringCodec)[0].split():
                if word == "stop":
                    raise ValueError("stopped")
                yield types.InferenceResponse(model_name=self.name, outputs=[StringCodec.encode_output("word", [word])])
"""


async def test_a_streaming_class_of_mlserver(workshop, tmp_path) -> None:  # noqa: F811
    settings = '{"name": "words", "implementation": "models.Words"}'
    model = folder(tmp_path / "words", model_hyphen_settings_dot_json="", models_dot_py=MLSERVER)
    (model / "model-settings.json").write_text(settings)

    async with workshop.serving(model) as (frames, info):
        pieces = await asked(frames, stream(tensor("t", "BYTES", [1], ["one two three"])))
        *one, error = await asked(frames, stream(tensor("t", "BYTES", [1], ["one stop three"])))
        [refused] = await asked(frames, rest(tensor("t", "BYTES", [1], ["one two three"])))

    assert info.tensors is not None
    assert "only" == info.tensors.streams
    assert ["one", "two", "three"] == numbers(pieces, "word")
    assert (1, "stopped") == (len(one), error.error)
    assert Fault.UNSUPPORTED == refused.fault


DECOUPLED = """
name: "repeat" backend: "python" max_batch_size: 0
model_transaction_policy { decoupled: true }
input [ { name: "IN" data_type: TYPE_INT32 dims: [ -1 ] } ]
output [ { name: "OUT" data_type: TYPE_INT32 dims: [ 1 ] }, { name: "IDX" data_type: TYPE_UINT32 dims: [ 1 ] } ]
"""
REPEAT = """
import threading, numpy
import triton_python_backend_utils as pb_utils

class TritonPythonModel:
    def execute(self, requests):
        for request in requests:
            threading.Thread(target=self.repeat, args=(request, request.get_response_sender())).start()
        return None

    def repeat(self, request, sender):
        values = pb_utils.get_input_tensor_by_name(request, "IN").as_numpy()
        count = 0
        for index, value in enumerate(values):
            if sender.is_cancelled():
                break
            if value < 0:
                error = pb_utils.TritonError("negative")
                sender.send(pb_utils.InferenceResponse(error=error))
                continue
            out = pb_utils.Tensor("OUT", numpy.array([value], numpy.int32))
            out = [out, pb_utils.Tensor("IDX", numpy.array([index], numpy.uint32))]
            sender.send(pb_utils.InferenceResponse(out))
            count += 1
        open({sent!r}, "w").write(str(count))
        sender.send(flags=pb_utils.TRITONSERVER_RESPONSE_COMPLETE_FINAL)
"""


async def test_a_decoupled_model_of_triton(workshop, tmp_path) -> None:  # noqa: F811
    sent = tmp_path / "sent"
    model = folder(
        tmp_path / "repeat", config_dot_pbtxt=DECOUPLED, **{"1__model_dot_py": REPEAT.format(sent=str(sent))}
    )

    async with workshop.serving(model) as (frames, info):
        fine = await asked(frames, stream(tensor("IN", "INT32", [3], [7, 8, 9])))
        none = await asked(frames, stream(tensor("IN", "INT32", [0], [])))
        *one, error = await asked(frames, stream(tensor("IN", "INT32", [3], [7, -1, 9])))
        [refused] = await asked(frames, rest(tensor("IN", "INT32", [1], [7])))
        async with aclosing(frames.run([stream(tensor("IN", "INT32", [100_000], [1] * 100_000))], 60.0)) as answers:
            await anext(answers)
            frames.refuse()
            async for _ in answers:
                pass
        after_leaving = int(sent.read_text())
        again = await asked(frames, stream(tensor("IN", "INT32", [1], [4])))

    assert info.tensors is not None
    assert "only" == info.tensors.streams
    assert ([7, 8, 9], [0, 1, 2]) == (numbers(fine, "OUT"), numbers(fine, "IDX"))
    assert [] == numbers(none, "OUT")
    assert (1, "negative") == (len(one), error.error)
    assert "HTTP end point doesn't support models with decoupled transaction policy" == refused.error
    assert after_leaving < 1_000
    assert [4] == numbers(again, "OUT")


SEQUENCE = """
name: "accumulate" backend: "python" max_batch_size: 4
input [ { name: "IN" data_type: TYPE_INT32 dims: [ 1 ] } ]
output [ { name: "OUT" data_type: TYPE_INT32 dims: [ 1 ] }, { name: "ID" data_type: TYPE_STRING dims: [ 1 ] } ]
sequence_batching {
  max_sequence_idle_microseconds: 3600000000
  control_input [
    { name: "START" control [ { kind: CONTROL_SEQUENCE_START int32_false_true: [ 0, 1 ] } ] },
    { name: "END" control [ { kind: CONTROL_SEQUENCE_END fp32_false_true: [ 0, 1 ] } ] },
    { name: "CORRID" control [ { kind: CONTROL_SEQUENCE_CORRID data_type: TYPE_STRING } ] }
  ]
  state [ { input_name: "SUM_IN" output_name: "SUM" data_type: TYPE_INT32 dims: [ 1 ] } ]
}
"""
ACCUMULATE = """
import triton_python_backend_utils as pb_utils

class TritonPythonModel:
    def execute(self, requests):
        responses = []
        for request in requests:
            get = lambda name: pb_utils.get_input_tensor_by_name(request, name).as_numpy()
            flags = int(get("START")[0, 0]) | int(get("END")[0, 0]) << 1
            assert flags == request.flags(), (flags, request.flags())
            total = get("IN") + get("SUM_IN")
            out = [pb_utils.Tensor("OUT", total), pb_utils.Tensor("SUM", total), pb_utils.Tensor("ID", get("CORRID"))]
            assert str(request.correlation_id()).encode() == get("CORRID")[0, 0]
            responses.append(pb_utils.InferenceResponse(out))
        return responses
"""


async def test_sequences_of_a_triton_config(workshop, tmp_path) -> None:  # noqa: F811
    model = folder(tmp_path / "sums", config_dot_pbtxt=SEQUENCE, **{"1__model_dot_py": ACCUMULATE})

    def step(value: int, one: int | str | None, **flags: bool) -> Question:
        named = {f"sequence_{name}": flag for name, flag in flags.items()}
        parameters = named if one is None else {"sequence_id": one, **named}
        return rest(tensor("IN", "INT32", [1, 1], [value]), parameters=parameters)

    async with workshop.serving(model) as (frames, info):
        fine = await asked(
            frames,
            *(step(1, 7, start=True), step(10, "seven", start=True), step(2, 7), step(20, "seven", end=True)),
            *(step(3, 7, end=True), step(5, 7, start=True)),
        )
        unknown, none, gone, wide = await asked(
            frames, step(1, 9), step(1, None), step(1, "seven"), rest(tensor("IN", "INT32", [2, 1], [1, 2]),
            parameters={"sequence_id": 7}),
        )  # fmt: skip

    assert info.tensors is not None
    assert 3_600_000_000 == info.tensors.sequences
    assert [1, 10, 3, 30, 6, 5] == [outputs(one)["OUT"][2][0] for one in fine]
    assert ["7", "seven"] == [outputs(one)["ID"][2][0] for one in fine[:2]]
    assert {"OUT", "ID"} == set(outputs(fine[0]))
    start = "must specify the START flag on the first request of the sequence"
    assert f"inference request for sequence 9 to model 'simple' {start}" == unknown.error
    assert f"inference request for sequence seven to model 'simple' {start}" == gone.error
    assert "inference request to model 'simple' must specify a non-zero or non-empty correlation ID" == none.error
    assert str(wide.error).endswith("must specify batch-size 1 due to requirements of sequence batcher")
    assert Fault.REQUEST == unknown.fault
