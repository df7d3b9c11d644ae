"""What people call an image, and where the server may go for it."""

import ipaddress

import httpx2
import pytest

from headrace.domain.errors import Forbidden, HeadraceError, Invalid, Unavailable
from headrace.images.registry.addresses import allowed, is_public, of_people, resolve
from headrace.images.registry.reference import DOCKER, parse
from headrace.settings import ImageSettings

PINNED = "sha256:" + "a" * 64


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("modzy/echo:1.0", (DOCKER, "modzy/echo", "1.0", "")),
        ("echo", (DOCKER, "library/echo", "latest", "")),
        ("docker.io/echo:1", (DOCKER, "library/echo", "1", "")),
        ("index.docker.io/a/b", (DOCKER, "a/b", "latest", "")),
        ("localhost/a", ("localhost", "a", "latest", "")),
        ("localhost:5000/a/b/c:x", ("localhost:5000", "a/b/c", "x", "")),
        ("registry.example/a:1", ("registry.example", "a", "1", "")),
        ("registry.example:5000/a", ("registry.example:5000", "a", "latest", "")),
        ("[::1]:5000/a:1", ("[::1]:5000", "a", "1", "")),
        ("docker://quay.io/a/b:1", ("quay.io", "a/b", "1", "")),
        (f"quay.io/a/b@{PINNED}", ("quay.io", "a/b", "", PINNED)),
        (f"quay.io/a/b:1@{PINNED}", ("quay.io", "a/b", "1", PINNED)),
        ("https://registry.hub.docker.com/v2/modzy/echo/manifests/1.0", (DOCKER, "modzy/echo", "1.0", "")),
        ("https://registry.hub.docker.com/v2/modzy/echo/manifests/latest", (DOCKER, "modzy/echo", "latest", "")),
        (f"https://r.example:5000/v2/a/b/manifests/{PINNED}", ("r.example:5000", "a/b", "", PINNED)),
        ("https://r.example/v2/a/b/c/manifests/1/", ("r.example", "a/b/c", "1", "")),
        ("http://r.example:80/a/b:1", ("r.example:80", "a/b", "1", "")),
        (" r.example/a:1 ", ("r.example", "a", "1", "")),
    ],
)
def test_every_form(text, parts):
    found = parse(text)
    assert parts == (found.host, found.repository, found.tag, found.digest)
    assert found == parse(str(found)), "it is stored as text"


@pytest.mark.parametrize(
    "text",
    [
        "", " ", "A/b", "a b", "a:b:c/d", "r.example/", "r.example/a:x/y", "r.example/../etc/passwd",
        "r.example/a@sha256:00", "r.example/a@md5:" + "0" * 32, "r.example/a:tag with space", "r.example/a\n:1",
        "https://user:secret@r.example/v2/a/manifests/1", "https:///v2/a/manifests/1", "r.example:port/a",
        "https://r.example/v2/a/manifests/..%2f..", "r.example/a?x=1", "r.example/a#x", "https://[::1/v2/a",
        "r.example/a:" + "x" * 200, "-r.example/a", "r.example/a//b", "r.example\\@evil/a",
        "r.example:70000/a", "0177.0.0.1/a", "x" * 2_000,
    ],
)  # fmt: skip
def test_what_names_no_image(text):
    with pytest.raises(Invalid) as refused:
        parse(text)
    assert "secret" not in refused.value.message


HERE = [
    "127.0.0.1", "127.8.9.10", "0.0.0.0", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "169.254.169.254",
    "169.254.0.1", "100.64.0.1", "100.100.100.200", "192.0.0.1", "192.0.2.1", "198.18.0.1", "198.51.100.1",
    "203.0.113.1", "224.0.0.1", "239.1.1.1", "240.0.0.1", "255.255.255.255", "::", "::1", "fe80::1", "fc00::1",
    "fd00:ec2::254", "ff02::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "::127.0.0.1",
    "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "2002:7f00:1::", "2002:a00:1::1", "2001:db8::1", "100::1",
    "2001:0:4136:e378:8000:63bf:f5ff:fffe",
]  # fmt: skip


@pytest.mark.parametrize("address", HERE)
def test_addresses_that_are_nobodys_business(address):
    assert not is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize("address", ["8.8.8.8", "1.1.1.1", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"])
def test_public_addresses(address):
    assert is_public(ipaddress.ip_address(address))


NAMES = [
    "127.0.0.1", "127.1", "2130706433", "0x7f000001", "0177.0.0.1", "0", "localhost", "LOCALHOST", "[::1]",
    "[::ffff:127.0.0.1]", "[0:0:0:0:0:ffff:7f00:1]", "127.0.0.1.", "10.1", "169.254.169.254", "0xa9fea9fe",
    "2852039166",
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("port", ["", ":5000", ":443"])
async def test_spellings_of_places_in_here(name, port):
    async def asked():
        found = parse(f"https://{name}{port}/v2/a/manifests/1")
        await resolve(httpx2.URL(f"https://{found.host}/v2/"), allowed(ImageSettings()))

    with pytest.raises((Forbidden, Invalid, Unavailable)):
        await asked()


async def test_what_the_operator_lists():
    rules = allowed(ImageSettings(registries=("127.0.0.1:5000", "http://127.0.0.1:5001", "HTTP://localhost")))
    assert ["127.0.0.1"] == await resolve(httpx2.URL("https://127.0.0.1:5000/x"), rules)
    assert ["127.0.0.1"] == await resolve(httpx2.URL("http://127.0.0.1:5001/x"), rules)
    assert "127.0.0.1" in await resolve(httpx2.URL("http://localhost:80/x"), rules)
    for url in ("http://127.0.0.1:5000/x", "https://127.0.0.1/x", "https://127.0.0.1:5002/x", "http://localhost:81/"):
        with pytest.raises(Forbidden, match=r"images\.registries="):
            await resolve(httpx2.URL(url), rules)
    for url in ("ftp://127.0.0.1:5000/x", "file:///etc/passwd", "https:///x"):
        with pytest.raises(HeadraceError):
            await resolve(httpx2.URL(url), rules)


async def test_only_what_the_operator_lists():
    rules = allowed(ImageSettings(registries=("127.0.0.1:5000",), public=False))
    assert ["127.0.0.1"] == await resolve(httpx2.URL("https://127.0.0.1:5000/x"), rules)
    with pytest.raises(Forbidden, match="operator allows"):
        await resolve(httpx2.URL("https://8.8.8.8/x"), rules)
    assert ["8.8.8.8"] == await resolve(httpx2.URL("https://8.8.8.8/x"), allowed(ImageSettings()))


async def test_people_go_where_they_like():
    assert await resolve(httpx2.URL("https://127.0.0.1:5000/x"), of_people("127.0.0.1:5000", plain=False))
    assert await resolve(httpx2.URL("http://127.0.0.1:5000/x"), of_people("127.0.0.1:5000", plain=True))
    with pytest.raises(Forbidden):
        await resolve(httpx2.URL("http://127.0.0.1:5001/x"), of_people("127.0.0.1:5000", plain=True))
