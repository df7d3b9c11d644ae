"""A container image of some hundred bytes, as `docker save` writes one: it is brought in, and never started."""

import hashlib
import io
import json
import tarfile


def tiny_image(content: bytes) -> bytes:
    """Each content makes another image."""
    layer = _tarred({"content": content})
    config = {
        "architecture": "amd64",
        "os": "linux",
        "config": {"Entrypoint": ["/content"]},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(layer).hexdigest()}"]},
    }
    said = json.dumps(config).encode()
    names = f"{hashlib.sha256(said).hexdigest()}.json", f"{hashlib.sha256(layer).hexdigest()}/layer.tar"
    manifest = [{"Config": names[0], "RepoTags": ["torture/tiny:1"], "Layers": [names[1]]}]
    return _tarred({names[0]: said, names[1]: layer, "manifest.json": json.dumps(manifest).encode()})


def _tarred(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, content in members.items():
            about = tarfile.TarInfo(name)
            about.size = len(content)
            archive.addfile(about, io.BytesIO(content))
    return buffer.getvalue()
