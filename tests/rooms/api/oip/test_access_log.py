"""A line for each request that the doors answer by themselves: whose it was, and what was asked."""

from dataclasses import replace

import grpc.aio
from rooms.api.grpc.peers import ASK, admit, echo, listening
from rooms.api.oip.served import served

from headrace.api.grpc.calls import Limits, Method
from headrace.api.grpc.door import Door
from headrace.telemetry.log import access_log
from headrace.telemetry.requests import Requests

LATEST, EXACT = "/v2/models/echo/infer", "/v2/models/echo/versions/1/infer"


def told(lines):
    return [" ".join(line.split()[1:5]) for line in lines]


async def test_it_names_the_model_of_an_inference(home):
    lines = []
    home.rooms = replace(home.rooms, requests=Requests("http", access_log("plain", lines.append)))
    async with served(home) as wire, wire.connection() as talk:
        for path in (LATEST, LATEST, EXACT, "/v2/models/ec%0Aho/infer?key=secret"):
            whole = talk.request()
            talk.send(whole.replace(LATEST.encode(), path.encode(), 1))
            await talk.answer()

    asked = [(LATEST, 200), (LATEST, 200), (EXACT, 200), ("/v2/models/ec%0Aho/infer", 404)]
    assert [f"127.0.0.1 POST {path} {status}" for path, status in asked] == told(lines)


async def test_a_call_of_grpc_has_an_address_too():
    lines = []
    door = Door({"/t/Echo": Method(ASK, echo)}, admit, Limits(), Requests("grpc", access_log("plain", lines.append)))
    async with listening(door) as port, grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        await channel.unary_unary("/t/Echo")(b"")

    assert ["127.0.0.1 call /t/Echo OK"] == told(lines)
