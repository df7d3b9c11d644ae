"""A job's JSON, as clients write it and as they get it wrong."""

import base64
from dataclasses import replace

import msgspec
import pytest

from headrace.api.modzy.parse.jobs import data_uri, names, new_job
from headrace.domain.errors import Invalid, Unsupported
from headrace.domain.ids import VersionKey
from headrace.domain.job import JobInput, NewJob
from headrace.domain.source import SourceKind

MODEL = {"identifier": "ed542963de", "version": "1.0.1"}
KEY = VersionKey("ed542963de", "1.0.1")


def _job(sources, kind="text", **more):
    return _whole(msgspec.json.encode({"model": MODEL, "input": {"type": kind, "sources": sources}, **more}))


def _whole(raw):
    """With all inputs, which are parsed as they are taken."""
    new = new_job(raw)
    inputs = tuple(new.inputs or ())
    assert (len(inputs), [one.name for one in inputs]) == (len(new.inputs or ()), names(new))
    return replace(new, inputs=inputs or None)


def test_text_of_any_names():
    sources = {"a": {"input.txt": "hi"}, "": {"input.txt": "ä"}, "../x y": {}}
    expected = (JobInput("a", {"input.txt": b"hi"}), JobInput("", {"input.txt": "ä".encode()}), JobInput("../x y", {}))
    assert NewJob(KEY, SourceKind.TEXT, expected) == _job(sources)


def test_without_input_it_is_open():
    assert NewJob(KEY, SourceKind.FILE, None) == new_job(msgspec.json.encode({"model": MODEL}))
    assert NewJob(KEY, SourceKind.FILE, None) == new_job(msgspec.json.encode({"model": MODEL, "input": None}))


@pytest.mark.parametrize(
    ("given", "explain"), [(True, True), ("true", True), ("True", True), ("false", False), (None, False), ("", False)]
)
def test_explain_also_comes_as_text(given, explain):
    assert explain == _job({"a": {"k": "v"}}, explain=given).explain


def test_timeout_is_milliseconds():
    assert (0, 500) == (_job({"a": {"k": "v"}}, timeout=None).timeout, _job({"a": {"k": "v"}}, timeout=500.0).timeout)


def test_strangers_are_ignored_and_credentials_not_read():
    assert _job({"a": {"k": "v"}}, weather="fine", accessKeyID="x") == _job({"a": {"k": "v"}})


@pytest.mark.parametrize(
    ("text", "content"),
    [
        ("data:application/octet-stream;base64,aGk=", b"hi"),
        ("data:text/plain;charset=US-ASCII,aGk=", b"hi"),
        ("data:text/plain;charset=utf-8;base64,aGk=", b"hi"),
        ("data:;base64,aGk", b"hi"),
        ("data:text/plain;base64,aG\r\nk=", b"hi"),
        ("data:text/plain;base64,aGk%3D", b"hi"),
        ("data:text/plain,hello%20world!", b"hello world!"),
        ("data:text/plain,ä", "ä".encode()),
        ("data:,", b""),
        ("data:application/octet-stream;base64," + base64.b64encode(bytes(range(256))).decode(), bytes(range(256))),
    ],
)
def test_data_uris_of_all_clients(text, content):
    assert content == data_uri(text)


def test_an_input_that_cannot_be_decoded_costs_only_itself():
    job = _job({"a": {"k": "data:;base64,!!!"}, "b": {"k": "no uri"}, "c": {"k": "data:,x"}}, "embedded")
    refusals = [one.refusal for one in job.inputs]
    assert "k: the content of the data-URI is not base64" == refusals[0]
    assert "k: is not a data-URI: send data:<media type>;base64,<content>" == refusals[1]
    assert refusals[2] is None


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ({}, "the body lacks `model`"),
        ({"model": {"identifier": "x"}}, "`model` lacks `version`"),
        ({"model": MODEL, "input": {}}, "`input` lacks `type`"),
        ({"model": MODEL, "input": {"type": "text"}}, "`input.sources` should hold at least one input"),
        ({"model": MODEL, "input": {"type": "smoke", "sources": {"a": {}}}}, "`input.type` should be one of text, "),
        ({"model": MODEL, "input": {"type": "file", "sources": {"a": {}}}}, "files are sent in pieces"),
        ({"model": MODEL, "input": {"type": "text", "sources": {"a": "b"}}}, "input 'a' should be an object"),
        (
            {"model": MODEL, "input": {"type": "text", "sources": {"a": {"b": 1}}}},
            "'b' of input 'a' should be text, but",
        ),
        ({"model": MODEL, "inputs": {}}, "unknown key `inputs`: did you mean `input`?"),
        ({"model": MODEL, "explain": "perhaps"}, "`explain` should be true or false, but is 'perhaps'"),
        ({"model": MODEL, "timeout": -1}, "`timeout` should be"),
        ({"model": MODEL, "input": {"type": "text", "sources": {"x" * 1001: {}}}}, "more than 1000 characters"),
    ],
)
def test_what_is_wrong_is_told(body, sentence):
    with pytest.raises(Invalid) as told:
        _whole(msgspec.json.encode(body))
    assert sentence in told.value.message


@pytest.mark.parametrize("kind", ["aws-s3", "aws-s3-folder", "azureblob", "azure-blobstore", "storage-grid", "jdbc"])
def test_kinds_that_are_known_and_not_fetched_yet(kind):
    with pytest.raises(Unsupported, match="not fetched by this server yet"):
        _job({"a": {"k": {"bucket": "b", "key": "k"}}}, kind)
