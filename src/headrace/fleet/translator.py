"""Between dialects, which cannot read a request's form, and the harness' readers, which can: only names change."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from headrace.dialects.dialect import Told
from headrace.dialects.forms import AsFiles, AsTensors, Encoded, Listener, Refused, RestBody, Rows
from headrace.dialects.media import BINARY, JSON
from headrace.domain.question import Fault, Form
from headrace.runners import translate
from headrace.runners.harness.tensors import Refused as HarnessRefused


class HarnessForms:
    """Translator."""

    def as_files(self, form: Form, body: bytes, meta: Mapping[str, str], told: Told) -> AsFiles:
        facts = translate.files(told.model, told.version, told.inputs)
        with _refusals():
            return _Files(form, translate.FilesRequest(form.value, body, meta, facts))

    def as_tensors(
        self, form: Form, bodies: Mapping[str, bytes], meta: Mapping[str, str], listener: Listener
    ) -> AsTensors:
        facts = translate.declared(listener.name, listener.version, listener.tensors)
        way = translate.Way(listener.binary, listener.base64)
        with _refusals():
            return _Tensors(form, translate.TensorRequest(form.value, bodies, meta, facts, way))


class _Files:
    def __init__(self, form: Form, request: translate.FilesRequest) -> None:
        self._form, self._request = form, request

    @property
    def rows(self) -> Rows:
        return self._request.rows

    def answer(self, results: Rows) -> Encoded:
        with _refusals():
            body, meta = self._request.answer(results)
        return Encoded({"": body}, _media(self._form, meta), meta)


class _Tensors:
    def __init__(self, form: Form, request: translate.TensorRequest) -> None:
        self._form, self._request = form, request

    @property
    def request(self) -> RestBody:
        return RestBody(self._request.body, self._request.json)

    def answer(self, said: RestBody) -> Encoded:
        with _refusals():
            bodies, meta = self._request.answer(said.body, said.json)
        return Encoded(bodies, _media(self._form, meta), meta)


def _media(form: Form, meta: Mapping[str, str]) -> str:
    return JSON if form is Form.V2_REST and "json" not in meta else BINARY


@contextmanager
def _refusals() -> Iterator[None]:
    """What a request or an answer holds is not ours: whatever it makes a reader stumble over is its own mistake."""
    try:
        yield
    except HarnessRefused as error:
        raise Refused(str(error), Fault(error.kind)) from None
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError, RecursionError) as error:
        raise Refused(f"it cannot be translated ({type(error).__name__})", Fault.MODEL) from None
