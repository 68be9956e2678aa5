"""Tables read out for people and other programs: which rows, as CSV or as Parquet.

Rows leave as bytes, a piece at a time: whoever asks writes them to a file, or sends them. Nothing
is written to the database, and nothing to a disk.
"""
