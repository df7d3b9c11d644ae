"""Tags: the predefined ones of the documentation, and those that users make."""

import asyncio
from dataclasses import replace

import pytest

from headrace.catalog.tags import CUSTOM, MOST, PREDEFINED, identifier_of
from headrace.domain.errors import Invalid
from headrace.domain.model import Scope, Tag, Visibility

NOW = 1_700_000_000_000


def test_the_predefined_tags_are_those_of_the_documentation():
    kinds = [tag.kind for tag in PREDEFINED.values()]

    assert {"Task": 5, "Subject": 11, "Input Type": 5, CUSTOM: 1} == {kind: kinds.count(kind) for kind in set(kinds)}
    assert Tag("count", "Count", "Task", categorical=True) == PREDEFINED["count"]
    assert "Label or Classify" == PREDEFINED["label_or_classify"].name
    assert not PREDEFINED["computer_vision"].categorical


def test_identifiers_can_stand_in_a_path_between_commas():
    assert "colors_textures_and_patterns" == identifier_of("Colors, Textures, and Patterns")
    assert all("," not in identifier and "/" not in identifier for identifier in PREDEFINED)
    assert "c++" == identifier_of(" C++ ")


async def test_tags_are_known_by_name_and_by_identifier(tags):
    found = await tags.resolve(["Time Series", "time_series", "TIME SERIES", "Count"])

    assert ("time_series", "count") == tuple(tag.identifier for tag in found)


async def test_unknown_tags_are_made_and_kept(tags):
    [made] = await tags.resolve(["My  Own Tag"])

    assert Tag("my_own_tag", "My  Own Tag", "Tags", categorical=False) == made
    assert (made,) == await tags.resolve(["my own tag"])
    assert [*PREDEFINED.values(), made] == await tags.all()


async def test_two_that_make_the_same_tag_at_once_get_the_same(tags):
    found = await asyncio.gather(*(tags.resolve(["new", f"other {n % 3}"]) for n in range(20)))

    assert {"new"} == {one[0].identifier for one in found}
    assert 4 == len(await tags.all()) - len(PREDEFINED)


@pytest.mark.parametrize("name", ["", "  ", ",;/", "x" * 65, "a\nb"])
async def test_a_tag_needs_a_name_that_can_be_shown(tags, name):
    with pytest.raises(Invalid, match="printable"):
        await tags.resolve([name])


async def test_a_refused_list_makes_no_tag(tags):
    with pytest.raises(Invalid):
        await tags.resolve(["good", ""])
    with pytest.raises(Invalid, match=f"at most {MOST}"):
        await tags.resolve([f"tag {n}" for n in range(MOST + 1)])

    assert len(PREDEFINED) == len(await tags.all())


async def tagged(models, tags, who, name, wanted, **visibility):
    made = await models.create(name, "1.0.0", who, NOW)
    found = await tags.resolve(wanted)
    return await models.change(
        made.identifier,
        lambda old: replace(old, tags=found, visibility=Visibility(**visibility) if visibility else old.visibility),
        NOW,
    )


async def test_models_of_one_tag_or_another(models, tags, ann, who):
    cat = await tagged(models, tags, ann, "cat", ["Image", "animals"])
    dog = await tagged(models, tags, who("bob"), "dog", ["Image"], scope=Scope.ALL)
    await tagged(models, tags, who("bob"), "hidden", ["Image"])
    ear = await tagged(models, tags, ann, "ear", ["Audio"])

    found, seen = await tags.with_models(["image", "audio"], ann)
    assert ["audio", "image"] == sorted(tag.identifier for tag in found)
    assert [cat, dog, ear] == seen
    assert ([cat], "animals") == ((await tags.with_models(["animals"], ann))[1], "animals")


async def test_unknown_tags_have_neither_tags_nor_models(tags, ann):
    assert ([], []) == await tags.with_models(["nonsense", ""], ann)


async def test_counts_are_of_what_the_viewer_sees(models, tags, ann, who):
    await tagged(models, tags, ann, "cat", ["Image", "animals"])
    await tagged(models, tags, ann, "dog", ["Image"])
    await tagged(models, tags, who("bob"), "hidden", ["Image"])

    counts = {tag.identifier: count for tag, count in await tags.counts(ann)}

    assert (2, 1, 0) == (counts["image"], counts["animals"], counts["audio"])
