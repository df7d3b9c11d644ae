"""A real registry (Debian's docker-registry) on a free port: plain, with a password, with TLS, with tokens."""

import base64
import datetime as dt
import ipaddress
import json
import shutil
import socket
import subprocess
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.x509.oid import NameOID
from live import free_port

USER, PASSWORD = "modeller", "open-sesame-17"
NEEDED = {
    "docker-registry": "apt-get install docker-registry",
    "htpasswd": "apt-get install apache2-utils",
    "skopeo": "apt-get install skopeo",
}


def need(program):
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not here: {NEEDED[program]}")


class Certificates:
    """An authority of our own, and a certificate for 127.0.0.1 by it."""

    def __init__(self, folder):
        self.authority, self.certificate, self.key = (folder / name for name in ("ca.pem", "server.pem", "server.key"))
        ours, theirs = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
        root = _certificate("test authority", ours.public_key(), "test authority", ours, authority=True)
        leaf = _certificate("registry", theirs.public_key(), "test authority", ours, authority=False)
        self.authority.write_bytes(root.public_bytes(serialization.Encoding.PEM))
        self.certificate.write_bytes(leaf.public_bytes(serialization.Encoding.PEM))
        self.private, self.leaf = theirs, leaf
        self.key.write_bytes(
            theirs.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )


def _certificate(name, public, issuer, private, *, authority):
    now = dt.datetime.now(dt.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=30))
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(private, hashes.SHA256())
    )


class Registry:
    def __init__(self, folder, port, authority=None):
        self.folder, self.port, self.authority = folder, port, authority
        self.host = f"127.0.0.1:{port}"

    @property
    def setting(self):
        """As images.registries names it."""
        return self.host if self.authority else f"http://{self.host}"


@contextmanager
def registry(folder, *, password=False, certificates=None, tokens=None):
    need("docker-registry")
    folder.mkdir(parents=True, exist_ok=True)
    port = free_port()
    parts = [
        "version: 0.1",
        "log: {level: error, accesslog: {disabled: true}}",
        f"storage: {{filesystem: {{rootdirectory: {folder / 'blobs'}}}, delete: {{enabled: true}}}}",
        f"http: {{addr: '127.0.0.1:{port}'{_tls(certificates)}}}",
    ]
    if password:
        need("htpasswd")
        told = subprocess.run(["htpasswd", "-Bbn", "-C", "5", USER, PASSWORD], check=True, capture_output=True)
        (folder / "htpasswd").write_bytes(told.stdout)
        parts.append(f"auth: {{htpasswd: {{realm: test, path: {folder / 'htpasswd'}}}}}")
    if tokens:
        said = f"realm: '{tokens.realm}', service: test, issuer: test, rootcertbundle: {tokens.certificates.authority}"
        parts.append(f"auth: {{token: {{{said}}}}}")
    (folder / "registry.yml").write_text("\n".join(parts))
    with (folder / "registry.log").open("wb") as log:
        process = subprocess.Popen(["docker-registry", "serve", str(folder / "registry.yml")], stdout=log, stderr=log)
    try:
        _listens(port, process, folder / "registry.log")
        yield Registry(folder, port, certificates and certificates.authority)
    finally:
        process.terminate()
        process.wait(20)


def _tls(certificates):
    if certificates is None:
        return ""
    return f", tls: {{certificate: {certificates.certificate}, key: {certificates.key}}}"


def _listens(port, process, log):
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(log.read_text())
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.02)
        else:
            return
    raise TimeoutError(log.read_text())


class Tokens:
    """Who hands out tokens for a registry to those who know the password, as Docker Hub does."""

    def __init__(self, certificates):
        self.certificates, self.asked = certificates, []
        tokens = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                tokens.asked.append((self.path, self.headers.get("Authorization", "")))
                known = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
                good = self.headers.get("Authorization") == known
                query = parse_qs(urlsplit(self.path).query)
                body = json.dumps({"token": tokens.token(query["scope"][0])} if good else {}).encode()
                self.send_response(200 if good else 401)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.host = f"127.0.0.1:{self.server.server_address[1]}"
        self.realm = f"http://{self.host}/token"

    def token(self, scope):
        kind, name, actions = scope.split(":")
        access = [{"type": kind, "name": name, "actions": actions.split(",")}]
        now = int(time.time())
        claims = {"iss": "test", "sub": USER, "aud": "test", "exp": now + 300, "nbf": now - 10, "iat": now}
        leaf = base64.b64encode(self.certificates.leaf.public_bytes(serialization.Encoding.DER)).decode()
        parts = [{"typ": "JWT", "alg": "ES256", "x5c": [leaf]}, claims | {"jti": "1", "access": access}]
        text = ".".join(_web64(json.dumps(part).encode()) for part in parts)
        r, s = utils.decode_dss_signature(self.certificates.private.sign(text.encode(), ec.ECDSA(hashes.SHA256())))
        return f"{text}.{_web64(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}"

    @contextmanager
    def running(self):
        thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self.server.shutdown()
            self.server.server_close()
            thread.join()


def _web64(content):
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def skopeo(*arguments):
    need("skopeo")
    command = ["skopeo", "--insecure-policy", *map(str, arguments)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def copy(file, to, *, form="docker-archive", known=False):
    """An archive to a registry, by somebody else's program."""
    who = ("--dest-creds", f"{USER}:{PASSWORD}") if known else ()
    skopeo("copy", "--dest-tls-verify=false", *who, f"{form}:{Path(file)}", f"docker://{to}")
