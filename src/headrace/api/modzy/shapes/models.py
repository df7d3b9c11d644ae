"""Models, tags and pictures (contracts/modzy.md, A.3.1, A.3.2)."""

import re
from collections.abc import Sequence

import msgspec

from headrace.api.modzy.shapes import times
from headrace.catalog.search import is_expired
from headrace.domain.clock import Millis
from headrace.domain.model import Model, Picture, Tag
from headrace.domain.version import Requirement, Version


class FeatureShape(msgspec.Struct):
    identifier: str
    name: str
    description: str


class ImageShape(msgspec.Struct, rename="camel"):
    url: str
    caption: str
    alt: str
    relation_type: str


class TagShape(msgspec.Struct, rename="camel"):
    identifier: str
    name: str
    data_type: str
    is_categorical: bool
    images: list[ImageShape] = []


class TagCount(TagShape, kw_only=True):
    count: int


class VisibilityShape(msgspec.Struct):
    scope: str
    teams: list[str]


class ModelShape(msgspec.Struct, rename="camel"):
    model_id: str
    latest_version: str
    latest_active_version: str
    versions: list[str]
    author: str
    name: str
    description: str
    permalink: str
    features: list[FeatureShape]
    is_active: bool
    is_recommended: bool
    is_commercial: bool
    tags: list[TagShape]
    images: list[ImageShape]
    snapshot_images: list[ImageShape]
    is_expired: bool
    last_active_date_time: str | None
    expiration_date_time: str | None
    created_by_email: str
    created_by_full_name: str
    visibility: VisibilityShape


class CreatedModel(ModelShape, kw_only=True):
    """Deployment clients read `identifier` here and `modelId` everywhere else (M18)."""

    identifier: str


class ListedModel(msgspec.Struct, rename="camel"):
    model_id: str
    latest_version: str
    versions: list[str]


class LatestModel(msgspec.Struct, rename="camel"):
    identifier: str
    name: str
    author: str
    description: str
    long_description: str
    active_versions: list[str]
    latest_version: str
    creation_date_time: str
    update_date_time: str
    features: list[FeatureShape]
    images: list[ImageShape]
    is_active: bool
    is_available: bool
    is_commercial: bool
    is_experimental: bool
    is_recommended: bool
    permalink: str
    source_type: str
    tags: list[TagShape]


class RelatedModel(msgspec.Struct, rename="camel"):
    identifier: str
    latest_version: str
    versions: list[str]
    author: str
    name: str
    description: str
    permalink: str
    features: list[FeatureShape]
    is_active: bool
    is_recommended: bool
    tags: list[TagShape]
    images: list[ImageShape]


class TaggedModel(msgspec.Struct):
    identifier: str
    name: str
    tags: list[TagShape]


class TagsWithModels(msgspec.Struct):
    """These two keys and no other: Java is strict here (M6)."""

    tags: list[TagShape]
    models: list[TaggedModel]


class EnginesSum(msgspec.Struct, rename="camel"):
    minimum_processing_engines_sum: int


class RequirementShape(msgspec.Struct, rename="camel"):
    """The Python SDK's constructor reads `cpuAmount` up to its m and `memoryAmount` up to its G (rule 3)."""

    requirement_id: int
    name: str
    description: str
    gpu_units: int
    cpu_amount: str
    memory_amount: str
    status: str = "ACTIVE"
    storage: str | None = None
    price: str | None = None
    instance_type: str | None = None


def model(one: Model, now: Millis) -> ModelShape:
    return ModelShape(
        model_id=one.identifier,
        latest_version=_last(one.versions),
        latest_active_version=_last(one.active_versions),
        versions=list(one.versions),
        author=one.author,
        name=one.name,
        description=one.description,
        permalink=permalink(one),
        features=_features(one),
        is_active=one.active,
        is_recommended=one.recommended,
        is_commercial=one.commercial,
        tags=tags(one.tags),
        images=_images(one),
        snapshot_images=[],
        is_expired=is_expired(one, now),
        last_active_date_time=times.text_or_none(one.last_used),
        expiration_date_time=times.text_or_none(one.expires),
        created_by_email=one.owner_email,
        created_by_full_name=one.owner_name,
        visibility=VisibilityShape(one.visibility.scope, list(one.visibility.teams)),
    )


def created(one: Model, now: Millis) -> CreatedModel:
    return CreatedModel(**msgspec.structs.asdict(model(one, now)), identifier=one.identifier)


def listed(one: Model) -> ListedModel:
    return ListedModel(one.identifier, _last(one.versions), list(one.versions))


def latest(one: Model, version: Version) -> LatestModel:
    return LatestModel(
        identifier=one.identifier,
        name=one.name,
        author=one.author,
        description=one.description,
        long_description=version.long_description,
        active_versions=list(one.active_versions),
        latest_version=_last(one.active_versions),
        creation_date_time=times.text(one.created),
        update_date_time=times.text(one.updated),
        features=_features(one),
        images=_images(one),
        is_active=one.active,
        is_available=True,
        is_commercial=one.commercial,
        is_experimental=False,
        is_recommended=one.recommended,
        permalink=permalink(one),
        source_type=version.source_type,
        tags=tags(one.tags),
    )


def related(one: Model) -> RelatedModel:
    return RelatedModel(
        identifier=one.identifier,
        latest_version=_last(one.versions),
        versions=list(one.versions),
        author=one.author,
        name=one.name,
        description=one.description,
        permalink=permalink(one),
        features=_features(one),
        is_active=one.active,
        is_recommended=one.recommended,
        tags=tags(one.tags),
        images=_images(one),
    )


def tagged(found: Sequence[Tag], models: Sequence[Model]) -> TagsWithModels:
    return TagsWithModels(tags(found), [TaggedModel(one.identifier, one.name, tags(one.tags)) for one in models])


def tags(found: Sequence[Tag]) -> list[TagShape]:
    return [TagShape(tag.identifier, tag.name, tag.kind, tag.categorical) for tag in found]


def counted(found: Sequence[tuple[Tag, int]]) -> list[TagCount]:
    return [TagCount(tag.identifier, tag.name, tag.kind, tag.categorical, count=count) for tag, count in found]


def requirement(one: Requirement) -> RequirementShape:
    return RequirementShape(one.identifier, one.name, one.description, one.gpu_units, one.cpu, one.memory)


def permalink(one: Model) -> str:
    return f"{one.identifier}-{_slug(one.author)}-{_slug(one.name)}"


def _features(one: Model) -> list[FeatureShape]:
    return [FeatureShape(feature.identifier, feature.name, feature.description) for feature in one.features]


def _images(one: Model) -> list[ImageShape]:
    return [_image(one, picture) for picture in one.pictures]


def _image(one: Model, picture: Picture) -> ImageShape:
    url = f"/api/models/{one.identifier}/image/{picture.relation}"
    return ImageShape(url, picture.caption, picture.caption, picture.relation)


def _last(versions: Sequence[str]) -> str:
    return versions[-1] if versions else ""


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
