"""Templates, and how pages put numbers, ages and days into words.

What is told stands in `metadata/page.yaml`; what it means is the business of `domain`.
"""

import datetime as dt
import hashlib
import json
from collections.abc import Mapping
from functools import cache, partial
from importlib import resources
from typing import Any, get_args
from urllib.parse import quote

import jinja2
from fastapi import Request
from fastapi.responses import HTMLResponse

from mushroom_assets.domain.farm import Farm
from mushroom_assets.domain.farm_parts import Band, Language
from mushroom_assets.domain.now import Reading
from mushroom_assets.domain.setpoints import change_text, spoken
from mushroom_assets.domain.texts import decimals, number_text, quantity_name, say, share_text
from mushroom_assets.domain.verdict import reason_text
from mushroom_assets.domain.vision import label_text
from mushroom_assets.domain.written_down import weight_text
from mushroom_assets.web.access import NAME, access_of, standing, token_field
from mushroom_assets.web.place import COOKIE, place_of

YEAR_S = 365 * 86_400


@cache
def environment() -> jinja2.Environment:
    """The templates; whatever stands in a value is text, never markup."""
    made = jinja2.Environment(
        loader=jinja2.PackageLoader("mushroom_assets.web", "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,  # those of another release beside it would not fit this process
    )
    made.filters["path"] = lambda text: quote(str(text), safe="")
    made.filters["paths"] = lambda text: quote(str(text), safe="/")
    made.filters["bullet"] = bullet
    made.filters["local"] = lambda url: f"{url.path}?{url.query}" if url.query else url.path
    made.globals["asset"] = asset_url
    return made


@cache
def asset_url(name: str) -> str:
    """Where a static file is, with a mark of its content: it may be kept for ever."""
    data = resources.files("mushroom_assets.web").joinpath("static", name).read_bytes()
    return f"/static/{name}?{hashlib.sha256(data).hexdigest()[:12]}"


def bullet(read: Reading) -> float | None:
    """Where a value stands on a rail of 100 whose middle 40 are the band; None where nowhere."""
    if read.band is None or read.value is None or read.side in ("old", "unknown"):
        return None
    low, high = read.band
    place = 30 + 40 * (read.value - low) / ((high - low) or 1.0)
    return round(min(max(place, 1.0), 99.0), 1)


def page(
    request: Request, farm: Farm, template: str, status: int = 200, **values: Any
) -> HTMLResponse:
    """A page in the farm's language, which is the reader's; the choice of one is remembered."""
    of_all = {"request": request, "ui": place_of(request).settings.ui_url, **of_forms(request)}
    told = environment().get_template(template).render(**of_all, **words(farm), **values)
    answer = HTMLResponse(told, status, headers={"Cache-Control": "no-store"})
    if request.query_params.get("lang") in get_args(Language):
        answer.set_cookie(COOKIE, farm.language, max_age=YEAR_S, httponly=True, samesite="lax")
    return answer


def of_forms(request: Request) -> dict[str, Any]:
    """What `forms.html` asks: whether who reads may change something, and who it is."""
    return {
        "standing": standing(request),
        "has_password": access_of(request).password is not None,
        "author": request.session.get(NAME, ""),
        "token": lambda: token_field(request),
    }


def words(farm: Farm) -> dict[str, Any]:
    """What templates call to put things into the farm's language."""
    return {
        "farm": farm,
        "say": lambda key, **values: say(f"page.{key}", farm, **values),
        "plain": lambda key, **values: say(key, farm, **values),
        "name": lambda quantity: quantity_name(quantity, farm),
        "number": partial(_number, farm),
        "signed": partial(_signed, farm),
        "reason": lambda reason: reason_text(reason, farm),
        "move": lambda change: change_text(spoken(change, farm), farm),
        "label": lambda kind, key: label_text(kind, key, farm),
        "share": share_text,
        "weight": weight_text,
        "band": partial(_band, farm),
        "time": lambda at: f"{at.astimezone(farm.zone):%H:%M}",
        "moment": partial(_moment, farm),
        "day": partial(_day, farm),
        "date": partial(short_day, farm),
        "age": partial(age_text, farm),
        "json": lambda value: json.dumps(value, ensure_ascii=False, separators=(",", ":")),
    }


def _number(farm: Farm, value: float | None, quantity: str, unit: bool = False) -> str:
    of = farm.units().get(quantity, "")
    return number_text(value, decimals(quantity, of, farm), of if unit else None)


def _signed(farm: Farm, value: float, quantity: str) -> str:
    """`+0.3`, `−12`."""
    shown = f"{value:+.{decimals(quantity, farm.units().get(quantity, ''), farm)}f}"
    return shown.replace("-", "−")


def _band(farm: Farm, band: Band, quantity: str, unit: bool = False) -> str:
    """`17–19.5`, `17–19.5 °C`."""
    told = f"{band[0]:g}–{band[1]:g}"
    return f"{told} {farm.units().get(quantity, '')}" if unit else told


def _moment(farm: Farm, at: dt.datetime, today: dt.date | None) -> str:
    """The time of day, with its day where that is not today."""
    local = at.astimezone(farm.zone)
    time = f"{local:%H:%M}"
    return time if local.date() == today else f"{short_day(farm, local.date())} {time}"


def _day(farm: Farm, day: dt.date, key: str = "page.day") -> str:
    """`Fri 27 Nov`, `11月27日 周五`."""
    names = say("page.weekdays", farm).split()
    months = say("page.months", farm).split()
    values: Mapping[str, Any] = {
        "weekday": names[day.weekday()],
        "month": months[day.month - 1],
        "day": day.day,
    }
    return say(key, farm, **values)


def short_day(farm: Farm, day: dt.date) -> str:
    """`27 Nov`, `11月27日`."""
    return _day(farm, day, "page.date")


def age_text(farm: Farm, seconds: float) -> str:
    """How long ago, in whole minutes, hours or days, the smaller one."""
    minutes = int(max(seconds, 0) // 60)
    if minutes < 1:
        return say("page.just_now", farm)
    if minutes < 120:
        return say("page.minutes_ago", farm, count=minutes)
    if minutes < 48 * 60:
        return say("page.hours_ago", farm, count=minutes // 60)
    return say("page.days_ago", farm, count=minutes // (24 * 60))
