"""A second implementation of what a room's day was like, and the product held against it.

`judged`, `statistics` and `environment` are that implementation, `feeds` and `real` bring the days,
`compare` holds the two side by side.
"""
