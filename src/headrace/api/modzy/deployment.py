"""The long steps of a deployment: image, load test, test inputs, run test (contracts/modzy.md, B)."""

from starlette.responses import Response

from headrace.api.endpoint import Call, Endpoint, NoQuery, Repeatable, Row, Upload, UploadPart
from headrace.api.modzy import library
from headrace.api.modzy.parse import versions as parse
from headrace.api.modzy.shapes import versions as shapes
from headrace.api.rooms import Rooms
from headrace.api.spool import spooled
from headrace.domain.account import Action
from headrace.domain.body import keep
from headrace.domain.errors import Invalid
from headrace.domain.ids import VersionKey
from headrace.domain.version import Step, StepState

NoBody = Call[NoQuery, None]


class DeploymentSteps:
    def __init__(self, rooms: Rooms) -> None:
        self._rooms, self._models, self._deployment = rooms, rooms.models, rooms.deployment

    def rows(self) -> list[Row]:
        settings, deploy, read = self._rooms.settings, Action.DEPLOY_MODELS, Action.READ_LIBRARY
        one = "/api/models/{model}/versions/{version}"
        image, load, run, test = (f"{one}/{name}" for name in _STEPS)
        archive = UploadPart("file", settings.server.upload_limit)
        return [
            Endpoint("POST", image, "Bring in a container image or a model folder", deploy,
                     self.put_image, body=parse.ImageBody, upload=archive, answer=shapes.StepShape, success=202,
                     errors=(409,), repeat=Repeatable()),
            Endpoint("GET", image, "How far the image is", read, self.image, answer=shapes.StepShape),
            Endpoint("POST", load, "Test: load the model; answers when it is loaded", deploy, self.load,
                     answer=shapes.StepShape, errors=(409, 422)),
            Endpoint("GET", load, "How the load test went", read, self.load_status, answer=shapes.StepShape),
            Endpoint("POST", test, "Put a test file for one input of the model", deploy, self.put_test_input,
                     query=parse.TestInputQuery, upload=UploadPart("file", settings.jobs.input_size),
                     repeat=Repeatable()),
            Endpoint("GET", test, "The test files", read, self.test_inputs, answer=list[shapes.TestInputShape]),
            Endpoint("DELETE", test, "Remove a test file", deploy, self.remove_test_input,
                     query=parse.TestInputQuery),
            Endpoint("POST", run, "Test: run the model on the test files; goes on after the answer", deploy,
                     self.run, answer=shapes.StepShape, success=202, errors=(409,)),
            Endpoint("GET", run, "How far the run test is, and its result", read, self.run_status,
                     answer=shapes.RunStatus),
        ]  # fmt: skip

    async def put_image(self, call: Call[NoQuery, Upload | parse.ImageBody]) -> shapes.StepShape:
        key = await self._own_key(call)
        if isinstance(call.body, parse.ImageBody):
            return shapes.step(await self._import(key, parse.source_of(call.body)))
        part = await call.body.part("file")
        limit = self._rooms.settings.server.upload_limit
        async with spooled(self._rooms.spool, part.pieces, limit) as (path, size):
            return shapes.step(await self._deployment.import_archive(key, path, part.filename, size))

    async def _import(self, key: VersionKey, source: str | parse.RegistryImage) -> Step:
        if isinstance(source, str):
            return await self._deployment.import_folder(key, source)
        return await self._deployment.import_image(key, source.reference, source.credentials)

    async def image(self, call: NoBody) -> shapes.StepShape:
        step = await self._deployment.image_progress(await self._seen_key(call))
        if step.state is StepState.FAILED:  # clients poll until 100 % and stop only at a 4xx (B.2, step 5)
            raise Invalid(f"the container image could not be brought in: {step.error}")
        return shapes.step(step)

    async def load(self, call: NoBody) -> shapes.StepShape:
        return shapes.step((await self._deployment.load(await self._own_key(call))).load)

    async def load_status(self, call: NoBody) -> shapes.StepShape:
        return shapes.step(await self._load_step(call))

    async def run(self, call: NoBody) -> shapes.StepShape:
        return shapes.step((await self._deployment.run(await self._own_key(call))).run)

    async def run_status(self, call: NoBody) -> shapes.RunStatus:
        return shapes.run_status(await self._rooms.versions.get(await self._seen_key(call)))

    async def put_test_input(self, call: Call[parse.TestInputQuery, Upload]) -> Response:
        key = await self._own_key(call)
        part = await call.body.part("file")
        body = await keep(part.pieces, self._rooms.blobs, self._rooms.settings.jobs.input_size)
        await self._rooms.test_inputs.put(key, call.query.name, part.filename, body)
        return Response(status_code=200)

    async def test_inputs(self, call: NoBody) -> list[shapes.TestInputShape]:
        key = await self._seen_key(call)
        files = await self._rooms.test_inputs.filenames(key)
        return shapes.files_of_test(await self._rooms.test_inputs.all(key), files)

    async def remove_test_input(self, call: Call[parse.TestInputQuery, None]) -> Response:
        await self._rooms.test_inputs.remove(await self._own_key(call), call.query.name)
        return Response(status_code=200)

    async def _load_step(self, call: NoBody) -> Step:
        step = (await self._rooms.versions.get(await self._seen_key(call))).load
        if step.state is StepState.FAILED:
            raise Invalid(step.error)
        return step

    async def _own_key(self, call: Call[object, object]) -> VersionKey:
        model = await library.own(self._models, call)
        return (await self._rooms.versions.get(VersionKey(model.identifier, call.params["version"]))).key

    async def _seen_key(self, call: Call[object, object]) -> VersionKey:
        model = await library.seen(self._models, call)
        return (await self._rooms.versions.get(VersionKey(model.identifier, call.params["version"]))).key


_STEPS = ("container-image", "load-process", "run-process", "testInput")
