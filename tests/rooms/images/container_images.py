"""Makes container images, good ones and hostile ones, by hand."""

import gzip
import hashlib
import io
import json
import tarfile
from dataclasses import dataclass, field

import zstandard

from headrace.images.oci import platforms

FOLDER, LINK, HARD, DEVICE, PIPE = (
    tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE,
)  # fmt: skip
PACK = {"": bytes, "gzip": lambda raw: gzip.compress(raw, mtime=0), "zstd": zstandard.compress}
SUFFIX = {"": "", "gzip": "+gzip", "zstd": "+zstd"}


def entry(name, content=b"", *, kind=None, link="", mode=0o644):
    info = tarfile.TarInfo(name)
    info.mode, info.linkname = mode, link
    info.type = kind or (tarfile.SYMTYPE if link else tarfile.REGTYPE)
    info.size = len(content) if info.isreg() else 0
    return info, content


def tarred(*entries):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for info, content in entries:
            archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def digest(content):
    return "sha256:" + hashlib.sha256(content).hexdigest()


@dataclass
class Made:
    """An image by hand: its layers are tars; everything else may be changed before it is written."""

    layers: list
    packing: str = ""
    config: dict = field(default_factory=dict)
    platform: dict = field(default_factory=dict)
    diff_ids: list | None = None

    def parts(self):
        """Configuration and packed layers."""
        here = platforms.here()
        said = {"architecture": here.architecture, "os": "linux"} | self.platform
        ids = self.diff_ids or [digest(layer) for layer in self.layers]
        config = json.dumps(said | {"config": self.config, "rootfs": {"type": "layers", "diff_ids": ids}}).encode()
        return config, [PACK[self.packing](layer) for layer in self.layers]

    def manifest(self, **changes):
        config, layers = self.parts()
        kind = "application/vnd.oci.image."
        found = {
            "schemaVersion": 2,
            "mediaType": f"{kind}manifest.v1+json",
            "config": {"mediaType": f"{kind}config.v1+json", "digest": digest(config), "size": len(config)},
            "layers": [
                {"mediaType": f"{kind}layer.v1.tar{SUFFIX[self.packing]}", "digest": digest(one), "size": len(one)}
                for one in layers
            ],
        }
        return json.dumps(found | changes).encode()

    def oci(self, *, manifest=None, drop=(), replace=(), index=None):
        """The members of an OCI archive. `replace`: (digest, other content) pairs."""
        config, layers = self.parts()
        manifest = manifest or self.manifest()
        blobs = {digest(content): content for content in (config, *layers, manifest)} | dict(replace)
        listed = index or {"manifests": [{"digest": digest(manifest), "size": len(manifest)}]}
        members = {"oci-layout": b'{"imageLayoutVersion":"1.0.0"}', "index.json": json.dumps(listed).encode()}
        for name, content in blobs.items():
            if name not in drop:
                members[f"blobs/sha256/{name.partition(':')[2]}"] = content
        return members

    def docker(self, *, tags=("acme/model:1",), **changes):
        """The members of a docker-archive."""
        config, layers = self.parts()
        name = digest(config).partition(":")[2] + ".json"
        members = {name: config} | {f"{number}/layer.tar": layer for number, layer in enumerate(layers)}
        said = {
            "Config": name,
            "RepoTags": list(tags),
            "Layers": [f"{number}/layer.tar" for number in range(len(layers))],
        }
        return members | {"manifest.json": json.dumps([said | changes]).encode()}


def written(path, members, pack=bytes):
    """Members as names to content; or (info, content) pairs for odd ones."""
    pairs = [entry(name, content) for name, content in members.items()] if isinstance(members, dict) else members
    path.write_bytes(pack(tarred(*pairs)))
    return path


def small(**changes):
    """Two layers: a shell that is none, and one file of it hidden by the second."""
    first = tarred(
        entry("usr", kind=FOLDER, mode=0o755), entry("usr/bin", kind=FOLDER, mode=0o755), entry("bin", link="usr/bin"),
        entry("usr/bin/sh", b"#!", mode=0o4755), entry("etc/passwd", b"root"), entry("etc/hidden", b"x"),
    )  # fmt: skip
    second = tarred(entry("bin/ls", b"ls", mode=0o755), entry("etc/.wh.hidden"))
    config = {"Entrypoint": ["/bin/sh"], "ExposedPorts": {"8080/tcp": {}}, "Env": ["A=b=c"], "User": "65534"}
    return Made([first, second], **({"config": config} | changes))
