"""Images to vectors: decoding with Pillow, encoding with open_clip. No Dagster, no database."""
