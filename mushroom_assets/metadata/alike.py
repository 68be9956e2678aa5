"""The images most like one as a page of their own: HTML that needs no other file, and no script.

It is meant to be sent around and looked at on a phone. Searching and reading pictures is the
business of the caller. On the terminal the same images are a table (`cli.alike`).
"""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import cast

from mushroom_assets.domain.farm import Farm
from mushroom_assets.domain.origin import origin, origin_text
from mushroom_assets.domain.texts import say
from mushroom_assets.metadata.captions import Row, camera_words, label_words, local_time
from mushroom_assets.storage.vision.search import NearImage

STYLE = """
:root { color-scheme: light dark; }
body { font: 15px/1.4 system-ui, sans-serif; max-width: 62rem; margin: 0 auto; padding: 1rem; }
h1 { font-size: 1.25rem; margin: .4rem 0; overflow-wrap: anywhere; }
header p { margin: .3rem 0; opacity: .8; overflow-wrap: anywhere; }
ol { list-style: none; margin: 1rem 0 0; padding: 0; display: grid; gap: .75rem;
  grid-template-columns: repeat(auto-fill, minmax(9.5rem, 1fr)); }
li { border: 1px solid #8884; border-radius: .5rem; padding: .5rem; }
img, .gone { display: block; width: 100%; border-radius: .25rem; }
header img, header .gone { width: 14rem; }
.gone { aspect-ratio: 16 / 9; display: grid; place-content: center; text-align: center;
  background: #8883; padding: .5rem; box-sizing: border-box; font-size: .85rem; }
li p { margin: .25rem 0 0; overflow-wrap: anywhere; }
.path { font: .72rem/1.3 ui-monospace, monospace; opacity: .75; }
"""


@dataclass(frozen=True)
class Asked:
    """What was searched for.

    Attributes:
        text: the words, or the picture's path.
        is_words: whether it is words.
        encoder: model and weights.
        filters: rooms and days in words; empty: all.
        picture: a small JPEG of it; None for words, and where there is none.
    """

    text: str
    is_words: bool
    encoder: str
    filters: str = ""
    picture: bytes | None = None


def alike_page(
    asked: Asked, images: Sequence[NearImage], pictures: Mapping[str, bytes], farm: Farm
) -> str:
    """The page, in the farm's language.

    Args:
        asked: what was searched for.
        images: the most similar first; at least one.
        pictures: small JPEGs by path; where one lacks, the page says that it is gone.
        farm: language, time zone, texts of the labels.
    """
    title = escape(say("alike_words" if asked.is_words else "alike_picture", farm, of=asked.text))
    facts = [say("alike_found", farm, count=len(images), encoder=asked.encoder), asked.filters]
    facts.append(_labels_from(images, farm))
    told = "\n".join(f"<p>{escape(fact)}</p>" for fact in facts if fact)
    own = "" if asked.is_words else _picture(asked.picture, asked.text, farm)
    tiles = "\n".join(_tile(*ranked, pictures, farm) for ranked in enumerate(images, start=1))
    return f"""<!doctype html>
<html lang="{farm.language}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>{STYLE}</style>
</head>
<body>
<header>
{own}
<h1>{title}</h1>
{told}
</header>
<ol>
{tiles}
</ol>
</body>
</html>
"""


def _labels_from(images: Sequence[NearImage], farm: Farm) -> str:
    """What the labels come from, in a line."""
    model = images[0].model_id
    if origin(model) == "random":
        return say("alike_random", farm)
    return origin_text(model, [_row(image) for image in images], farm)


def _row(image: NearImage) -> Row:
    """As captions read it; a vector and the columns that they do not read are not there."""
    return cast(Row, image._asdict())


def _tile(rank: int, image: NearImage, pictures: Mapping[str, bytes], farm: Farm) -> str:
    row = _row(image)
    lines = [camera_words(row, farm), f"{local_time(row, farm):%Y-%m-%d %H:%M}"]
    if origin(image.model_id) != "random":
        lines += [label_words("stage", row, farm), label_words("condition", row, farm)]
    parts = [
        _picture(pictures.get(image.image_path), image.image_path, farm),
        f"<p><b>{escape(say('alike_rank', farm, rank=rank, similarity=image.similarity))}</b></p>",
        *(f"<p>{escape(line)}</p>" for line in lines),
        f'<p class="path">{escape(image.image_path)}</p>',
    ]
    return f"<li>{''.join(parts)}</li>"


def _picture(jpeg: bytes | None, name: str, farm: Farm) -> str:
    if jpeg is None:
        return f'<div class="gone">{escape(say("alike_gone", farm))}</div>'
    data = base64.b64encode(jpeg).decode("ascii")
    return f'<img alt="{escape(name)}" src="data:image/jpeg;base64,{data}">'
