"""A version as it is stored: both forms of its recipe come back as they were."""

from dataclasses import replace

import pytest

from headrace.catalog import version_documents
from headrace.catalog.versions import new_version
from headrace.domain.ids import VersionKey
from headrace.domain.image import ContainerImage, Contract, FolderRecipe, ImageRecipe

VERSION = new_version(VersionKey("a" * 10, "1.0.0"), "ann@example.com", 1)


@pytest.mark.parametrize(
    ("recipe", "form"),
    [
        (None, b'"recipe":null'),
        (FolderRecipe("models/x", "environments/y", "model.py:Model", (("A", "1"),), "{}"), b'"form":"folder"'),
        (ImageRecipe("sha256:" + "0" * 64, "r.example/a:1"), b'"form":"image"'),
        (ImageRecipe("sha256:" + "0" * 64, "r.example/a:1", Contract.MODZY_GRPC, 45_000), b'"contract":"modzy-grpc"'),
    ],
)
def test_it_comes_back_as_it_was(recipe, form):
    version = replace(VERSION, recipe=recipe, image=ContainerImage(digest="sha256:x", size=3))
    document = version_documents.write(version)
    assert form in document
    assert version == version_documents.read(document)
