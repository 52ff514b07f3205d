"""Microsoft's Azure Face (REST v1.2) as an identifier: its gallery is a large person group at Azure.

Only crops of faces that the hub found on this machine are sent, and neither names nor anything but faces is asked for.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import voluptuous as vol

from hub.plugin import Config, Identifier, NeedsHuman, NotReady, PluginContext, RecognizerSpec, Spec, hookimpl
from hub.plugin.validators import duration, number, slug, text, whole_number

from .endpoint import cloud_of, entra_name, origin, shared_by_a_region

if TYPE_CHECKING:  # half a second that looking at the plugin need not cost
    from .api import FaceApi
    from .spending import Spending

ENTRA = {
    vol.Required("tenant", description="directory (tenant) ID"): entra_name,
    vol.Required("client_id", description="application (client) ID"): entra_name,
    vol.Required("client_secret", description="the application's client secret"): text,
    vol.Optional("login", description="where tokens are given; default: by the endpoint's cloud"): origin,
}
CONFIG_SCHEMA = {
    vol.Required("endpoint", description="the Face resource's address, out of the Azure portal"): origin,
    vol.Exclusive(
        "key", "credentials", msg="key and entra together; write one of them", description="a key of the resource"
    ): text,
    vol.Exclusive(
        "entra",
        "credentials",
        msg="key and entra together; write one of them",
        description="an Entra application, instead of a key",
    ): ENTRA,
    vol.Required("group", description="the large person group, this hub's alone; it is made when it is missing"): slug,
    vol.Optional("tier", default="S0", description="the resource's pricing tier"): vol.In(["F0", "S0", "E0"]),
    vol.Optional("calls_per_second", description="if Microsoft raised the tier's limit"): number(0.1, 1000),
    vol.Optional("together", default=10, description="crops sent in one picture; 1 sends each alone"): (
        whole_number(1, 10)
    ),
    vol.Optional("monthly_cap", default=100_000, description="calls in a calendar month, then none but to delete"): (
        whole_number(1, 1_000_000_000)
    ),
    vol.Optional("price", default=1.0, description="of 1,000 calls, for what the hub says they cost"): number(0, 1000),
    vol.Optional("train_after", default="10 s", description="training begins so long after the last change"): duration,
    vol.Optional("timeout", default="20 s", description="for one call"): duration,
}


def check(config: Config) -> None:
    """Raises NeedsHuman without credentials, or with some that the endpoint does not take."""
    if not config.keys() & {"key", "entra"}:
        raise NeedsHuman("Azure Face needs a key or an Entra application", hint="write recognizer->key: !secret NAME")
    if "entra" in config and shared_by_a_region(config["endpoint"]):
        raise NeedsHuman(
            "Azure takes no Entra token at an endpoint that a region shares",
            hint="write the resource's own at recognizer->endpoint: https://NAME.cognitiveservices.azure.com",
        )


@asynccontextmanager
async def open_recogniser(config: Config, context: PluginContext) -> AsyncIterator[Identifier]:
    """Raises NeedsHuman for what Azure refuses altogether. Where it is away, or would only delete, it opens all the
    same, and the other calls raise why."""
    from .errors import CannotIdentify
    from .people import People
    from .recogniser import AzureFace
    from .training import Training

    async with open_service(config, context) as (api, _):
        training = Training(api, context, config["train_after"].total_seconds())
        recogniser = AzureFace(api, People(api), training, context, config["together"])
        try:
            await recogniser.prepare(attempts=1)
        except (NotReady, CannotIdentify) as problem:
            context.logger.warning("%s", problem)
            context.progress(problem.message)
        recogniser.erasing.begin()
        try:
            yield recogniser
        finally:
            await recogniser.erasing.close()


async def probe(config: Config, context: PluginContext) -> str:
    """Endpoint, credentials, approval, group, and what was spent."""
    from .recogniser import check_access, refuse_other_models

    async with open_service(config, context) as (api, spending):
        await check_access(api, context, attempts=1)
        model = await api.model(attempts=1)
        if model is None:
            group = f"may identify; the large person group {config['group']} will be made"
        else:
            refuse_other_models(model)
            trained, _ = await api.training(attempts=1)
            group = f"large person group {config['group']}: {len(await api.people())} enrolled, training {trained}"
        return f"{group}; {await spending.told()}"


@asynccontextmanager
async def open_service(config: Config, context: PluginContext) -> AsyncIterator[tuple[FaceApi, Spending]]:
    from .api import FaceApi
    from .client import Client
    from .credentials import Application, Credentials, Key, Token
    from .pacing import TIERS, Bucket, of_rate
    from .spending import Spending

    endpoint, patience = config["endpoint"], config["timeout"].total_seconds()
    check(config)
    credentials: Credentials
    if "key" in config:
        credentials = Key(config["key"])
    else:
        asked, cloud = config["entra"], cloud_of(endpoint)
        application = Application(
            asked.get("login", cloud.login), cloud.scope, asked["tenant"], asked["client_id"], asked["client_secret"]
        )
        credentials = Token(application, context.http, context.clock, patience)
    rate = config.get("calls_per_second")
    bucket = Bucket(TIERS[config["tier"]] if rate is None else of_rate(rate), context.clock)
    spending = Spending(context, config["monthly_cap"], config["price"])
    client = Client(context.http, endpoint, credentials, bucket, spending, context.clock, patience)
    try:
        yield FaceApi(client, config["group"]), spending
    finally:
        await spending.close()


@hookimpl
def fras_plugins() -> Sequence[Spec]:
    return [
        RecognizerSpec(
            name="azure_face",
            config_schema=CONFIG_SCHEMA,
            open=open_recogniser,
            check=check,
            identifier=True,
            place=lambda config: f"{config['endpoint'].partition('://')[2]}/{config['group']}",
            probe=probe,
            description="Microsoft's Azure Face: crops of faces leave the building. Needs Microsoft's approval.",
        )
    ]
