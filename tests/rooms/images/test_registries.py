"""Real registries: with and without password, tokens and TLS; and a registry that lies."""

import asyncio
import json
import re
import tempfile
import threading
from contextlib import asynccontextmanager, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx2
import pytest
from registry import PASSWORD, USER, Certificates, Tokens, copy, registry, skopeo
from rooms.images.container_images import Made, digest, entry, small, tarred, written

from headrace.domain.errors import Forbidden, HeadraceError, Invalid, NotFound, Unavailable, Unsupported
from headrace.images.oci.store import Store
from headrace.images.registry import addresses, client, pull
from headrace.images.registry.auth import Credentials
from headrace.images.registry.push import File, Outgoing, push
from headrace.images.registry.reference import parse
from headrace.settings import ImageSettings

KNOWN = Credentials(USER, PASSWORD)


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    with registry(tmp_path_factory.mktemp("plain")) as found:
        yield found


@pytest.fixture(scope="module")
def closed(tmp_path_factory):
    """With a password, and TLS by an authority of our own."""
    folder = tmp_path_factory.mktemp("closed")
    with registry(folder, password=True, certificates=Certificates(folder)) as found:
        yield found


async def pulled(store, text, settings, credentials=None, told=None):
    reference = parse(text)
    rules = addresses.allowed(settings)

    async def report(count):
        if told is not None:
            told.append(count)

    async with client.connected(reference, credentials, rules, settings.ca) as found, store.bringing() as hold:
        image, document, manifest = await pull.resolve(found, reference)
        await store.hold(hold, image, manifest)
        await pull.fetch(found, store.blobs, manifest, report)
        store.blobs.write(document)
        return await store.admit(image, text, lambda _: None)


def trusting(*registries, **more):
    return ImageSettings(registries=tuple(one if isinstance(one, str) else one.setting for one in registries), **more)


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "data", ImageSettings())


async def pushed(made, where, credentials=None, authorities=""):
    """By our own program. Returns the digest."""
    config, layers = made.parts()
    document = made.manifest()
    reference = parse(where)
    rules = addresses.of_people(reference.host, plain=not authorities)

    @asynccontextmanager
    async def files():
        with _files([config, *layers]) as found:
            yield found

    async with files() as found, client.connected(reference, credentials, rules, authorities, "pull,push") as there:
        kind = json.loads(document)["mediaType"]
        assert digest(document) == await push(there, reference, Outgoing(document, kind, found), lambda _: None)
    return digest(document)


@contextmanager
def _files(contents):
    with tempfile.TemporaryDirectory() as folder:
        found = []
        for number, content in enumerate(contents):
            path = Path(folder, str(number))
            path.write_bytes(content)
            found.append(File(path, digest(content), len(content)))
        yield found


@pytest.mark.parametrize("packing", ["", "gzip", "zstd"])
async def test_pushed_and_pulled_by_us_and_judged_by_skopeo(plain, store, packing):
    where = f"{plain.host}/team/model:{packing or 'plain'}"
    image = await pushed(small(packing=packing), where)
    assert image == json.loads(skopeo("inspect", "--tls-verify=false", f"docker://{where}"))["Digest"]
    told = []
    found = await pulled(store, where, trusting(plain), told=told)
    assert (image, found.manifest.size) == (found.digest, sum(told))
    assert (await store.rootfs(image))[0].joinpath("usr/bin/ls").is_file()


async def test_all_three_forms_of_a_reference(plain, store, tmp_path):
    copy(written(tmp_path / "x.tar", small().docker()), f"{plain.host}/a/forms:1")
    first = await pulled(store, f"{plain.host}/a/forms:1", trusting(plain))
    second = await pulled(store, f"https://{plain.host}/v2/a/forms/manifests/1", trusting(plain))
    third = await pulled(store, f"{plain.host}/a/forms@{first.digest}", trusting(plain))
    assert first.digest == second.digest == third.digest
    with pytest.raises(NotFound, match="has no"):
        await pulled(store, f"{plain.host}/a/forms@sha256:{'0' * 64}", trusting(plain))
    with pytest.raises(NotFound, match="has no"):
        await pulled(store, f"{plain.host}/a/nothing:1", trusting(plain))


@pytest.mark.parametrize("kind", ["v2s2", "oci"])
async def test_manifests_of_docker_and_of_oci(plain, store, tmp_path, kind):
    source = written(tmp_path / "x.tar", small().docker())
    target = f"{plain.host}/kinds:{kind}"
    skopeo("copy", "--dest-tls-verify=false", "--format", kind, f"docker-archive:{source}", f"docker://{target}")
    found = await pulled(store, target, trusting(plain))
    assert {"v2s2": "docker", "oci": "oci"}[kind] in found.manifest.media_type
    assert ("/bin/sh",) == store.config(found.digest).entrypoint
    assert found.digest in skopeo("inspect", f"oci-archive:{await store.archive(found.digest)}")


async def test_a_list_is_resolved_for_this_machine(plain, store):
    ours, theirs = small(), small(platform={"architecture": "sparc64"})
    listed = []
    for name, one in (("theirs", theirs), ("ours", ours)):
        document = one.manifest()
        await pushed(one, f"{plain.host}/list:{name}")
        platform = {"os": "linux", "architecture": json.loads(one.parts()[0])["architecture"]}
        kind = "application/vnd.oci.image.manifest.v1+json"
        listed.append({"mediaType": kind, "digest": digest(document), "size": len(document), "platform": platform})
    for tag, entries in (("both", listed), ("none", listed[:1])):
        kind = "application/vnd.oci.image.index.v1+json"
        body = json.dumps({"schemaVersion": 2, "mediaType": kind, "manifests": entries})
        url = f"http://{plain.host}/v2/list/manifests/{tag}"
        httpx2.put(url, content=body, headers={"Content-Type": kind}, verify=False).raise_for_status()
    assert digest(ours.manifest()) == (await pulled(store, f"{plain.host}/list:both", trusting(plain))).digest
    with pytest.raises(Unsupported, match="only for linux/sparc64"):
        await pulled(store, f"{plain.host}/list:none", trusting(plain))
    with pytest.raises(Unsupported, match="is for linux/sparc64, and this machine is"):
        await pulled(store, f"{plain.host}/list:theirs", trusting(plain))


async def test_what_is_here_is_not_fetched_again(plain, store):
    where = f"{plain.host}/again:1"
    await pushed(small(), where)
    await pulled(store, where, trusting(plain))
    before = {path: path.stat().st_ino for path in store.blobs.all()}
    await pulled(store, where, trusting(plain))
    assert before == {path: path.stat().st_ino for path in store.blobs.all()}


async def test_a_password_and_tls_by_an_authority_of_our_own(closed, store):
    where, authority = f"{closed.host}/a/b:1", str(closed.authority)
    await pushed(small(), where, KNOWN, authority)
    assert await pulled(store, where, trusting(closed, ca=authority), KNOWN)
    with pytest.raises(Forbidden, match="wants a username and a password"):
        await pulled(store, where, trusting(closed, ca=authority))
    with pytest.raises(Forbidden, match="refuses these credentials") as refused:
        await pulled(store, where, trusting(closed, ca=authority), Credentials(USER, "wrong-secret"))
    assert "wrong-secret" not in refused.value.message
    with pytest.raises(Unavailable, match="CERTIFICATE"):
        await pulled(store, where, trusting(closed), KNOWN)
    with pytest.raises(Forbidden, match="not a public address"):
        await pulled(store, where, ImageSettings(ca=authority), KNOWN)
    with pytest.raises(Invalid, match=r"images\.ca"):
        await pulled(store, where, trusting(closed, ca="/nowhere"), KNOWN)


async def test_tokens(tmp_path, store):
    certificates = Certificates(tmp_path)
    with Tokens(certificates).running() as tokens, registry(tmp_path / "r", tokens=tokens) as closed:
        where = f"{closed.host}/team/model:1"
        await pushed_with_tokens(tokens, closed, where)
        rules = trusting(closed, f"http://{tokens.host}")
        assert await pulled(store, where, rules, KNOWN)
        assert "scope=repository%3Ateam%2Fmodel%3Apull" in tokens.asked[-1][0]
        with pytest.raises(Forbidden, match="needed"):
            await pulled(Store(tmp_path / "2", ImageSettings()), where, rules)
        with pytest.raises(Forbidden, match="wrong name or password"):
            await pulled(Store(tmp_path / "3", ImageSettings()), where, rules, Credentials(USER, "x"))
        before = len(tokens.asked)
        with pytest.raises(Forbidden, match="without TLS"):  # the registry cannot send us where it likes
            await pulled(Store(tmp_path / "4", ImageSettings()), where, trusting(closed), KNOWN)
        assert before == len(tokens.asked)


async def pushed_with_tokens(tokens, closed, where):
    """Of two hosts without TLS, which our command line does not allow."""
    reference = parse(where)
    rules = addresses.allowed(trusting(closed, f"http://{tokens.host}"))
    config, layers = small().parts()
    document = small().manifest()
    with _files([config, *layers]) as files:
        async with client.connected(reference, KNOWN, rules, "", "pull,push") as there:
            kind = json.loads(document)["mediaType"]
            await push(there, reference, Outgoing(document, kind, files), lambda _: None)


class Liar:
    """A registry in which everything can be wrong: path → answer, a function of the request's handler."""

    def __init__(self, made):
        self.answers, self.asked = {}, []
        config, layers = made.parts()
        self.manifest = made.manifest()
        self.blobs = {digest(one): one for one in (config, *layers)}
        liar = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                liar.asked.append((self.path, dict(self.headers)))
                liar.answer(self)

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.host = f"127.0.0.1:{self.server.server_address[1]}"

    def answer(self, handler):
        for pattern, answer in self.answers.items():
            if re.search(pattern, handler.path):
                answer(handler)
                return
        name = handler.path.rpartition("/")[2]
        sent(handler, self.manifest if "/manifests/" in handler.path else self.blobs[name])


def sent(handler, content, status=200, headers=(), *, announced=None):
    handler.send_response(status)
    for name, value in dict(headers).items():
        handler.send_header(name, value)
    handler.send_header("Content-Length", str(len(content) if announced is None else announced))
    handler.end_headers()
    handler.wfile.write(content)
    if announced is not None:
        handler.close_connection = True


@pytest.fixture
def liar():
    made = Made([tarred(entry("big", bytes(range(256)) * 8_000))])
    found = Liar(made)
    thread = threading.Thread(target=found.server.serve_forever, daemon=True)
    thread.start()
    found.layer = digest(made.layers[0])
    found.settings = trusting(f"http://{found.host}")
    yield found
    found.server.shutdown()
    found.server.server_close()


async def test_a_broken_connection_goes_on_where_it_broke(liar, store):
    content, cuts = liar.blobs[liar.layer], []

    def cut(handler):
        start = int((handler.headers.get("Range") or "bytes=0-")[6:-1])
        cuts.append(start)
        headers = {"Content-Range": f"bytes {start}-{len(content) - 1}/{len(content)}"} if start else {}
        rest = content[start:]
        sent(handler, rest[:600_000], 206 if start else 200, headers, announced=len(rest))

    liar.answers[f"/blobs/{liar.layer}"] = cut
    assert await pulled(store, f"{liar.host}/a:1", liar.settings)
    assert 4 == len(cuts)
    assert all(cuts[1:]), "only the first begins at the beginning"


async def test_a_registry_that_cannot_go_on_begins_again(liar, store):
    content, times = liar.blobs[liar.layer], []

    def cut(handler):
        times.append(handler.headers.get("Range"))
        sent(handler, content[: 600_000 if len(times) == 1 else None], announced=len(content))

    liar.answers[f"/blobs/{liar.layer}"] = cut
    told = []
    assert await pulled(store, f"{liar.host}/a:1", liar.settings, told=told)
    assert (2, True) == (len(times), times[1] is not None)
    assert sum(map(len, liar.blobs.values())) == sum(told)


async def test_a_restart_goes_on_with_what_has_come(liar, store):
    partial = store.blobs.partial(liar.layer)
    partial.path.write_bytes(liar.blobs[liar.layer][:500_000])
    seen = []

    def rest(handler):
        seen.append(handler.headers.get("Range"))
        content = liar.blobs[liar.layer]
        sent(handler, content[500_000:], 206, {"Content-Range": f"bytes 500000-{len(content) - 1}/{len(content)}"})

    liar.answers[f"/blobs/{liar.layer}"] = rest
    assert await pulled(store, f"{liar.host}/a:1", liar.settings)
    assert ["bytes=500000-"] == seen


def _refused(handler, status, message=""):
    sent(handler, json.dumps({"errors": [{"code": "X", "message": message}]}).encode(), status)


LIES = {
    "another content": (
        "/blobs/", lambda handler: sent(handler, b"x" * 10), (Invalid, "before its|its digest is wrong")),
    "the right size, another content": ("LAYER", lambda handler: sent(handler, bytes(2_058_240)), (Invalid, "digest")),
    "too much": ("LAYER", lambda handler: sent(handler, bytes(3_000_000)), (Invalid, "sends more")),
    "a manifest without end": ("/manifests/", lambda handler: sent(handler, b" " * (5 << 20)), (Invalid, "more than")),
    "no manifest": ("/manifests/", lambda handler: sent(handler, b"<html>"), (Invalid, "not what it should be")),
    "an echo of the password": (
        "/manifests/", lambda handler: _refused(handler, 403, f"{USER}:{PASSWORD}\x1b[2J"), (Forbidden, "refuses")),
    "an odd status": ("/manifests/", lambda handler: _refused(handler, 418, "teapot"), (Invalid, "418.*teapot")),
    "a circle": (
        "/manifests/", lambda handler: sent(handler, b"", 302, {"Location": handler.path}), (Invalid, "to address")),
    "a place in here": (
        "/blobs/", lambda handler: sent(handler, b"", 307, {"Location": "http://127.0.0.1:9/x"}), (Forbidden, "TLS")),
    "a place in here, by TLS": (
        "/blobs/", lambda handler: sent(handler, b"", 307, {"Location": "https://169.254.169.254/x"}),
        (Forbidden, "not a public address")),
    "a file": (
        "/blobs/", lambda handler: sent(handler, b"", 307, {"Location": "file:///etc"}), (Invalid, "no address")),
    "a token from a place in here": (
        "/manifests/",
        lambda handler: sent(handler, b"", 401, {"WWW-Authenticate": 'Bearer realm="https://10.0.0.1/t",service="x"'}),
        (Forbidden, "not a public address")),
    "a token from nowhere": (
        "/manifests/", lambda handler: sent(handler, b"", 401, {"WWW-Authenticate": "Bearer x"}),
        (HeadraceError, "address|token")),
}  # fmt: skip


@pytest.mark.parametrize("name", LIES)
async def test_a_registry_that_lies(liar, store, name):
    path, answer, (kind, says) = LIES[name]
    liar.answers[path.replace("LAYER", liar.layer)] = answer
    with pytest.raises(kind, match=says) as refused:
        await pulled(store, f"{liar.host}/a:1", liar.settings, KNOWN)
    assert PASSWORD not in str(refused.value) + refused.value.technical
    assert "\x1b" not in refused.value.message


async def test_who_we_are_is_not_told_to_a_store_of_blobs(liar, store):
    elsewhere = Liar(Made([]))
    elsewhere.blobs = liar.blobs
    threading.Thread(target=elsewhere.server.serve_forever, daemon=True).start()

    def manifest(handler):
        if handler.headers.get("Authorization"):
            sent(handler, liar.manifest)
        else:
            sent(handler, b"", 401, {"WWW-Authenticate": 'Basic realm="x"'})

    liar.answers["/manifests/"] = manifest
    liar.answers["/blobs/"] = lambda handler: sent(
        handler, b"", 307, {"Location": f"http://{elsewhere.host}/x/{handler.path.rpartition('/')[2]}"}
    )
    try:
        settings = trusting(f"http://{liar.host}", f"http://{elsewhere.host}")
        assert await pulled(store, f"{liar.host}/a:1", settings, KNOWN)
        assert all("Authorization" in headers for path, headers in liar.asked[1:])
        assert not any("Authorization" in headers for path, headers in elsewhere.asked)
    finally:
        elsewhere.server.shutdown()
        elsewhere.server.server_close()


async def test_two_imports_of_one_image_fetch_it_once(liar, store):
    liar.answers["never"] = sent
    text = f"{liar.host}/a:1"
    one, two = await asyncio.gather(*(pulled(store, text, liar.settings) for _ in range(2)))
    assert one.digest == two.digest
    assert len(liar.blobs) == sum("/blobs/" in path for path, _ in liar.asked)


async def test_a_tired_registry_is_asked_again(liar, store):
    times = []

    def tired(handler):
        times.append(1)
        if len(times) < 3:
            sent(handler, b"", 503, {"Retry-After": "0"})
        else:
            sent(handler, liar.manifest)

    liar.answers["/manifests/"] = tired
    assert await pulled(store, f"{liar.host}/a:1", liar.settings)
    assert 3 == len(times)
