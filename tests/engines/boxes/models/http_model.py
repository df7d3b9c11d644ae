"""A model of the first contract, as it runs in a container. What an input's text names, it does: most of it is bad.

At its start it does what the variable START names.
"""

import ctypes
import http.server
import json
import os
import signal
import socket
import sys
import threading
import time

PORT = int(os.environ.get("PSC_MODEL_PORT", "80"))
MEGABYTE = 1 << 20
HELD = []


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_GET(self):
        if self.path != "/status":
            self.say(404, "there is no such path")
        elif os.environ.get("START") == "is_not_ready":
            self.say(500, "weights.bin is not there")
        elif os.environ.get("START") == "hangs_in_status":
            time.sleep(1_000)
        elif os.environ.get("START") == "is_another_server":
            self.send(200, b"<html>It works!</html>", "text/html")
        else:
            self.say(200, "ready")

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        if self.path == "/shutdown":
            print("asked to shut down", flush=True)
            self.say(202, "bye")
            os._exit(0)
        if self.path != "/run":
            self.say(404, "there is no such path")
            return
        job = json.loads(body)
        with open(os.path.join(job["input"], "input.txt")) as file:
            name = file.read()
        getattr(self, name, self.fine)(job)

    def fine(self, job):
        self.give(job, "results.json", b'{"fine": true}')
        self.say(200, "success")

    def looks(self, job):
        """Evaluates what stands in the second input: what a model sees, and what it can do."""
        with open(os.path.join(job["input"], "expression.txt")) as file:
            text = file.read()
        try:
            value = eval(text, {**globals(), "job": job})
        except BaseException as error:  # noqa: BLE001
            value = f"{type(error).__name__}: {error}"
        try:
            self.give(job, "results.json", json.dumps({"value": value}, default=str).encode())
        except OSError as error:
            self.say(500, f"{type(error).__name__}: {error}")
            return
        self.say(200, "success")

    # ---- what costs the container ----

    def exits(self, _job):
        os._exit(3)

    def crashes(self, _job):
        os.kill(os.getpid(), signal.SIGSEGV)

    def hangs(self, _job):
        time.sleep(1_000)

    def hangs_in_c(self, _job):
        sum(range(10**15))

    def stubborn(self, _job):
        time.sleep(1_000)

    def eats_memory(self, _job):
        while True:
            HELD.append(bytearray(os.urandom(1) * MEGABYTE))

    def eats_memory_by_children(self, _job):
        for _ in range(8):
            if os.fork() == 0:
                held = [bytearray(b"x" * 50 * MEGABYTE)]
                time.sleep(1_000 + len(held))
        time.sleep(1_000)

    def eats_memory_files(self, _job):
        while True:
            descriptor = os.memfd_create("hidden")
            for _ in range(20):
                os.write(descriptor, b"x" * MEGABYTE)

    def fills_disk(self, job):
        for number in range(1_000):
            with open(os.path.join(job["output"], f"part-{number}"), "wb") as file:
                file.write(b"x" * 10 * MEGABYTE)
        time.sleep(1_000)

    def fills_disk_unseen(self, job):
        os.mkdir(os.path.join(job["output"], "deep"))
        for number in range(1_000):
            with open(os.path.join(job["output"], "deep", f"part-{number}"), "wb") as file:
                file.write(b"x" * 10 * MEGABYTE)
        time.sleep(1_000)

    def hangs_up(self, _job):
        self.connection.shutdown(socket.SHUT_RDWR)
        self.close_connection = True

    def closes_port(self, _job):
        self.server.socket.close()
        self.hangs_up(_job)

    def drips(self, _job):
        self.connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 100000\r\n\r\n")
        while True:
            self.connection.sendall(b" ")
            time.sleep(0.01)

    def at_the_tenth(self, job):
        HELD.append(job)
        if len(HELD) == 10:
            os._exit(10)
        self.fine(job)

    # ---- what costs its own input only ----

    def raises(self, _job):
        self.say(500, "ValueError: no cat in this picture")

    def rejects(self, _job):
        self.say(422, "the picture has no pixels")

    def forks(self, _job):
        try:
            for _ in range(1_000):
                if os.fork() == 0:
                    time.sleep(1_000)
        except OSError as error:
            self.say(500, f"fork: {error.strerror}")

    def threads(self, _job):
        try:
            for _ in range(1_000):
                threading.Thread(target=time.sleep, args=(1_000,), daemon=True).start()
        except RuntimeError as error:
            self.say(500, str(error))

    def fills_tmp(self, _job):
        self.fills("/tmp/full")

    def fills_shared_memory(self, _job):
        self.fills("/dev/shm/full")

    def fills(self, path):
        """In parts, because a single file has a limit of its own."""
        number = 0
        try:
            while True:
                number += 1
                with open(f"{path}-{number}", "wb") as file:
                    file.write(b"x" * 10 * MEGABYTE)
        except OSError as error:
            for one in range(1, number + 1):
                os.unlink(f"{path}-{one}")
            self.say(500, f"{path}: {error.strerror}")

    def writes_one_large_file(self, job):
        try:
            with open(os.path.join(job["output"], "results.json"), "wb") as file:
                file.writelines(b"x" * MEGABYTE for _ in range(1_000))
        except OSError as error:
            self.say(500, error.strerror)

    def gives_two_gigabytes(self, job):
        for number in range(40):  # holes: nothing is on disk, and no single one is over its limit
            with open(os.path.join(job["output"], f"part-{number}"), "wb") as file:
                file.truncate(60 * MEGABYTE)
        self.say(200, "success")

    def answers_endlessly(self, _job):
        self.connection.sendall(
            b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2147483648\r\n\r\n"
        )
        for _ in range(2_048):
            self.connection.sendall(b" " * MEGABYTE)

    def has_endless_headers(self, _job):
        self.connection.sendall(b"HTTP/1.1 200 OK\r\n")
        for number in range(100_000):
            self.connection.sendall(b"x-%d: " % number + b"x" * 1_000 + b"\r\n")

    def speaks_no_http(self, _job):
        self.connection.sendall(b"MODEL READY 42\n")
        self.close_connection = True

    def says_it_in_html(self, job):
        self.give(job, "results.json", b'{"fine": true}')
        self.send(200, b"<html>done</html>", "text/html")

    def gives_no_output(self, _job):
        self.say(200, "success")

    def gives_too_few(self, job):
        self.give(job, "other.json", b"{}")
        self.say(200, "success")

    def gives_too_many(self, job):
        for number in range(1_500):
            self.give(job, f"{number}.txt", b"")
        self.say(200, "success")

    def gives_a_link(self, job):
        os.symlink("/etc/passwd", os.path.join(job["output"], "results.json"))
        self.say(200, "success")

    def gives_a_pipe(self, job):
        os.mkfifo(os.path.join(job["output"], "results.json"))
        self.say(200, "success")

    def gives_a_folder(self, job):
        os.mkdir(os.path.join(job["output"], "results.json"))
        self.say(200, "success")

    def moves_the_folder(self, job):
        os.rename(job["output"], job["output"] + "-away")
        os.symlink("/etc", job["output"])
        self.say(200, "success")

    def redirects(self, _job):
        self.send_response(302)
        self.send_header("location", "http://127.0.0.1:1/")
        self.send_header("content-length", "0")
        self.end_headers()

    def chatters(self, job):
        for _ in range(100):
            os.write(1, b"x" * MEGABYTE)
        print("\nthe last words", flush=True)
        self.fine(job)

    def large(self, job):
        self.give(job, "results.json", b'{"fine": true}')
        self.give(job, "large.bin", b"x" * 5 * MEGABYTE)
        self.say(200, "success")

    def explains(self, job):
        self.give(job, "results.json", json.dumps({"data": {"explanation": job.get("explain")}}).encode())
        self.say(200, "success")

    def give(self, job, name, content):
        with open(os.path.join(job["output"], name), "wb") as file:
            file.write(content)

    def say(self, status, message):
        self.send(status, json.dumps({"message": message, "statusCode": status, "status": ""}).encode())

    def send(self, status, body, kind="application/json"):
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def call(number, *arguments):
    """A system call by its number: the error's sentence, or True."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.syscall(number, *arguments) == -1:
        return os.strerror(ctypes.get_errno())
    return True


def connect(place):
    with socket.create_connection(place, 2) as connection:
        return connection.recv(100).decode()


def kinds_of_descriptors():
    links = [f"/proc/self/fd/{number}" for number in range(50)]
    return [os.path.basename(os.path.realpath(one)).partition(":")[0] for one in links if os.path.lexists(one)]


def put_a_link(job):
    folder = os.path.dirname(job["input"])
    os.rename(folder, "/headrace/shared/away")
    os.symlink("/etc", folder)
    return "done"


def main():
    start = os.environ.get("START", "")
    print("hello from the model", flush=True)
    if start == "dies":
        print("no weights here", flush=True)
        sys.exit(4)
    if start == "eats_memory":
        Handler.eats_memory(None, None)
    if start == "never_listens":
        time.sleep(1_000)
    if start == "ignores_the_end":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if start == "speaks_no_http":
        with socket.create_server(("", PORT)) as server:
            while True:
                with server.accept()[0] as connection:
                    connection.sendall(b"MODEL READY 42\n")
    http.server.ThreadingHTTPServer(("", PORT), Handler).serve_forever()


if __name__ == "__main__":
    main()
