"""What an asset's page says in words, in the farm's language: the texts of `pages.yaml` and the
asset's neighbours.
"""

import functools
import re
from importlib import resources

import sqlalchemy as sa
import yaml
from pydantic import BaseModel, ConfigDict, TypeAdapter

from mushroom_assets.domain.farm import Language
from mushroom_assets.storage.schema import ASSETS
from mushroom_assets.storage.schema.dictionary import upstream

Said = dict[Language, str]
HEADINGS: dict[str, Said] = {
    "source": {"en": "Source:", "zh": "来源："},
    "cadence": {"en": "Cadence:", "zh": "频率："},
    "units": {"en": "Units:", "zh": "单位："},
    "meaning": {"en": "Meaning:", "zh": "含义："},
    "neighbours": {"en": "Neighbours:", "zh": "上下游："},
    "table": {"en": "Table:", "zh": "数据表："},
}
NONE: Said = {"en": "none", "zh": "无"}


class Page(BaseModel):
    """The texts of one asset; `query` is a PostgreSQL statement to start from."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    what: Said
    source: Said
    cadence: Said
    units: Said
    meaning: Said
    query: str


@functools.cache
def pages() -> dict[str, Page]:
    """Every asset's texts."""
    text = (
        resources.files("mushroom_assets.metadata")
        .joinpath("pages.yaml")
        .read_text(encoding="utf-8")
    )
    return TypeAdapter(dict[str, Page]).validate_python(yaml.safe_load(text))


def description(table: sa.Table, language: Language) -> str:
    """An asset's text as Markdown: what it is, then a paragraph a heading, then the query."""
    page = pages()[table.name]
    paragraphs = {
        name: getattr(page, name)[language] for name in ("source", "cadence", "units", "meaning")
    }
    paragraphs |= {"neighbours": _neighbours(table)}
    paragraphs |= {"table": f"`{table.fullname}`" if table.schema else NONE[language]}
    lines = [f"**{HEADINGS[name][language]}** {text}" for name, text in paragraphs.items()]
    text = "\n\n".join([page.what[language], *lines, f"```sql\n{page.query}\n```"])
    return re.sub(r"\[\[(\w+)\]\]", lambda name: link(name[1], name[1]), text)


def link(text: str, asset: str) -> str:
    """A link to an asset's page, in Markdown."""
    return f"[{text}](/assets/{asset})"


def _neighbours(table: sa.Table) -> str:
    """`sample, batch → daily_env_stats → daily_room_report`: what it is made from, and what is made
    from it.
    """
    after = [name for name, other in ASSETS.items() if table.name in upstream(other)]
    before, after_it = (
        ", ".join(f"[[{name}]]" for name in side) for side in (upstream(table), after)
    )
    return " → ".join(filter(None, (before, f"`{table.name}`", after_it)))
