"""A server of the Open Inference Protocol, as it runs in a container: it doubles FP32, and turns BYTES around."""

import http.server
import json
import os
import struct


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_GET(self):
        tensors = [{"name": "x", "datatype": "FP32", "shape": [-1]}, {"name": "s", "datatype": "BYTES", "shape": [-1]}]
        known = {
            "/v2": {"name": "tiny", "version": "1", "extensions": ["binary_tensor_data"]},
            "/v2/health/ready": {},
            "/v2/models/doubler": {"name": "doubler", "platform": "tiny", "inputs": tensors, "outputs": tensors},
            "/v2/models/doubler/ready": {},
        }
        if self.path in known:
            self.send(200, json.dumps(known[self.path]).encode())
        else:
            self.send(404, b'{"error": "there is no such path"}')

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        if self.path == "/v2/repository/index":
            self.send(200, b'[{"name": "doubler", "state": "READY"}]')
            return
        length = int(self.headers.get("inference-header-content-length", len(body)))
        request, rest = json.loads(body[:length]), body[length:]
        binary = (request.get("parameters") or {}).get("binary_data_output", False)
        outputs, tails = [], []
        for one in request["inputs"]:
            size = (one.get("parameters") or {}).get("binary_data_size")
            raw, rest = (None, rest) if size is None else (rest[:size], rest[size:])
            if one["name"] not in ("x", "s"):
                self.send(400, json.dumps({"error": f"unexpected input {one['name']}"}).encode())
                return
            values = one.get("data") if raw is None else unpacked(one["datatype"], raw)
            if one["datatype"] == "FP32":
                done = [2 * value for value in values]
                tail = struct.pack(f"<{len(done)}f", *done)
            else:
                texts = [value.encode() if isinstance(value, str) else value for value in values]
                done = [text[::-1] for text in texts]
                tail = b"".join(struct.pack("<I", len(text)) + text for text in done)
                done = done if binary else [text.decode() for text in done]
            output = {"name": one["name"], "datatype": one["datatype"], "shape": one["shape"]}
            if binary:
                output["parameters"] = {"binary_data_size": len(tail)}
                tails.append(tail)
            else:
                output["data"] = done
            outputs.append(output)
        head = json.dumps({"model_name": "doubler", "id": request.get("id", ""), "outputs": outputs}).encode()
        extra = {"inference-header-content-length": str(len(head))} if tails else {}
        self.send(200, head + b"".join(tails), extra)

    def send(self, status, body, headers=None):
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


def unpacked(datatype, raw):
    if datatype == "FP32":
        return list(struct.unpack(f"<{len(raw) // 4}f", raw))
    found = []
    while raw:
        (size,) = struct.unpack("<I", raw[:4])
        found.append(raw[4 : 4 + size])
        raw = raw[4 + size :]
    return found


if __name__ == "__main__":
    http.server.ThreadingHTTPServer(("", int(os.environ.get("HTTP_PORT", "8080"))), Handler).serve_forever()
