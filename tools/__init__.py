"""What developers run beside the package, by the targets of the Makefile."""
