"""Labels by thumb, `/labels`: a picture from the queue, and what it may show, one tap each.

Which pictures come is the business of `domain.label_queue`, what a label is worth that of the
probe. A tap is a POST; the page that follows can take it back.
"""

import datetime as dt
from typing import Annotated, Any, Literal, get_args
from urllib.parse import urlencode

import sqlalchemy as sa
from fastapi import APIRouter, Form, HTTPException, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse

from mushroom_assets.domain.farm import Farm
from mushroom_assets.domain.farm_parts import Label
from mushroom_assets.domain.label_queue import Queued, queue
from mushroom_assets.domain.probe import KINDS
from mushroom_assets.storage.page.images import newest_model, picture_facts
from mushroom_assets.storage.vision.label_queue import uncertain, unfamiliar
from mushroom_assets.storage.vision.labels import seen_contents, store_labels, withdraw_label
from mushroom_assets.web.access import Author
from mushroom_assets.web.place import OfPlace, Place, SpokenFarm
from mushroom_assets.web.rendering import page

router = APIRouter()
changing = APIRouter()
BY = "page"  # where nobody has said a name
QUEUED = 50
QUEUE_FRESH_S = 30.0  # a label given meanwhile is left out all the same: see `skip`
BACK = dt.timedelta(days=14)  # the queue is of the newest days: years would take minutes
TAKEN_BACK = dt.timedelta(minutes=30)  # so long a tap can be undone
AFTER_POST = 303
NOT_THERE = 404
SKIPPED = 40  # pictures that one reader leaves out, the latest
Kind = Literal["stage", "condition"]
assert get_args(Kind) == KINDS  # noqa: S101 - one list, twice


@router.get("/labels")
async def labels(
    request: Request,
    place: OfPlace,
    farm: SpokenFarm,
    path: str | None = None,
    kind: Kind = "stage",
    done: str | None = None,
    skip: Annotated[list[str] | None, Query()] = None,
) -> HTMLResponse:
    """The next picture, or the one whose stage has just been told, for its condition."""
    skipped = (skip or [])[-SKIPPED:]
    if path is None:
        found = await place.reader.shared("queue", lambda connection: _queue(connection, place),
                                          QUEUE_FRESH_S)  # fmt: skip
        path = next((one for one in found if one not in skipped), None)
        kind = "stage"
    facts = None
    if path is not None:
        asked = path
        facts = await place.reader.shared(
            ("facts", asked), lambda connection: picture_facts(connection, asked)
        )
        if facts is None:
            raise HTTPException(NOT_THERE)
    shown: dict[str, Any] = {"facts": facts, "kind": kind, "choices": _choices(kind, farm)}
    shown |= {"done": _done(done), "skipped": skipped, "link": _link}
    return page(request, farm, "labels.html", refresh=0, **shown)


def _queue(connection: sa.Connection, place: Place) -> list[str]:
    """Paths of the pictures that teach most, of the newest days."""
    model = newest_model(connection)
    if model is None:
        return []
    since = model.day - BACK
    known_from = place.farm().vision.unfamiliar_below
    odd = unfamiliar(connection, model.encoder, since)
    unsure = uncertain(connection, model.encoder, known_from, since)
    found: list[Queued] = queue(odd, unsure, QUEUED)
    return [one.candidate.image_path for one in found]


def _choices(kind: Kind, farm: Farm) -> list[tuple[str, str]]:
    """Name and words of each label of a kind."""
    known: dict[str, Label] = farm.vision.stages if kind == "stage" else farm.vision.conditions
    return [(name, farm.say(label.text) or name) for name, label in known.items()]


def _done(told: str | None) -> tuple[str, str, str] | None:
    """Kind, label and path of what has just been told, from `kind:label:path`."""
    parts = (told or "").split(":", 2)
    return (parts[0], parts[1], parts[2]) if len(parts) == 3 and parts[0] in KINDS else None


def _link(skipped: list[str], **asked: str) -> str:
    """The address of the page with what is left out."""
    return f"/labels?{urlencode([*asked.items(), *(('skip', one) for one in skipped)])}"


@changing.post("/labels")
def label(
    place: OfPlace,
    path: Annotated[str, Form()],
    kind: Annotated[Kind, Form()],
    name: Annotated[str, Form()],
    author: Author,
    skip: Annotated[list[str] | None, Form()] = None,
) -> RedirectResponse:
    """Store what a person sees on a picture."""
    farm = place.farm()
    if name not in dict(_choices(kind, farm)):
        raise HTTPException(NOT_THERE)

    def store(connection: sa.Connection) -> bool:
        content = seen_contents(connection, {path}).get(path)
        if content is None:
            return False
        row = dict.fromkeys(KINDS) | {kind: name}
        given = row | {"image_path": path, "content_sha256": content, "labelled_by": author or BY}
        store_labels(connection, [given])
        return True

    if not place.reader.write(store):
        raise HTTPException(NOT_THERE)
    done = f"{kind}:{name}:{path}"
    skipped = [*(one for one in skip or [] if one != path), path][-SKIPPED:]
    if kind == "stage":
        return _to(_link(skipped, path=path, kind="condition", done=done))
    return _to(_link(skipped, done=done))


@changing.post("/labels/undo")
def undo(
    place: OfPlace,
    path: Annotated[str, Form()],
    kind: Annotated[Kind, Form()],
    author: Author,
    skip: Annotated[list[str] | None, Form()] = None,
) -> RedirectResponse:
    """Take back what was told last, and ask again."""
    since = place.now() - TAKEN_BACK
    by = author or BY
    place.reader.write(lambda connection: withdraw_label(connection, path, kind, by, since))
    return _to(_link(skip or [], path=path, kind=kind))


def _to(address: str) -> RedirectResponse:
    return RedirectResponse(address, AFTER_POST)
