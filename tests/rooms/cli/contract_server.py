"""A small server that keeps to the contract, in memory, for the command line to talk to.

Its models answer the class "1" for everything, and fail for inputs that hold the word "fail".
"""

import base64
import itertools
import json
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

KEY = "JbFkWZMx4Ea3epIrxSgA.a2fR36fZi3sdFPoztAXTQQzz11yy22"
WEAK_KEY = "AAAAAAAAAAAAAAAAAAAA.b2fR36fZi3sdFPoztAXTQQzz11yy22"
STAMP = "2026-11-21T10:00:00.123+00:00"


class Refused(Exception):
    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status, self.message = status, message


class ContractServer:
    """`slow` is how many looks at a job see it unfinished. `requests` is what came, in order."""

    def __init__(self) -> None:
        self.models: dict[str, dict] = {}
        self.versions: dict[tuple[str, str], dict] = {}
        self.steps: dict[tuple[str, str, str], int] = {}
        self.files: dict[str, bytes] = {}
        self.jobs: dict[str, dict] = {}
        self.requests: list[tuple[str, str, object]] = []
        self.url = ""
        self.slow = 1
        self.image_fault = ""
        self.run_fault = ""
        self.tensors: list[str] | None = None  # the inputs of its models, where they take tensors
        self.faster: dict[str, str] | None = None  # name and version of a model that somebody makes just before
        self._numbers = itertools.count(1)

    def app(self) -> Starlette:
        version, job = "/api/models/{model}/versions/{version}", "/api/jobs/{job}"
        routes = [
            ("GET", "/api/models", self.find_models),
            ("POST", "/api/models", self.new_model),
            ("GET", "/api/models/requirements/account", self.requirements),
            ("GET", "/api/models/{model}", self.show_model),
            ("PATCH", "/api/models/{model}", self.change_model),
            ("POST", "/api/models/{model}/image", self.keep_file),
            ("POST", "/api/models/{model}/versions", self.new_version),
            ("GET", version, self.show_version),
            ("PATCH", version, self.change_version),
            ("POST", version + "/container-image", self.keep_file),
            ("GET", version + "/container-image", self.image_progress),
            ("POST", version + "/load-process", self.nothing),
            ("POST", version + "/testInput", self.keep_file),
            ("POST", version + "/run-process", self.nothing),
            ("GET", version + "/run-process", self.run_progress),
            ("GET", "/api/resources/processing/engines", self.engines),
            ("POST", "/api/jobs", self.submit),
            ("GET", "/api/jobs/features", self.features),
            ("GET", "/api/jobs/history", self.history),
            ("GET", "/api/jobs/dead", self.dead_jobs),
            ("GET", job + "/dead", self.dead_letters),
            ("POST", job + "/redrive", self.redrive),
            ("GET", job, self.show_job),
            ("DELETE", job, self.cancel),
            ("POST", job + "/close", self.close),
            ("POST", job + "/{user_key:path}/{model_key}", self.append),
            ("GET", "/api/results/{job}", self.results),
            ("GET", "/api/results/{job}/datasource/{input:path}/output/{output}", self.output),
            ("GET", "/api/accounting/access-keys/user/{email}", self.user_keys),
            ("GET", "/api/accounting/access-keys/{prefix}", self.show_key),
            ("POST", "/api/accounting/access-keys", self.new_key),
            ("POST", "/api/accounting/access-keys/{prefix}/hash", self.new_body),
            ("PATCH", "/api/accounting/access-keys/{prefix}", self.switch_key),
            ("GET", "/api/accounting/users", self.users),
            ("GET", "/api/accounting/accounts", self.accounts),
            ("POST", "/api/accounting/accounts/acme/users", self.new_user),
            ("GET", "/readyz", self.nothing),
        ]
        return Starlette(
            routes=[Route(path, self._door(handler), methods=[method]) for method, path, handler in routes],
        )

    def _door(self, handler):
        async def answer(request: Request) -> Response:
            given = request.headers.get("authorization")
            if given not in {f"ApiKey {KEY}", f"ApiKey {WEAK_KEY}"}:
                return fault(401, "this access key is unknown")
            if given == f"ApiKey {WEAK_KEY}" and request.method != "GET":
                return fault(403, "your key may not do this")
            try:
                self.requests.append((request.method, request.url.path, await said(request)))
                return await handler(request)
            except Refused as error:
                return fault(error.status, error.message)

        return answer

    async def nothing(self, _request: Request) -> Response:
        return Response(status_code=202)

    async def find_models(self, request: Request) -> Response:
        name = request.query_params.get("name", "").lower()
        found = [one for one in self.models.values() if name in one["name"].lower()]
        found.sort(key=lambda one: one["name"].lower() != name)
        return JSONResponse([{"modelId": one["modelId"], "versions": one["versions"]} for one in found])

    async def new_model(self, request: Request) -> Response:
        body = await request.json()
        if body.get("unique") and self.faster is not None:
            made, self.faster = self.faster, None
            self._add_model(made["name"], made["version"])
            raise Refused(409, "there is a model of this name already")
        return JSONResponse({"identifier": self._add_model(body["name"], body["version"])}, 201)

    def _add_model(self, name: str, version: str) -> str:
        identifier = f"model{next(self._numbers):05}"
        self.models[identifier] = {
            "modelId": identifier,
            "name": name,
            "versions": [],
            "latestActiveVersion": "",
            "tags": [],
            "createdByEmail": "ann@example.com",
        }
        self._add_version(identifier, version)
        return identifier

    def _add_version(self, model: str, version: str) -> None:
        self.models[model]["versions"].append(version)
        self.versions[model, version] = {
            "version": version,
            "status": "partial",
            "timeout": {"status": 60000, "run": 60000},
            "inputs": [],
            "outputs": [],
        }

    async def new_version(self, request: Request) -> Response:
        self._add_version(self._model(request)["modelId"], (await request.json())["version"])
        return JSONResponse({}, 201)

    async def requirements(self, _request: Request) -> Response:
        sizes = [(1, "1000m", "1G", 0), (2, "500m", "0.5G", 0), (3, "2000m", "4G", 0), (-6, "2000m", "8G", 1)]
        return JSONResponse(
            [
                {"requirementId": n, "cpuAmount": cpu, "memoryAmount": memory, "gpuUnits": gpu, "status": "ACTIVE"}
                for n, cpu, memory, gpu in [*sizes, (-99, "1000m", "1G", 0)]
            ]
        )

    def _model(self, request: Request) -> dict:
        try:
            return self.models[request.path_params["model"]]
        except KeyError:
            raise Refused(404, f"Model {request.path_params['model']} not found") from None

    def _version(self, request: Request) -> dict:
        try:
            return self.versions[request.path_params["model"], request.path_params["version"]]
        except KeyError:
            raise Refused(404, "Version not found") from None

    async def show_model(self, request: Request) -> Response:
        return JSONResponse(self._model(request))

    async def change_model(self, request: Request) -> Response:
        body = await request.json()
        body["tags"] = [{"name": tag} for tag in body.get("tags", [])]
        self._model(request).update(body)
        return JSONResponse(self._model(request))

    async def show_version(self, request: Request) -> Response:
        version = self._version(request)
        if self.tensors is not None:
            version = {**version, "inputs": [{"name": name} for name in self.tensors], "takesTensors": True}
        return JSONResponse(version)

    async def change_version(self, request: Request) -> Response:
        version = self._version(request)
        version.update(await request.json())
        if version["status"] == "active":
            self._model(request)["latestActiveVersion"] = version["version"]
        return JSONResponse(version)

    async def keep_file(self, request: Request) -> Response:
        if request.headers["content-type"].startswith("multipart"):
            self.files[request.url.path] = await part_of(request)
        return Response(status_code=200)

    async def image_progress(self, request: Request) -> Response:
        if self.image_fault:
            raise Refused(400, self.image_fault)
        return JSONResponse(self._advance(request, "image"))

    async def run_progress(self, request: Request) -> Response:
        progress = self._advance(request, "run")
        if progress["percentage"] == 100:
            status = "FAILED" if self.run_fault else "SUCCESSFUL"
            progress["result"] = {"status": status, "error": self.run_fault or None, "elapsedTime": 12}
        return JSONResponse(progress)

    def _advance(self, request: Request, step: str) -> dict:
        key = (request.path_params["model"], request.path_params["version"], step)
        self.steps[key] = self.steps.get(key, 0) + 50
        return {"step": self.steps[key] // 50, "stepName": "working", "percentage": self.steps[key]}

    async def engines(self, _request: Request) -> Response:
        counts = {"failed": 0, "queued": 0, "spinningUp": 0, "spinningDown": 0, "running": 1, "ready": 1}
        return JSONResponse([{"identifier": "model00001", "version": "1.0.0", **counts}])

    async def submit(self, request: Request) -> Response:
        body = await request.json()
        key = (body["model"]["identifier"], body["model"]["version"])
        if key not in self.versions:
            raise Refused(404, f"Model {key[0]} not found")
        inputs = {}
        for name, parts in body.get("input", {}).get("sources", {}).items():
            inputs[name] = {part: plain(value) for part, value in parts.items()}
        identifier = str(uuid.uuid4())
        self.jobs[identifier] = {
            "jobIdentifier": identifier,
            "model": {**body["model"], "name": self.models[key[0]]["name"]},
            "status": "SUBMITTED" if "input" in body else "OPEN",
            "inputs": inputs,
            "looks": 0,
            "timeout": body.get("timeout", 0),
            "submittedAt": STAMP,
        }
        return JSONResponse(self._receipt(identifier), 202)

    def _receipt(self, identifier: str) -> dict:
        job = self.jobs[identifier]
        return {
            "jobIdentifier": identifier,
            "status": job["status"],
            "totalInputs": len(job["inputs"]),
            "model": job["model"],
        }

    def _job(self, request: Request) -> dict:
        try:
            return self.jobs[request.path_params["job"]]
        except KeyError:
            raise Refused(404, f"Job {request.path_params['job']} not found") from None

    async def features(self, _request: Request) -> Response:
        return JSONResponse({"inputChunkMaximumSize": "1Ki", "maximumInputChunks": 500})

    async def append(self, request: Request) -> Response:
        parts = self._job(request)["inputs"].setdefault(request.path_params["user_key"], {})
        name = request.path_params["model_key"]
        parts[name] = parts.get(name, b"") + await part_of(request)
        return Response(status_code=202)

    async def close(self, request: Request) -> Response:
        self._job(request)["status"] = "SUBMITTED"
        return JSONResponse(self._receipt(request.path_params["job"]), 202)

    def _details(self, job: dict) -> dict:
        failed = sum(is_bad(parts) for parts in job["inputs"].values())
        over = job["status"] in {"COMPLETED", "TIMEDOUT"}
        total = len(job["inputs"])
        shown = {name: job[name] for name in ("jobIdentifier", "model", "status", "submittedAt")}
        done = {"completed": total - failed if over else 0, "failed": failed if over else 0}
        return {**shown, **done, "total": total, "elapsedTime": 170}

    async def show_job(self, request: Request) -> Response:
        job = self._job(request)
        job["looks"] += 1
        if job["status"] in {"SUBMITTED", "IN_PROGRESS"}:
            job["status"] = "COMPLETED" if job["looks"] > self.slow else "IN_PROGRESS"
        return JSONResponse(self._details(job))

    async def cancel(self, request: Request) -> Response:
        job = self._job(request)
        if job["status"] not in {"COMPLETED", "TIMEDOUT"}:
            job["status"] = "CANCELED"
        return JSONResponse(self._details(job), 202)

    async def dead_jobs(self, _request: Request) -> Response:
        return JSONResponse([self._details(job) | {"dead": 1} for job in self.jobs.values()])

    async def dead_letters(self, request: Request) -> Response:
        letter = {"error": "killed by signal 9", "engine": "e", "diedAt": STAMP, "redrivenIn": None}
        return JSONResponse([{"input": name, **letter} for name in self._job(request)["inputs"]])

    async def redrive(self, request: Request) -> Response:
        self.requests.append(("POST", "redrive", await request.json()))
        return JSONResponse(self._receipt(self._job(request)["jobIdentifier"]), 202)

    async def history(self, request: Request) -> Response:
        wanted = request.query_params.get("status", "all")
        rows = [self._details(job) for job in self.jobs.values() if wanted in {"all", job["status"]}]
        return JSONResponse(rows[: int(request.query_params["per-page"])])

    async def results(self, request: Request) -> Response:
        job = self._job(request)
        good, bad = {}, {}
        for name, parts in job["inputs"].items():
            if is_bad(parts):
                bad[name] = {"status": "FAILED", "error": "the model refused"}
            else:
                predictions = [{"class": "8", "score": 0.1}, {"class": "1", "score": 0.9}]
                value = {"data": {"result": {"classPredictions": predictions}, "explanation": None, "drift": None}}
                good[name] = {"status": "SUCCESSFUL", "modelLatency": 2.5, "results.json": value, "copy.txt": "url\n"}
        details = self._details(job)
        counts = {name: details[name] for name in ("total", "completed", "failed", "elapsedTime")}
        head = {"jobIdentifier": job["jobIdentifier"], "finished": job["status"] == "COMPLETED"}
        return JSONResponse({**head, **counts, "results": good, "failures": bad})

    async def output(self, request: Request) -> Response:
        return Response(b"\x00bytes of " + request.path_params["input"].encode())

    async def user_keys(self, request: Request) -> Response:
        return JSONResponse([key_details(KEY, request.path_params["email"])])

    async def show_key(self, request: Request) -> Response:
        known = {key.partition(".")[0]: key for key in (KEY, WEAK_KEY)}
        if (found := known.get(request.path_params["prefix"])) is None:
            raise Refused(404, "no such key")
        return JSONResponse(key_details(found, "ann@example.com"))

    async def new_key(self, _request: Request) -> Response:
        return JSONResponse({"prefix": "second", "hash": "secondbody"}, 201)

    async def new_body(self, request: Request) -> Response:
        return JSONResponse({"prefix": request.path_params["prefix"], "hash": "freshbody"})

    async def switch_key(self, request: Request) -> Response:
        status = (await request.json())["status"].capitalize()
        return JSONResponse({**key_details(KEY, "ann@example.com"), "status": status})

    async def users(self, _request: Request) -> Response:
        return JSONResponse([{"identifier": "u-1", "email": "ann@example.com"}])

    async def accounts(self, _request: Request) -> Response:
        return JSONResponse([{"identifier": "acme", "name": "acme"}])

    async def new_user(self, request: Request) -> Response:
        email = (await request.json())["email"]
        return JSONResponse({"identifier": "u-2", "email": email, "accessKeys": [{"prefix": "first"}]}, 201)


def key_details(key: str, email: str) -> dict:
    person = {"identifier": "u-1", "email": email}
    return {
        "prefix": key.partition(".")[0],
        "name": "first",
        "status": "Active",
        "roles": ["DATA_SCIENTIST"],
        "user": person,
    }


def is_bad(parts: dict[str, bytes]) -> bool:
    return any(b"fail" in content for content in parts.values())


def plain(value: str) -> bytes:
    return base64.b64decode(value.partition(",")[2]) if value.startswith("data:") else value.encode()


async def part_of(request: Request) -> bytes:
    async with request.form() as form:
        [part] = form.values()
        return await part.read()


async def said(request: Request) -> object:
    if request.headers.get("content-type") == "application/json":
        return json.loads(await request.body())
    return dict(request.query_params)


def fault(status: int, message: str) -> Response:
    return JSONResponse({"statusCode": status, "status": "X", "message": message, "reportErrorUrl": ""}, status)


class Stage:
    """One listening socket for many tests: each puts its own server on it."""

    def __init__(self) -> None:
        self.app = ContractServer().app()

    async def __call__(self, scope, receive, send) -> None:
        await self.app(scope, receive, send)


@contextmanager
def running(stage: Stage) -> Iterator[str]:
    """The stage on a free port of 127.0.0.1, in a thread; gives its URL."""
    config = uvicorn.Config(stage, host="127.0.0.1", port=0, log_level="error", lifespan="off")
    uvicorn_server = uvicorn.Server(config)
    thread = threading.Thread(target=uvicorn_server.run, daemon=True)
    thread.start()
    while not uvicorn_server.started:
        time.sleep(0.005)
    port = uvicorn_server.servers[0].sockets[0].getsockname()[1]
    yield f"http://127.0.0.1:{port}"
    uvicorn_server.should_exit = True
    thread.join(5)
