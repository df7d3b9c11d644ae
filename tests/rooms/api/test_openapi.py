"""The document says what the table says."""

import re

import jsonschema
import pytest

from headrace.api.modzy import routes


@pytest.fixture
async def document(client):
    return (await client.get("/openapi.json")).json()


async def test_every_endpoint_is_there(home, document):
    assert {(row.path, row.method.lower()) for row in routes.rows(home.rooms)} <= {
        (path, method) for path, methods in document["paths"].items() for method in methods
    }


async def test_operation_identifiers_are_unique(document):
    identifiers = [one["operationId"] for methods in document["paths"].values() for one in methods.values()]
    assert sorted(set(identifiers)) == sorted(identifiers)


async def test_every_reference_leads_somewhere(document):
    def references(node):
        if isinstance(node, dict):
            if "$ref" in node:
                yield node["$ref"]
            for value in node.values():
                yield from references(value)
        elif isinstance(node, list):
            for value in node:
                yield from references(value)

    names = set(document["components"]["schemas"])
    assert {one.removeprefix("#/components/schemas/") for one in references(document)} <= names
    for schema in document["components"]["schemas"].values():
        jsonschema.Draft202012Validator.check_schema(schema)


async def test_path_parameters_are_declared(document):
    for path, methods in document["paths"].items():
        for operation in methods.values():
            declared = {one["name"] for one in operation["parameters"] if one["in"] == "path"}
            assert set(re.findall(r"\{(\w+)\}", path)) == declared


async def test_errors_and_security(document):
    submit = document["paths"]["/api/jobs"]["post"]
    assert {"202", "400", "401", "403", "404", "413", "500", "503", "507"} <= set(submit["responses"])
    assert [{"ApiKey": []}] == submit["security"]
    assert "#/components/schemas/JobBody" == submit["requestBody"]["content"]["application/json"]["schema"]["$ref"]
    assert [] == document["paths"]["/livez"]["get"]["security"]
    names = {one["name"] for one in document["paths"]["/api/models"]["get"]["parameters"]}
    assert {"modelId", "isActive", "page", "per-page", "sort-by", "direction"} <= names
    image = document["paths"]["/api/models/{model}/versions/{version}/container-image"]["post"]
    assert {"application/json", "multipart/form-data"} == set(image["requestBody"]["content"])


async def test_the_page_for_people_names_every_route(home, client):
    page = (await client.get("/docs")).text
    for row in routes.rows(home.rooms):
        assert row.path in page
