"""Pictures inside Markdown: Dagster's UI shows no others."""

import base64


def inline(picture: bytes, alt: str) -> str:
    """A PNG or JPEG as a Markdown image that carries its own bytes."""
    kind = "png" if picture.startswith(b"\x89PNG") else "jpeg"
    return f"![{alt}](data:image/{kind};base64,{base64.b64encode(picture).decode('ascii')})"
