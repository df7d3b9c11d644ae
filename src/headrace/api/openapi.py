"""The OpenAPI 3.1 document, made from the table of endpoints: nothing is written twice, so nothing can differ."""

import re
from collections.abc import Iterable
from http import HTTPStatus
from importlib.metadata import version
from typing import Any

import msgspec

from headrace.accounts.once import LONGEST
from headrace.api.endpoint import Row
from headrace.api.errors import ErrorBody
from headrace.api.table import MAY_BE_EMPTY

_PARAMETER = re.compile(r"\{([^}]+)\}")
_REF = "#/components/schemas/{name}"
ERROR = "error"
_ALWAYS = (500, 503)
_WITH_KEY = (401, 403)
_WITH_BODY = (400, 408, 413, 415)


def document(rows: Iterable[Row], error: Any = ErrorBody) -> dict[str, Any]:
    """`error`: the struct of every error's body."""
    rows = list(rows)
    kinds = _kinds(rows, error)
    schemas, components = msgspec.json.schema_components(kinds, ref_template=_REF)
    by_kind = dict(zip(map(_key, kinds), schemas, strict=True))
    by_kind[ERROR] = by_kind[_key(error)]
    paths: dict[str, dict[str, Any]] = {}
    for row in rows:
        paths.setdefault(row.path, {})[row.method.lower()] = _operation(row, by_kind, components)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Headrace",
            "version": version("headrace"),
            "description": "Deploy models, submit jobs, read results. Send Authorization: ApiKey prefix.body.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {"ApiKey": {"type": "apiKey", "in": "header", "name": "Authorization"}},
        },
    }


def _kinds(rows: list[Row], error: Any) -> list[Any]:
    found: dict[str, Any] = {_key(error): error}
    for row in rows:
        for kind in (row.answer, row.json_body, row.query):
            if kind is not None:
                found[_key(kind)] = kind
    return list(found.values())


def _key(kind: Any) -> str:
    return repr(kind)


def _operation(row: Row, schemas: dict[str, Any], components: dict[str, Any]) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": _operation_id(row),
        "summary": row.summary,
        "tags": [row.tag],
        "parameters": [*_path_parameters(row), *_query_parameters(row, schemas, components), *_header_parameters(row)],
        "responses": _responses(row, schemas),
        "security": [{"ApiKey": []}] if row.actions else [],
    }
    if row.actions:
        operation["description"] = f"The key must be allowed to {' or '.join(row.actions)}."
    if content := _request_body(row, schemas):
        operation["requestBody"] = {"content": content, "required": True}
    return operation


def _operation_id(row: Row) -> str:
    words = re.findall(r"[a-zA-Z]+", row.path.removeprefix("/api/"))
    return "_".join([row.method.lower(), *(words or ["root"])])


def _path_parameters(row: Row) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "in": "path",
            "required": True,
            "schema": {"type": "string", "minLength": 0 if name in MAY_BE_EMPTY else 1},
        }
        for name in _PARAMETER.findall(row.path)
    ]


def _query_parameters(row: Row, schemas: dict[str, Any], components: dict[str, Any]) -> list[dict[str, Any]]:
    if row.query is None:
        return []
    name = schemas[_key(row.query)]["$ref"].rsplit("/", 1)[1]
    schema = components[name]
    required = schema.get("required", [])
    return [
        {"name": key, "in": "query", "required": key in required, "schema": value}
        for key, value in schema["properties"].items()
    ]


def _header_parameters(row: Row) -> list[dict[str, Any]]:
    if row.repeat is None:
        return []
    text = (
        "The same key with the same request, within 7 days: it is carried out once, and every time the first answer is"
        " given. 409: the first is under way. 422: the key came with another request."
    )
    schema = {"type": "string", "minLength": 1, "maxLength": LONGEST}
    return [{"name": "Idempotency-Key", "in": "header", "required": False, "description": text, "schema": schema}]


def _request_body(row: Row, schemas: dict[str, Any]) -> dict[str, Any]:
    content: dict[str, Any] = {}
    if row.json_body is not None:
        content["application/json"] = {"schema": schemas[_key(row.json_body)]}
    if row.upload is not None:
        part = {"type": "string", "contentMediaType": "application/octet-stream"}
        content["multipart/form-data"] = {
            "schema": {"type": "object", "properties": {row.upload.name: part}, "required": [row.upload.name]}
        }
    return content


def _responses(row: Row, schemas: dict[str, Any]) -> dict[str, Any]:
    success: dict[str, Any] = {"description": HTTPStatus(row.success).phrase}
    if row.answer is not None:
        success["content"] = {row.media_type: {"schema": schemas[_key(row.answer)]}}
    elif row.media_type != "application/json":
        success["content"] = {row.media_type: {}}
    responses = {str(row.success): success}
    for status in sorted(_error_codes(row)):
        responses[str(status)] = {
            "description": HTTPStatus(status).phrase,
            "content": {"application/json": {"schema": schemas[ERROR]}},
        }
    return responses


def _error_codes(row: Row) -> set[int]:
    codes = {*_ALWAYS, *row.errors}
    if row.actions:
        codes |= {*_WITH_KEY}
    if row.json_body is not None or row.upload is not None:
        codes |= {*_WITH_BODY}
    if row.query is not None or "{" in row.path:
        codes |= {400}
    if "{" in row.path:
        codes |= {404, 405}  # a missing segment makes another path, which may lack the method
    if row.method != "GET":
        codes |= {507}
    if row.repeat is not None:
        codes |= {400, 409, 422}
    return codes
