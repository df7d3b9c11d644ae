"""All endpoints of the contract, in one list."""

from headrace.api.endpoint import Row
from headrace.api.modzy.access_keys import AccessKeys
from headrace.api.modzy.accounts import Accounts
from headrace.api.modzy.companies import Companies
from headrace.api.modzy.dead import DeadLetters
from headrace.api.modzy.deployment import DeploymentSteps
from headrace.api.modzy.history import History
from headrace.api.modzy.jobs import Jobs
from headrace.api.modzy.models import Models
from headrace.api.modzy.pictures import Pictures
from headrace.api.modzy.quotas import Quotas
from headrace.api.modzy.resources import Resources
from headrace.api.modzy.results import Results
from headrace.api.modzy.shares import FairShares
from headrace.api.modzy.tags import Tags
from headrace.api.modzy.versions import Versions
from headrace.api.rooms import Rooms


def rows(rooms: Rooms) -> list[Row]:
    companies = Companies(rooms.models, rooms.people, rooms.keys)
    return [
        *Jobs(rooms, companies).rows(),
        *DeadLetters(rooms, companies).rows(),
        *History(rooms, companies).rows(),
        *Results(rooms, companies).rows(),
        *Models(rooms).rows(),
        *Tags(rooms.tags).rows(),
        *Pictures(rooms).rows(),
        *Versions(rooms).rows(),
        *DeploymentSteps(rooms).rows(),
        *Resources(rooms).rows(),
        *Accounts(rooms).rows(),
        *AccessKeys(rooms).rows(),
        *Quotas(rooms.allowances).rows(),
        *FairShares(rooms.shares, rooms.people).rows(),
    ]
