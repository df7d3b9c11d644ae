"""What torture deploys: an image that is one, and folders that need an environment each."""

from headrace.images.oci.store import Store
from headrace.runners.needs import read_needs
from headrace.settings import ImageSettings
from headrace.torture import deployer
from headrace.torture.tiny_image import tiny_image


async def test_each_tiny_image_is_another_one(tmp_path):
    store, digests = Store(tmp_path / "data", ImageSettings()), set()
    for content in (b"1", b"2"):
        path = tmp_path / "image.tar"
        path.write_bytes(tiny_image(content))
        async with store.bringing() as hold:
            image, name = await store.take_archive(path, "image.tar", hold, lambda _: None)
        digests.add(image.digest)
        assert "torture/tiny:1" in name
    assert 2 == len(digests)


def test_an_environment_is_another_one_without_packages(tmp_path):
    needs = []
    for number in range(2):
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / "pylock.toml").write_bytes(deployer.lock_of("one", number))
        needs.append(read_needs(folder))
    assert needs[0].digest != needs[1].digest
    assert all("pylock.toml" == one.kind for one in needs)
