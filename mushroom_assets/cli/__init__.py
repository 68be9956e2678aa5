"""The `mushroom` command: it reads arguments, calls the other rooms and prints what they return.

The only room that draws on a terminal. What a subcommand does lives elsewhere.
"""
