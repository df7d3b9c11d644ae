"""Models: made, found by those who may see them, changed."""

import asyncio
from dataclasses import replace

import pytest
from sqlalchemy import event

from headrace.catalog.search import ModelQuery
from headrace.domain.account import Role
from headrace.domain.errors import Conflict, Invalid, NotFound, TooLarge
from headrace.domain.listing import Filter, Page
from headrace.domain.model import Feature, Model, Picture, Scope, Tag, Visibility

NOW = 1_700_000_000_000


def names(found):
    return [model.name for model in found]


async def test_a_new_model_is_private_inactive_and_has_its_first_version(models, ann):
    made = await models.create(" My Echo Model ", "0.1.0", ann, NOW)

    assert ("My Echo Model", "acme", "red", "acme") == (made.name, made.account, made.team, made.author)
    assert ("u-ann", "ann@example.com", "Ann Lee") == (made.owner, made.owner_email, made.owner_name)
    assert (Visibility(Scope.PRIVATE), ("0.1.0",), (), False) == (
        made.visibility, made.versions, made.active_versions, made.active,
    )  # fmt: skip
    assert made == await models.get(made.identifier)


@pytest.mark.parametrize("name", ["", "   ", "x" * 129, "two\nlines", "\x1b[31m", "zero\u200bwidth"])
async def test_a_name_that_would_spoil_a_list_is_refused(models, ann, model, name):
    with pytest.raises(Invalid, match="1 to 128"):
        await models.create(name, "1.0.0", ann, NOW)
    with pytest.raises(Invalid, match="1 to 128"):
        await models.change(model.identifier, lambda old: replace(old, name=name), NOW)


async def test_a_bad_version_makes_no_model(models, ann):
    with pytest.raises(Invalid, match="semantic version"):
        await models.create("Echo", "one", ann, NOW)

    assert [] == await models.find(ModelQuery())


async def test_names_need_not_be_unique(models, ann):
    one, two = [await models.create("Echo", "1.0.0", ann, NOW) for _ in range(2)]

    assert one.identifier != two.identifier


async def test_a_unique_name_is_one_that_the_caller_does_not_see_yet(models, who, ann):
    made = await models.create_unique("Echo", "1.0.0", ann, NOW)
    with pytest.raises(Conflict, match=f"'Echo' already: {made.identifier}"):
        await models.create_unique(" Echo ", "1.0.0", ann, NOW)

    assert "Echo2" == (await models.create_unique("Echo2", "1.0.0", ann, NOW)).name
    assert "echo" == (await models.create_unique("echo", "1.0.0", ann, NOW)).name
    hidden = await models.create_unique("Echo", "1.0.0", who("bob"), NOW)  # who may not know of Ann's
    await models.change(hidden.identifier, lambda old: replace(old, visibility=Visibility(Scope.ALL)), NOW)
    with pytest.raises(Conflict):
        await models.create_unique("Echo", "1.0.0", who("eve"), NOW)


async def test_of_many_at_once_one_gets_a_unique_name(models, ann):
    made = [models.create_unique("Echo", "1.0.0", ann, NOW) for _ in range(8)]
    found = await asyncio.gather(*made, return_exceptions=True)

    assert [Conflict] * 7 + [Model] == sorted(map(type, found), key=str)


async def test_an_unknown_model_is_not_found_in_the_words_of_the_contract(models):
    with pytest.raises(NotFound, match=r"^Model notamodel not found$"):
        await models.get("notamodel")


async def test_what_may_not_be_seen_is_not_found_in_the_same_words(models, model, who):
    with pytest.raises(NotFound, match=f"^Model {model.identifier} not found$"):
        await models.visible(model.identifier, who("bob"))
    assert model == await models.visible(model.identifier, who("ann"))


async def test_everything_that_is_changed_comes_back(models, model):
    def edit(old):
        return replace(
            old,
            name="Echo 2",
            description="says it again — äöü 🙂",
            recommended=True,
            commercial=True,
            features=(Feature("built-in-explainability", "Explains", "itself"),),
            tags=(Tag("count", "Count", "Task", categorical=True),),
            pictures=(Picture("d" * 64, 5, "image/png", 2000, 1000, "Echo", "card"),),
            visibility=Visibility(Scope.TEAM, ("red", "blue")),
            owner="u-bob",
            expires=NOW + 5,
        )

    changed = await models.change(model.identifier, edit, NOW + 1)

    assert replace(edit(model), updated=NOW + 1) == changed == await models.get(model.identifier)


async def test_identity_and_versions_stay_whatever_is_said(models, model):
    def forge(old):
        return replace(old, identifier="x", account="x", versions=("9.9.9",), active_versions=("9.9.9",), created=0)

    assert replace(model, updated=NOW + 1) == await models.change(model.identifier, forge, NOW + 1)


async def test_a_change_that_raises_changes_nothing(models, model):
    def refuse(_old):
        raise Conflict("no")

    with pytest.raises(Conflict):
        await models.change(model.identifier, refuse, NOW + 1)
    with pytest.raises(Invalid, match="description"):
        await models.change(model.identifier, lambda old: replace(old, description="x" * 20_001), NOW + 1)
    with pytest.raises(TooLarge):
        await models.change(model.identifier, lambda old: replace(old, features=(Feature("x" * 2**20, "", ""),)), NOW)
    assert model == await models.get(model.identifier)


async def test_changes_at_once_are_all_kept(models, model):
    def add(number):
        return lambda old: replace(old, features=(*old.features, Feature(str(number), "", "")))

    await asyncio.gather(*(models.change(model.identifier, add(number), NOW) for number in range(20)))

    assert {str(n) for n in range(20)} == {one.identifier for one in (await models.get(model.identifier)).features}


async def test_a_list_holds_what_the_viewer_sees(models, who):
    for scope in Scope:
        for owner in (who("ann"), who("bob", team="blue"), who("eve", account="alien")):
            made = await models.create(f"{owner.user.external_identifier}-{scope}", "1.0.0", owner, NOW)
            await models.change(
                made.identifier, lambda old, scope=scope: replace(old, visibility=Visibility(scope)), NOW
            )

    async def seen(viewer):
        return set(names(await models.find(ModelQuery(viewer=viewer))))

    acme = {f"{owner}-{scope}" for owner in ("ann", "bob") for scope in Scope}
    assert acme | {"eve-ALL"} == await seen(who("root", Role.SYSTEM_OWNER)) == await seen(who("x", Role.ACCOUNT_ADMIN))
    assert (acme | {"eve-ALL"}) - {"bob-TEAM", "bob-PRIVATE"} == await seen(who("ann"))
    assert {"ann-ALL", "ann-ACCOUNT", "ann-TEAM", "bob-ALL", "bob-ACCOUNT", "eve-ALL"} == await seen(who("new"))
    assert {"ann-ALL", "bob-ALL", "eve-ALL"} == await seen(who("zoe", account="third"))
    assert 12 == len(await seen(None))


async def test_models_shared_with_a_team_are_in_its_lists(models, model, who):
    blue = who("bob", team="blue")
    await models.change(model.identifier, lambda old: replace(old, visibility=Visibility(Scope.TEAM, ("blue",))), NOW)

    assert ["Echo"] == names(await models.find(ModelQuery(viewer=blue)))


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (ModelQuery(name=Filter("echo")), ["echo", "Echo", "an echo", "Echo Two"]),
        (ModelQuery(name=Filter("Echo"), page=Page(1, 1)), ["Echo"]),
        (ModelQuery(name=Filter("echo"), page=Page(1, 1)), ["echo"]),
        (ModelQuery(name=Filter("echo"), sort=("name",), descending=True, page=Page(1, 2)), ["echo", "Echo"]),
        (ModelQuery(name=Filter("ÜBER")), ["Übersetzer"]),
        (ModelQuery(name=Filter("two,über")), ["Echo Two", "Übersetzer"]),
        (ModelQuery(name=Filter("echo;two")), ["Echo Two"]),
        (ModelQuery(name=Filter("100%")), []),
        (ModelQuery(name=Filter("_")), []),
        (ModelQuery(author=Filter("ACM"), page=Page(1, 1)), ["an echo"]),
        (ModelQuery(created_by_email=Filter("nobody")), []),
        (ModelQuery(recommended=True), ["Echo Two"]),
        (ModelQuery(description=Filter("twice")), ["Echo Two"]),
        (ModelQuery(active=True), []),
        (ModelQuery(expired=True, at=NOW + 10), ["Echo Two"]),
        (ModelQuery(expiration=Filter("2023-11-14T22:13:20.005")), ["Echo Two"]),
        (ModelQuery(page=Page(2, 3)), ["Echo Two", "Übersetzer"]),
    ],
)
async def test_models_can_be_looked_for(models, ann, query, expected):
    for name in ("Übersetzer", "an echo", "echo", "Echo Two", "Echo"):
        made = await models.create(name, "1.0.0", ann, NOW)
        if name == "Echo Two":
            await models.change(
                made.identifier,
                lambda old: replace(old, recommended=True, description="says it twice", expires=NOW + 5),
                NOW,
            )

    assert expected == names(await models.find(replace(query, viewer=ann)))


async def test_a_model_is_found_by_its_identifier(models, model, ann):
    await models.create("Other", "1.0.0", ann, NOW)

    assert [model] == await models.find(ModelQuery(identifier=Filter(model.identifier.upper())))


async def test_pages_are_cut_after_the_order_was_made(models, ann):
    for number in range(25):
        await models.create(f"model {24 - number:02}", "1.0.0", ann, NOW)

    pages = [names(await models.find(ModelQuery(viewer=ann, page=Page(number, 10)))) for number in (1, 2, 3)]

    assert [f"model {number:02}" for number in range(25)] == [name for page in pages for name in page]


async def test_an_unknown_order_names_the_known_ones(models):
    with pytest.raises(Invalid, match="'colour' is not known here; choose from modelId, author"):
        await models.find(ModelQuery(sort=("colour",)))


async def test_related_models_share_most_tags(models, tags, ann, who):
    made = {name: await models.create(name, "1.0.0", ann, NOW) for name in ("one", "two", "three", "four", "hidden")}
    for name, wanted in {"one": ["Count", "Image"], "two": ["Image"], "three": ["Count", "Image"]}.items():
        found = await tags.resolve(wanted)
        await models.change(made[name].identifier, lambda old, found=found: replace(old, tags=found), NOW)

    assert ["three", "two"] == names(await models.related(made["one"].identifier, ann))
    assert {"one", "two", "three", "hidden"} == set(names(await models.related(made["four"].identifier, ann)))
    with pytest.raises(NotFound):
        await models.related(made["one"].identifier, who("bob"))


async def test_related_is_never_empty_while_another_model_can_be_seen(models, model, who, ann):
    bob = who("bob", account="alien")
    other = await models.create("Other", "1.0.0", bob, NOW)
    assert [] == await models.related(model.identifier, ann)

    await models.change(other.identifier, lambda old: replace(old, visibility=Visibility(Scope.ALL)), NOW)

    assert ["Other"] == names(await models.related(model.identifier, ann))


async def test_the_last_use_is_written_once_a_minute(models, model, database):
    statements = []
    event.listen(database.engine, "before_cursor_execute", lambda *args: statements.append(args[2]))

    for seconds in (0, 1, 30, 59):
        await models.touch(model.identifier, NOW + seconds * 1000)
    updates = [one for one in statements if one.lower().startswith("update")]
    await models.touch(model.identifier, NOW + 60_000)

    assert 1 == len(updates)
    assert NOW + 60_000 == (await models.get(model.identifier)).last_used
    assert model.updated == (await models.get(model.identifier)).updated


async def test_models_can_be_ordered_by_their_last_use(models, ann):
    for number, name in enumerate(("never", "early", "late")):
        made = await models.create(name, "1.0.0", ann, NOW)
        if number:
            await models.touch(made.identifier, NOW + number)

    query = ModelQuery(sort=("lastActiveDateTime",), descending=True)
    assert ["late", "early", "never"] == names(await models.find(query))


async def test_models_can_be_ordered_by_their_latest_version(models, ann):
    for version in ("1.9.0", "1.10.0", "1.10.0-rc.1"):
        await models.create(version, version, ann, NOW)

    assert ["1.9.0", "1.10.0-rc.1", "1.10.0"] == names(await models.find(ModelQuery(sort=("latestVersion",))))
