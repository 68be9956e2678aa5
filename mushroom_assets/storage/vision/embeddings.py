"""What models made of files' bytes: remembered by content, each batch in its own transaction.

Not here: rows of a day (`storage.results`), search (`search`, `index`), and how a vector is
computed.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from mushroom_assets.domain.vision import EncodedImage
from mushroom_assets.storage.connection import Database
from mushroom_assets.storage.schema import image_embedding as table

KEPT = ("embedding", "width", "height", "sharpness", "brightness", "precision")


class EmbeddingMemory:
    """The kept vectors of one encoder.

    Args:
        database: where they are; every call is a transaction of its own, from whichever thread.
        encoder: model and weights, as `ClipEncoder.name` has them.
        forget: recall nothing, and replace what is kept: to compute all anew.
    """

    def __init__(self, database: Database, encoder: str, *, forget: bool = False) -> None:
        self._database = database
        self._encoder = encoder
        self._forget = forget

    def recall(self, hashes: Sequence[str]) -> dict[str, EncodedImage]:
        """What is kept for these contents, by SHA-256: the vectors bit for bit as they were.

        What was kept before the precision was noted is computed once more: until then damaged files
        had vectors, too.
        """
        if self._forget or not hashes:
            return {}
        columns = [table.c.content_sha256, *(table.c[name] for name in KEPT)]
        own = table.c.content_sha256.in_(hashes) & (table.c.encoder == self._encoder)
        chosen = own & table.c.precision.is_not(None)
        with self._database.transaction() as connection:
            found = connection.execute(sa.select(*columns).where(chosen)).all()
        images = {}
        for content, vector, *facts in found:
            # The driver reads decimal digits: in float64 they are not the number that was kept,
            # and a score would depend on whether the vector was recalled
            images[content] = EncodedImage(content, np.array(vector, dtype=np.float32), *facts)
        return images

    def keep(self, images: Sequence[EncodedImage]) -> None:
        """Store a batch; what is kept already, with its precision, stays as it is."""
        # All runs use one order: two that keep the same contents cannot wait for each other
        in_order = sorted(images, key=lambda image: image.content_sha256)
        rows = [vars(image) | {"encoder": self._encoder} for image in in_order]
        statement = insert(table)
        keys = [table.c.content_sha256, table.c.encoder]
        news: dict[str, Any] = {name: statement.excluded[name] for name in KEPT}
        news["computed_at"] = sa.func.now()
        old = None if self._forget else table.c.precision.is_(None)
        statement = statement.on_conflict_do_update(index_elements=keys, set_=news, where=old)
        with self._database.transaction() as connection:
            connection.execute(statement, rows)
