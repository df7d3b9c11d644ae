"""A proxy before several servers that gives each request to the next one, as a user's own would."""

import itertools
import sys
import threading
from collections import Counter
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx2

KEPT_OUT = {"connection", "content-length", "host", "transfer-encoding"}  # of one connection, or made anew


class Listener(ThreadingHTTPServer):
    def handle_error(self, request, client_address):
        """A client that has what it wants may cut its connection: no reason to print a traceback."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


@contextmanager
def round_robin(*servers):
    """Its URL, and how many requests each server has got."""
    turns, got = itertools.cycle(servers), Counter()

    class Proxy(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self):
            server = next(turns)
            got[server.url] += 1
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            headers = {name: value for name, value in self.headers.items() if name.lower() not in KEPT_OUT}
            found = httpx2.request(
                self.command, server.url + self.path, content=body, headers=headers, timeout=120, verify=False
            )
            self.send_response(found.status_code)
            for name, value in found.headers.items():
                if name.lower() not in {*KEPT_OUT, "content-encoding"}:
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(found.content)))
            self.end_headers()
            self.wfile.write(found.content)

        do_GET = do_POST = do_PATCH = do_DELETE = answer  # noqa: N815 - the names that http.server asks for

        def log_message(self, *_):
            """Nothing."""

    with Listener(("127.0.0.1", 0), Proxy) as proxy:
        thread = threading.Thread(target=proxy.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{proxy.server_port}", got
        finally:
            proxy.shutdown()
            thread.join()
