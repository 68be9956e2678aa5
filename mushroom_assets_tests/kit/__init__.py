"""What tests share: a small plant, rows, pictures, servers, and the `mushroom` command."""
