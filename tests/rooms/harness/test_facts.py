"""Whether a request agrees with what its model declares, in the words of Triton."""

import pytest
from rooms.harness.asking import Said, facts

from headrace.runners.harness.model_facts import Facts
from headrace.runners.harness.tensors import Input, Refused, Request, Spec, Wanted

TWO = facts(
    Spec("INPUT0", "INT32", (-1, 2)), Spec("INPUT1", "INT32", (-1, 2)), outputs=[Spec("Y", "INT32", (-1, 2))],
    max_batch_size=8,
)  # fmt: skip


def one(name: str, rows: int = 1, width: int = 2, datatype: str = "INT32") -> Input:
    return Input(name, datatype, (rows, width), [0] * (rows * width), None)


MISSING = (
    "expected 2 inputs but got 1 inputs for model 'simple'. Got input(s) ['INPUT0'], but missing required input(s) "
    "['INPUT1']. Please provide all required input(s)."
)
GIVEN = [
    ([one("INPUT0")], MISSING),
    ([one("INPUT0"), one("INPUT1"), one("X")], "expected 2 inputs but got 3 inputs for model 'simple'"),
    ([one("INPUT0"), one("X")], "unexpected inference input 'X' for model 'simple'"),
    (
        [one("INPUT0", datatype="FP32"), one("INPUT1")],
        "inference input 'INPUT0' data-type is 'FP32', but model 'simple' expects 'INT32'",
    ),
    (
        [one("INPUT0"), one("INPUT1", width=3)],
        "unexpected shape for input 'INPUT1' for model 'simple'. Expected [-1,2], got [1,3]. NOTE: ",
    ),
    ([one("INPUT0", 9), one("INPUT1", 9)], "inference request batch-size must be <= 8 for 'simple'"),
    ([one("INPUT0", 2), one("INPUT1", 3)], "input 'INPUT1' batch size does not match other inputs for 'simple'"),
    ([one("INPUT0", 0), one("INPUT1", 0)], "input 'INPUT0' has no batch dimension of at least 1"),
]


@pytest.mark.parametrize(("inputs", "sentence"), GIVEN)
def test_what_does_not_agree(inputs: list[Input], sentence: str) -> None:
    with pytest.raises(Refused) as caught:
        TWO.check(Request("", inputs))
    assert str(caught.value).startswith(sentence)


def test_the_id_stands_before_the_sentence_when_one_was_given() -> None:
    with pytest.raises(Refused, match=r"^\[request id: 7\] expected 2 inputs"):
        TWO.check(Request("7", [one("INPUT0")]))


@pytest.mark.parametrize(("meta", "told"), [({"id": "7"}, False), ({"id": "7", "named": "1"}, True), ({}, True)])
def test_an_id_that_the_server_made_is_of_no_use_to_anybody(meta: dict[str, str], told: bool) -> None:
    with pytest.raises(Refused) as caught:
        TWO.check(Request("7", [one("INPUT0")]), meta)
    assert told is str(caught.value).startswith("[request id: 7] ")


def test_an_unknown_output() -> None:
    with pytest.raises(Refused, match="unexpected inference output 'ZZ' for model 'simple'"):
        TWO.check(Request("", [one("INPUT0"), one("INPUT1")], (Wanted("Y"), Wanted("ZZ"))))


def test_an_optional_input_may_be_left_out() -> None:
    known: Facts = facts(Spec("a", "INT32", (-1, 2)), Spec("b", "INT32", (-1, 2), optional=True))

    known.check(Request("", [one("a")]))
    known.check(Request("", [one("a"), one("b")]))
    with pytest.raises(Refused, match="missing required input"):
        known.check(Request("", [one("b")]))


def test_a_model_that_declares_nothing_takes_what_it_is_given() -> None:
    facts().check(Request("", [one("whatever"), Input("scalar", "FP32", (), [1], None)]))


def test_what_the_server_is_told() -> None:
    assert {
        "platform": "test",
        "inputs": [
            {"name": "INPUT0", "datatype": "INT32", "shape": (-1, 2)},
            {"name": "INPUT1", "datatype": "INT32", "shape": (-1, 2)},
        ],
        "outputs": [{"name": "Y", "datatype": "INT32", "shape": (-1, 2)}],
        "max_batch_size": 8,
        "streams": "",
        "sequences": 0,
        "cached": False,
    } == TWO.told()


def test_what_is_told_of_the_model_holds_its_configuration() -> None:
    said = Said([Spec("a", "BYTES", (-1,), parameters={"content_type": "str"}), Spec("b", "INT8", (1,))])
    said.configuration = "backend: 'python'"
    told = Facts("simple", "1", said).told()
    assert [[("content_type", "str")], None] == [one.get("parameters") for one in told["inputs"]]
    assert "backend: 'python'" == told["config"]
    said.configuration *= 1_000_000
    assert "config" not in Facts("simple", "1", said).told()  # the server takes a frame of a few megabytes
