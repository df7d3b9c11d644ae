"""The model that a request is about: seen, or the caller's own. One place for both questions."""

from headrace.accounts import access
from headrace.api.endpoint import Call
from headrace.catalog.models import Models
from headrace.domain.errors import Forbidden
from headrace.domain.model import Model


async def seen(models: Models, call: Call[object, object]) -> Model:
    """Raises NotFound."""
    return await models.visible(call.params["model"], call.principal)


async def own(models: Models, call: Call[object, object]) -> Model:
    """Raises NotFound for what the caller cannot see, Forbidden for what belongs to somebody else."""
    model = await seen(models, call)
    if not access.edits_model(call.principal, model):
        raise Forbidden(f"model {model.identifier} belongs to {model.owner_email}: only its owner edits it")
    return model
