"""What an asset's page says in words: the texts of `pages.yaml`, and the asset's neighbours."""

import functools
import re
from collections.abc import Sequence
from typing import Literal

import sqlalchemy as sa
from pydantic import BaseModel, ConfigDict, TypeAdapter

from mushroom_assets.domain.farm import Farm
from mushroom_assets.domain.farm_parts import Language
from mushroom_assets.domain.packaged import packaged_yaml
from mushroom_assets.domain.texts import say
from mushroom_assets.metadata.links import link
from mushroom_assets.storage.schema import ASSETS
from mushroom_assets.storage.schema.dictionary import upstream

Said = dict[Language, str]


class Facts(BaseModel):
    """What the catalogue finds an asset under; `owners` are roles that the farm file names."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    domain: str
    cadence: str
    kinds: list[str]
    owners: list[Literal["growers", "agronomists", "data_engineering"]]


class Page(BaseModel):
    """The texts of one asset; `query` is a PostgreSQL statement to start from."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    facts: Facts
    what: Said
    source: Said
    cadence: Said
    units: Said
    meaning: Said
    query: str


@functools.cache
def pages() -> dict[str, Page]:
    """Every asset's page."""
    return TypeAdapter(dict[str, Page]).validate_python(packaged_yaml("metadata", "pages.yaml"))


def description(table: sa.Table, farm: Farm) -> str:
    """An asset's text as Markdown: what it is, then a paragraph a heading, then the query."""
    page = pages()[table.name]
    language = farm.language
    paragraphs = {
        "source": page.source[language],
        "cadence": page.cadence[language],
        "units": page.units[language],
        "meaning": page.meaning[language],
        "neighbours": _neighbours(table),
        "table": f"`{table.fullname}`" if table.schema else say("page.none", farm),
    }
    lines = [f"**{say(f'page.{name}', farm)}** {text}" for name, text in paragraphs.items()]
    text = "\n\n".join([page.what[language], *lines, f"```sql\n{page.query}\n```"])
    return re.sub(r"\[\[(\w+)\]\]", lambda name: link(name[1], name[1]), text)


def _neighbours(table: sa.Table) -> str:
    """`sample, batch → daily_env_stats → daily_room_report`: sources and products."""
    made_of = upstream(table)
    goes_into = [name for name, other in ASSETS.items() if table.name in upstream(other)]
    parts = (_links(made_of), f"`{table.name}`", _links(goes_into))
    return " → ".join(filter(None, parts))


def _links(assets: Sequence[str]) -> str:
    return ", ".join(f"[[{name}]]" for name in assets)
