"""Container images in a deployment: from a registry and from an archive, over restarts, and out again."""

import asyncio
import sqlite3
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from registry import PASSWORD, USER, copy, registry
from rooms.deployment.shelved import Works, running
from rooms.images.container_images import Made, digest, entry, small, tarred, written

from headrace.deployment import upkeep
from headrace.domain.clock import now
from headrace.domain.errors import Conflict, NotFound, NotReady
from headrace.domain.image import ImageRecipe
from headrace.domain.version import Step, StepState, VersionStatus
from headrace.images.oci.store import Store
from headrace.images.registry.auth import Credentials
from headrace.images.registry.reference import parse
from headrace.images.shelf import Shelf
from headrace.settings import ImageSettings
from headrace.storage.sqlite import Sqlite

KNOWN = Credentials(USER, PASSWORD)
LABEL = "summary: Says it louder\ninputs:\n  input.txt: {acceptedMediaTypes: text/plain}\ntimeout: {run: 7s}\n"
OVER = {StepState.DONE, StepState.FAILED}


@pytest.fixture(scope="module")
def closed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("registry")
    with registry(folder, password=True) as found:
        made = small(config={"Entrypoint": ["/bin/sh"], "Labels": {"io.headrace.model": LABEL}})
        copy(written(folder / "x.tar", made.docker()), f"{found.host}/team/model:1", known=True)
        yield found


class Kept(Works):
    """With a real shelf, a real store, and a database in a file."""

    def __init__(self, folder, **settings):
        super().__init__(folder)
        self.image_settings = ImageSettings(**settings)
        self.shelf = Shelf(folder, self.image_settings)
        self.images = Store(folder, self.image_settings)
        self.deployment = self.opened()

    async def ended(self, key):
        await self.until_version(key, lambda version: version.image_step.state in OVER)
        return await self.versions.get(key)

    async def archive(self, key, made, name="upload.tar"):
        spool = written(self.folder / "spool", made.oci())
        await self.deployment.import_archive(key, spool, name, spool.stat().st_size)
        return await self.ended(key)

    async def published(self, made, status=VersionStatus.ACTIVE):
        key = await self.draft()
        version = await self.archive(key, made)
        done = Step(StepState.DONE, 1, "", 100)
        await self.versions.change(key, lambda one: replace(one, status=status, load=done, run=done), now())
        return key, version.recipe.digest

    async def age(self, key, milliseconds):
        """As if it had been changed last so long ago."""
        await self.versions.change(key, lambda one: one, now() - milliseconds)


@asynccontextmanager
async def open_works(folder, **settings):
    built = Kept(folder, **settings)
    try:
        await built.open()
        async with running(built.deployment.run_forever):
            yield built
    finally:
        built.database.close()


async def test_from_a_registry(tmp_path, closed):
    async with open_works(tmp_path, registries=(closed.setting,)) as here:
        key = await here.draft()
        step = await here.deployment.import_image(key, parse(f"{closed.host}/team/model:1"), KNOWN)
        assert (StepState.WAITING, "Uploading container image") == (step.state, step.name)
        version = await here.ended(key)

        assert ("", 100, StepState.DONE) == (
            version.image_step.error,
            version.image_step.percentage,
            version.image_step.state,
        )
        image = version.image
        assert (closed.host, "team", "model", f"{closed.host}/team") == (
            image.registry_host, image.repository_namespace, image.repository_name, image.image_prefix,
        )  # fmt: skip
        assert ("COMPLETED", 100, version.recipe.digest) == (image.upload_status, image.upload_percentage, image.digest)
        assert here.images.image(image.digest).manifest.size == image.size
        assert ImageRecipe(image.digest, f"{closed.host}/team/model:1") == version.recipe
        assert ("input.txt", 7_000) == (version.inputs[0].name, version.timeout.run)
        assert "Says it louder" == (await here.models.get(key.model)).description


async def test_credentials_lie_sealed_and_not_for_long(tmp_path, closed):
    here = Kept(tmp_path, registries=(closed.setting,))
    here.database.close()
    here.database = Sqlite(str(tmp_path / "headrace.db"))
    here.models, here.versions = type(here.models)(here.database), type(here.versions)(here.database)
    here.deployment = here.opened()
    await here.open()
    key = await here.draft()
    await here.deployment.import_image(key, parse(f"{closed.host}/team/model:1"), KNOWN)
    waiting = _rows(tmp_path)
    assert 1 == len(waiting)
    assert waiting[0][0]
    assert not any(PASSWORD.encode() in path.read_bytes() for path in tmp_path.glob("headrace.db*"))

    here.deployment = here.opened()  # a restart, in the middle
    async with running(here.deployment.run_forever):
        assert StepState.DONE is (await here.ended(key)).image_step.state
        async with asyncio.timeout(60):
            while _rows(tmp_path):
                await asyncio.sleep(0.01)
    here.database.close()
    assert not any(PASSWORD.encode() in path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())


def _rows(folder):
    connection = sqlite3.connect(folder / "headrace.db")
    try:
        return connection.execute("SELECT sealed FROM image_sources").fetchall()
    finally:
        connection.close()


@pytest.mark.parametrize(
    ("text", "known", "settings", "says"),
    [
        ("{host}/team/model:1", None, {}, "wants a username"),
        ("{host}/team/model:1", Credentials(USER, "wrong-secret"), {}, "refuses these credentials"),
        ("{host}/team/nothing:1", KNOWN, {}, "has no"),
        ("{host}/team/model:1", KNOWN, {"registries": ()}, "not a public address"),
        ("{host}/team/model:1", KNOWN, {"budget": 500}, "images.budget"),
        ("{host}/team/model:1", KNOWN, {"unpacked": 1_000}, "images.unpacked"),
        ("{host}/team/model:1", KNOWN, {"entries": 2}, "images.entries"),
    ],
)
async def test_what_goes_wrong_is_told(tmp_path, closed, text, known, settings, says):
    async with open_works(tmp_path, **({"registries": (closed.setting,)} | settings)) as here:
        key = await here.draft()
        await here.deployment.import_image(key, parse(text.format(host=closed.host)), known)
        version = await here.ended(key)
        assert (StepState.FAILED, "FAILED") == (version.image_step.state, version.image.upload_status)
        assert says in version.image_step.error
        assert "secret" not in version.image_step.error
        with pytest.raises(Conflict, match="the container image failed"):
            await here.deployment.load(key)


async def test_it_can_be_tried_again(tmp_path, closed):
    async with open_works(tmp_path, registries=(closed.setting,)) as here:
        key = await here.draft()
        for known, state in ((None, StepState.FAILED), (KNOWN, StepState.DONE)):
            await here.deployment.import_image(key, parse(f"{closed.host}/team/model:1"), known)
            assert state is (await here.ended(key)).image_step.state


async def test_an_archive_is_known_for_what_it_holds(tmp_path):
    async with open_works(tmp_path) as here:
        key = await here.draft()
        version = await here.archive(key, small(), "praise.tar")
        assert ImageRecipe(digest(small().manifest()), "praise.tar") == version.recipe
        assert not (tmp_path / "spool").exists()
        async with asyncio.timeout(60):
            while list((tmp_path / "imports").iterdir()):
                await asyncio.sleep(0.01)


async def test_an_image_that_is_refused(tmp_path):
    async with open_works(tmp_path) as here:
        key = await here.draft()
        version = await here.archive(key, small(platform={"architecture": "sparc64"}))
        assert "is for linux/sparc64" in version.image_step.error
        version = await here.archive(key, small(config={"Labels": {"io.headrace.model": "inputs: 1"}}))
        assert "label io.headrace.model" in version.image_step.error


async def test_loading_waits_for_the_image(tmp_path, closed):
    async with open_works(tmp_path, registries=(closed.setting,)) as here:
        key = await here.draft()
        with pytest.raises(NotReady, match="container image has not been done"):
            await here.deployment.load(key)


async def test_what_no_version_needs_goes(tmp_path):
    async with open_works(tmp_path) as here:
        active, kept = await here.published(small())
        deleted, gone = await here.published(Made([tarred(entry("x", b"x"))]))
        await here.versions.change(deleted, lambda one: replace(one, status=VersionStatus.DELETED), now())
        await here.deployment.tidy()
        assert here.images.image(kept)
        with pytest.raises(NotFound):
            here.images.image(gone)
        assert (await here.versions.get(active)).active


async def test_folders_of_deleted_models_go(tmp_path):
    async with open_works(tmp_path) as here:
        folders = {}
        for name in ("kept", "gone"):
            key = await here.draft()
            spool = tmp_path / "spool"
            spool.write_bytes(tarred(entry("model.py", f"# {name}\nclass Model: ...".encode())))
            await here.deployment.import_archive(key, spool, "x.tar", 100)
            folders[name] = (key, tmp_path / (await here.ended(key)).recipe.folder)
        await here.versions.change(folders["gone"][0], lambda one: replace(one, status=VersionStatus.DELETED), now())
        async with asyncio.timeout(60):
            while folders["gone"][1].is_dir():  # not while an import is on its last steps
                await here.deployment.tidy()
                await asyncio.sleep(0.01)
        assert folders["kept"][1].is_dir()


async def test_the_budget_takes_what_does_not_run_and_it_can_come_back(tmp_path):
    async with open_works(tmp_path, budget=400_000) as here:
        old, new = (Made([tarred(entry("f", bytes([number]) * 150_000))]) for number in (1, 2))
        active, kept = await here.published(old)
        inactive, gone = await here.published(new, VersionStatus.INACTIVE)
        await here.deployment.tidy()
        assert here.images.image(gone), "the budget is kept: nothing goes"
        await here.age(inactive, upkeep.DRAINED + 1)
        third = await here.draft()
        await here.archive(third, Made([tarred(entry("f", b"3" * 150_000))]))

        version = await here.versions.get(inactive)
        assert (None, Step(), gone) == (version.recipe, version.image_step, version.image.digest)
        with pytest.raises(NotFound):
            here.images.image(gone)
        with pytest.raises(NotReady, match="the container image has not been done"):
            await here.deployment.change_status(inactive, VersionStatus.ACTIVE)
        assert here.images.image(kept)

        await here.versions.change(third, lambda one: replace(one, status=VersionStatus.DELETED), now())
        other = await here.archive(inactive, Made([tarred(entry("f", b"4"))]))
        assert "was published with the image" in other.image_step.error
        await here.archive(inactive, new)
        active_again = await here.deployment.change_status(inactive, VersionStatus.ACTIVE)
        assert (gone, True) == (active_again.recipe.digest, active_again.active)
        with pytest.raises(Conflict, match="its image stays as it is"):
            await here.archive(active, old)


async def test_a_full_store_is_told(tmp_path):
    async with open_works(tmp_path, budget=200_000) as here:
        await here.published(Made([tarred(entry("f", bytes(150_000)))]))
        key = await here.draft()
        version = await here.archive(key, Made([tarred(entry("f", b"2" * 150_000))]))
        assert "no room (images.budget)" in version.image_step.error
