"""Inference requests over HTTP: JSON, and JSON followed by binary tensors; the answers in the same form."""

from __future__ import annotations

import base64
import contextlib
import json
import math
import re
from collections.abc import Mapping
from typing import Any

from headrace.runners.harness import v2_binary
from headrace.runners.harness.jsons import ORJSON, loads
from headrace.runners.harness.loose import loosened
from headrace.runners.harness.model_facts import Facts
from headrace.runners.harness.numbers import LARGE, Numbers
from headrace.runners.harness.tensors import Input, Output, Refused, Reply, Request, Wanted, as_bytes
from headrace.runners.harness.v2_parse import parse
from headrace.runners.harness.words import JsonWords, Plain, Words, alone, words_of

LARGEST_KEPT, MOST_KEPT = 2_048, 256  # bytes of a JSON header, and how many of them are remembered
# whose numbers orjson writes from an array as they are
NUMBERS = frozenset({"UINT8", "UINT16", "UINT32", "UINT64", "INT8", "INT16", "INT32", "INT64", "FP32", "FP64"})
_LARGEST = 2.0**63
DEEP = "JSON nesting depth exceeds maximum allowed limit (100)"
_NONE = re.compile(r"q\s*=\s*0(\.0*)?")  # of no quality: not wanted
_json = json.JSONEncoder(separators=(",", ":"), default=str).encode
_quoted = json.encoder.encode_basestring_ascii
_dumps: Any = None if ORJSON is None else ORJSON.dumps
_ARRAYS: int = 0 if ORJSON is None else ORJSON.OPT_SERIALIZE_NUMPY


def _finite(text: str) -> float:
    """Raises Refused: what stands there as a number is no infinity."""
    if math.isinf(value := float(text)):
        raise Refused(f"failed to parse the request JSON buffer: the number {text[:40]} is too large")
    return value


class JsonForm:
    """Remembers the JSON before binary tensors and the beginnings of outputs: clients repeat them."""

    def __init__(self, facts: Facts) -> None:
        self._facts = facts
        self.words, self._numbers = JsonWords(), Numbers()
        self._headers: dict[bytes, tuple[Request, list[int], Words | None]] = {}
        self._starts: dict[tuple[str, str, tuple[int, ...]], bytes] = {}
        self._names: dict[str, bytes] = {}
        self._begins: dict[tuple[str, str, tuple[int, ...]], bytes] = {}

    def decode(self, body: memoryview, meta: Mapping[str, str]) -> Request:
        """Raises Refused."""
        told = meta.get("json")
        if told is None:
            return self._text(bytes(body), meta)
        length = v2_binary.header_length(told, len(body))
        if length == 0:
            facts, accept = self._facts, meta.get("accept", "")
            one_id = meta.get("id", "")
            as_json = takes_json(accept)
            return v2_binary.raw_request(one_id, body, facts.name, facts.inputs, facts.max_batch_size > 0, as_json)
        request, sizes = self._header(body[:length], meta)
        v2_binary.take_tensors(request, sizes or [-1] * len(request.inputs), body[length:], self._facts.name)
        return request

    def _text(self, text: bytes, meta: Mapping[str, str]) -> Request:
        """JSON and nothing else."""
        words = None
        if (parts := self.words.split(text)) is not None:
            words, data, place = parts
            known = self.words.find(words)
            if known is not None:
                with contextlib.suppress(ValueError):  # what is wrong with it is told below
                    raw = self._numbers.raw(data, known.first.inputs[0].datatype, known.count)
                    return known.again(loads(data) if raw is None else raw, meta.get("id", ""))
            elif len(data) >= LARGE and alone(words):
                with contextlib.suppress(ValueError, Refused):  # as above
                    return self._large(words, data, place, meta)
        given = self._exact(self._loads(text), text)
        if self._facts.loose and loosened(given):
            words = None
        request, sizes = parse(given, meta)
        if sizes:
            v2_binary.take_tensors(request, sizes, memoryview(b""), self._facts.name)
        elif words is not None and not given.get("id"):
            self.words.keep(words, request)
        return request

    def before(self, body: bytearray | memoryview, meta: Mapping[str, str]) -> tuple[Words, int] | None:
        """The words of a request with one binary tensor, where they are known, and where the tensor begins."""
        length = int(told) if (told := meta["json"]).isdecimal() and told.isascii() else LARGEST_KEPT + 1
        known = self._headers.get(bytes(body[:length])) if length <= LARGEST_KEPT else None
        return None if known is None or known[2] is None else (known[2], length)

    def _header(self, header: memoryview, meta: Mapping[str, str]) -> tuple[Request, list[int]]:
        if len(header) > LARGEST_KEPT:
            return self._parsed(header, meta)
        key = bytes(header)
        known = self._headers.get(key)
        if known is None:
            first, sizes = self._parsed(header, {})
            known = (first, sizes, None if first.id_given else words_of(first, sizes))
            if len(self._headers) >= MOST_KEPT:
                self._headers.clear()
            self._headers[key] = known
        first, sizes, words = known
        inputs = [Input(one.name, one.datatype, one.shape, one.data, one.parameters) for one in first.inputs]
        given = first.id if first.id_given else meta.get("id", "")
        request = Request(given, inputs, first.outputs, first.parameters)
        request.binary, request.model, request.words = first.binary, first.model, words
        return request, sizes

    def _parsed(self, body: memoryview, meta: Mapping[str, str]) -> tuple[Request, list[int]]:
        return self.parsed(self._exact(self._loads(body), body), meta)

    def parsed(self, given: Any, meta: Mapping[str, str]) -> tuple[Request, list[int]]:
        """What its JSON says, as `parse` has it. Raises Refused."""
        if self._facts.loose:
            loosened(given)
        return parse(given, meta)

    def _large(self, words: bytes, data: bytes, place: int, meta: Mapping[str, str]) -> Request:
        """Of words that are not known around many numbers. Raises ValueError, Refused for what is not that simple."""
        text = words[:place] + b"[]" + words[place:]
        given = self._exact(loads(text), text)
        request, sizes = parse(given, meta)
        [one] = [one for one in request.inputs if type(one.data) is list]
        raw = self._numbers.raw(data, one.datatype, math.prod(one.shape))
        if raw is None or sizes:
            raise ValueError
        if not given.get("id"):
            self.words.keep(words, request)
        one.data = raw
        return request

    def _loads(self, body: bytes | memoryview) -> Any:
        if ORJSON is not None:
            try:
                return ORJSON.loads(body)
            except ValueError:  # orjson knows no NaN; what json says of a real mistake is what is told
                pass
        try:
            return json.loads(str(body, "utf-8"), parse_float=_finite)
        except RecursionError:
            raise Refused(DEEP) from None
        except UnicodeDecodeError:
            raise Refused("failed to parse the request JSON buffer: it is not UTF-8") from None
        except json.JSONDecodeError as error:
            raise Refused(f"failed to parse the request JSON buffer: {str(error)[:200]}") from None
        except ValueError:  # Python's limit of digits
            raise Refused("failed to parse the request JSON buffer: a number has too many digits") from None

    def _exact(self, given: Any, body: bytes | memoryview) -> Any:
        """The same with parameters as they stand there: orjson makes a whole number of more than 64 bits a float."""
        if ORJSON is not None and type(given) is dict and type(parameters := given.get("parameters")) is dict:
            values = parameters.values()
            if any(type(one) is float and abs(one) >= _LARGEST for one in values):
                with contextlib.suppress(ValueError):
                    given["parameters"] = json.loads(str(body, "utf-8"))["parameters"]
        return given

    def encode(self, reply: Reply, meta: Mapping[str, str]) -> tuple[bytes, dict[str, str]]:
        """The body, and what the door is to know of it. Raises Refused for what JSON cannot carry."""
        request, facts = reply.request, self._facts
        name = request.model or meta.get("model") or facts.name
        parts: list[bytes | memoryview] = [b'{"id":', _text(request.id), self._named(name)]
        if reply.parameters:
            parts.append(b',"parameters":%b' % _json(reply.parameters).encode())
        tails: list[bytes | memoryview] = []
        wanted = {one.name: one for one in request.outputs} if request.outputs else None
        bare = "bare" in meta
        begin = b',"outputs":['
        for output in reply.outputs:
            asked = wanted.get(output.column.name) if wanted is not None else None
            # as measured on Triton: an output that is asked for by name comes as it says itself
            binary = asked.binary if asked is not None else request.binary
            parts.append(begin)
            self._output(output, asked, parts, tails if binary else None, bare=bare)
            begin = b","
        parts.append(b"]}" if reply.outputs else b',"outputs":[]}')
        told = {} if request.id == meta.get("id") or not request.id.isprintable() else {"id": request.id[:1_000]}
        if not any(map(len, tails)):
            return b"".join(parts), told
        head = b"".join(parts)
        told["json"] = str(len(head))
        return b"".join([head, *tails]), told

    def plain(self, words: Words, meta: Mapping[str, str], outputs: list[Plain]) -> tuple[bytes, dict[str, str]] | None:
        """The same as `encode` makes of arrays that are just what was declared. `meta` names the request."""
        binary = words.plan.binary
        if ORJSON is None or "bare" in meta:
            return None
        model = words.first.model or meta.get("model") or self._facts.name
        one_id = _text(meta["id"])
        if len(outputs) == 1 and not binary:
            name, datatype, array = outputs[0]
            shape = array.shape
            begin = self._begins.get((model, name, shape)) or self._begin(model, name, datatype, shape)
            return b"".join((b'{"id":', one_id, begin, _dumps(array.ravel(), option=_ARRAYS), b"}]}")), {}
        parts = [b'{"id":', one_id, self._named(model)]
        tails: list[bytes] = []
        begin = b',"outputs":['
        for name, datatype, array in outputs:
            parts += (begin, self._start((name, datatype, array.shape)))
            if name in binary:
                tails.append(array.tobytes())
                parts.append(b',"parameters":{"binary_data_size":%d}}' % len(tails[-1]))
            else:
                parts += (b',"data":', _dumps(array.ravel(), option=_ARRAYS), b"}")
            begin = b","
        parts.append(b"]}")
        if not any(tails):
            return b"".join(parts), {}
        head = b"".join(parts)
        return b"".join([head, *tails]), {"json": str(len(head))}

    def _begin(self, model: str, name: str, datatype: str, shape: tuple[int, ...]) -> bytes:
        """All between the identifier and the data of the only output."""
        begin = b'%b,"outputs":[%b,"data":' % (self._named(model), self._start((name, datatype, shape)))
        if len(self._begins) >= MOST_KEPT:
            self._begins.clear()
        if len(model) <= LARGEST_KEPT:
            self._begins[model, name, shape] = begin
        return begin

    def _named(self, name: str) -> bytes:
        start = self._names.get(name)
        if start is None:
            start = f',"model_name":{_quoted(name)},"model_version":{_quoted(self._facts.version)}'.encode()
            if len(self._names) < MOST_KEPT and len(name) <= LARGEST_KEPT:
                self._names[name] = start
        return start

    def _output(
        self,
        output: Output,
        asked: Wanted | None,
        parts: list[bytes | memoryview],
        tails: list[bytes | memoryview] | None,
        *,
        bare: bool,
    ) -> None:
        parts.append(self._described(output))
        parameters = output.parameters
        if tails is not None:
            raw = output.raw
            tails.append(raw)
            if parameters:
                parameters = {**parameters, "binary_data_size": len(raw)}
            else:
                parts.append(b',"parameters":{"binary_data_size":%d}' % len(raw))
        if parameters:
            parts.append(b',"parameters":%b' % _json(parameters).encode())
        if tails is None:
            as_base64 = asked is not None and (asked.parameters or {}).get("content_type") == "base64"
            parts += (b',"data":', _data(output, as_base64=as_base64, bare=bare))
        parts.append(b"}")

    def _described(self, output: Output) -> bytes:
        return self._start((output.column.name, output.column.datatype, output.shape))

    def _start(self, key: tuple[str, str, tuple[int, ...]]) -> bytes:
        start = self._starts.get(key)
        if start is None:
            name, datatype, dimensions = key
            shape = ",".join(map(str, dimensions))
            text = f'{{"name":{_quoted(name)},"datatype":"{datatype}","shape":[{shape}]'
            start = text.encode()
            if len(self._starts) >= MOST_KEPT:
                self._starts.clear()
            self._starts[key] = start
        return start


def _text(text: str) -> bytes:
    """As JSON, in ASCII."""
    return _dumps(text) if ORJSON is not None and text.isascii() else _quoted(text).encode()


def _data(output: Output, *, as_base64: bool, bare: bool) -> bytes:
    """`bare`: what is not finite is written as Triton does; else as null."""
    column = output.column
    if ORJSON is not None and column.datatype in NUMBERS:
        text: bytes = _dumps(output.part, option=_ARRAYS)  # null for what is not finite
        return _json(output.flat).encode() if bare and b"n" in text else text
    values = output.flat
    if column.datatype == "BYTES":
        return _strings(column.name, values, as_base64=as_base64).encode()
    if column.datatype == "BOOL":
        return str([bool(value) for value in values]).lower().encode()
    text_of_list = str(values)
    if "n" in text_of_list and bare:  # nan or inf
        return _json(values).encode()
    if "n" in text_of_list:
        text_of_list = str([value if math.isfinite(value) else None for value in values]).replace("None", "null")
    return text_of_list.encode()


def _strings(name: str, values: list[Any], *, as_base64: bool) -> str:
    if as_base64:
        return json.dumps([base64.b64encode(as_bytes(value)).decode() for value in values])
    try:
        return f"[{','.join([_quoted(value.decode() if type(value) is bytes else str(value)) for value in values])}]"
    except UnicodeDecodeError:
        raise Refused(f"output '{name}' is not valid UTF-8; request it with binary_data") from None


def takes_json(accept: str) -> bool:
    """Whether an Accept header names JSON, and does not turn it down."""
    for one in accept.lower().split(","):
        kind, *parameters = (part.strip() for part in one.split(";"))
        if kind == "application/json":
            return not any(_NONE.fullmatch(part) for part in parameters)
    return False
