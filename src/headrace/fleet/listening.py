"""The dialects of models that listen on a port: loaded when the first image runs, for most servers never."""

from headrace.dialects.contract import ByContract, Listening
from headrace.dialects.dialect import Told
from headrace.dialects.modzy_grpc import ModzyGrpc
from headrace.dialects.modzy_http import ModzyHttp, Ways
from headrace.dialects.oip_http import OipHttp
from headrace.domain.body import BodyStore
from headrace.domain.image import Contract
from headrace.domain.reach import Reach
from headrace.fleet.translator import HarnessForms


def listening(reach: Reach, told: Told, store: BodyStore, most: int) -> ByContract:
    """`most`: bytes of one input's outputs together."""
    ways = Ways(store, most, HarnessForms())

    def speak(contract: Contract, port: int) -> Listening:
        match contract:
            case Contract.MODZY_GRPC:
                return ModzyGrpc(reach, port, told, ways)
            case Contract.OIP:
                return OipHttp(reach, port, told, ways)
            case Contract.MODZY_HTTP:
                return ModzyHttp(reach, port, told, ways)

    return ByContract(reach, speak)
