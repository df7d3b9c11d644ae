"""A model of the library, its tags and pictures."""

from dataclasses import dataclass
from enum import StrEnum

from headrace.domain.clock import Millis


class Scope(StrEnum):
    """Who sees a model. New models are PRIVATE."""

    ALL = "ALL"
    ACCOUNT = "ACCOUNT"
    TEAM = "TEAM"
    PRIVATE = "PRIVATE"


@dataclass(frozen=True, slots=True)
class Visibility:
    scope: Scope = Scope.PRIVATE
    teams: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Tag:
    """`kind` is Task, Subject or Input Type for the predefined tags, Tags for everybody else's."""

    identifier: str  # the name in lower case, spaces as underscores
    name: str
    kind: str
    categorical: bool


@dataclass(frozen=True, slots=True)
class Picture:
    """The picture of a model as it was uploaded: a blob and what its header says."""

    digest: str
    size: int  # bytes
    media_type: str
    width: int  # pixels
    height: int
    caption: str
    relation: str  # thumbnail, card, background or logo


@dataclass(frozen=True, slots=True)
class Feature:
    identifier: str
    name: str
    description: str


@dataclass(frozen=True, slots=True)
class Model:
    identifier: str
    account: str
    team: str
    author: str
    name: str
    description: str
    recommended: bool
    commercial: bool
    features: tuple[Feature, ...]
    tags: tuple[Tag, ...]
    pictures: tuple[Picture, ...]
    visibility: Visibility
    versions: tuple[str, ...]  # in semantic order, lowest first; deleted ones left out
    active_versions: tuple[str, ...]
    owner: str  # user identifier
    owner_email: str
    owner_name: str
    created: Millis
    updated: Millis
    last_used: Millis | None
    expires: Millis | None

    @property
    def active(self) -> bool:
        return bool(self.active_versions)
