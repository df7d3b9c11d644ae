"""A model of the second contract, as it runs in a container. What an input's text names, it does."""

import os
import signal
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import grpc
import modzy_model_pb2 as proto

MEGABYTE = 1 << 20
START = os.environ.get("START", "")


class Model:
    def status(self, _request, _context):
        if START == "is_not_ready":
            return proto.StatusResponse(status_code=500, status="Internal", message="weights.bin is not there")
        if START == "hangs_in_status":
            time.sleep(1_000)
        return proto.StatusResponse(
            status_code=200,
            status="OK",
            message="ready",
            model_info=proto.ModelInfo(model_name="zoo", model_version="1.0.0", model_type="grpc", source="test"),
            description=proto.ModelDescription(summary="a zoo", details="all animals"),
            inputs=[
                proto.ModelInput(
                    filename="input.txt",
                    accepted_media_types=["text/plain", "text/csv"],
                    max_size="1M",
                    description="any",
                )
            ],
            outputs=[proto.ModelOutput(filename="results.json", media_type="application/json", max_size="2M")],
            timeout=proto.ModelTimeout(status="30s", run="5s"),
            features=proto.ModelFeatures(batch_size=4, drift_format="class"),
        )

    def run(self, request, _context):
        texts = [item.input["input.txt"].decode() for item in request.inputs]
        if "raises" in texts:
            raise ValueError("no cat in this picture")
        if "gives_too_few" in texts:
            return proto.RunResponse(status_code=200, outputs=[])
        if "refuses" in texts:
            return proto.RunResponse(status_code=422, status="Unprocessable", message="the picture has no pixels")
        if "exits" in texts:
            os._exit(3)
        if "hangs" in texts:
            time.sleep(1_000)
        if "gives_two_gigabytes" in texts:
            return proto.RunResponse(status_code=200, outputs=[self.item(b"x" * 300 * MEGABYTE)])
        return proto.RunResponse(status_code=200, outputs=[self.one(text, request, len(texts)) for text in texts])

    def one(self, text, request, together):
        items = {
            "fails": proto.OutputItem(output={"error": b"this one only"}, success=False),
            "fails_silently": proto.OutputItem(success=False),
            "says_error_and_success": proto.OutputItem(output={"error": b"said with success"}, success=True),
            "gives_nothing": proto.OutputItem(success=True),
            "gives_another": proto.OutputItem(output={"other.json": b"{}"}, success=True),
            "flags": self.item(b'{"explain": %d, "drift": %d}' % (request.explain, request.detect_drift)),
            "together": self.item(b'{"together": %d}' % together),
        }
        if text == "large":
            return self.item(b"x" * 5 * MEGABYTE)
        return items.get(text) or self.item(b'{"fine": true}')

    def item(self, body):
        return proto.OutputItem(output={"results.json": body}, success=True)

    def shutdown(self, _request, _context):
        print("asked to shut down", flush=True)
        return proto.ShutdownResponse(status_code=200)


def main():
    print("hello from the model", flush=True)
    if START == "ignores_the_end":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    model = Model()
    calls = {"Status": (model.status, "Status"), "Run": (model.run, "Run"), "Shutdown": (model.shutdown, "Shutdown")}
    handlers = {
        name: grpc.unary_unary_rpc_method_handler(
            function,
            request_deserializer=getattr(proto, f"{kind}Request").FromString,
            response_serializer=getattr(proto, f"{kind}Response").SerializeToString,
        )
        for name, (function, kind) in calls.items()
    }
    most = 400 * MEGABYTE
    options = [("grpc.max_send_message_length", most), ("grpc.max_receive_message_length", most)]
    server = grpc.server(ThreadPoolExecutor(1), options=options)
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("ModzyModel", handlers),))
    server.add_insecure_port(f"[::]:{os.environ.get('PSC_MODEL_PORT', '45000')}")
    server.start()
    server.wait_for_termination()


if __name__ == "__main__":
    sys.exit(main())
