"""How the packaged model was made. Nothing in the package imports this; it imports the package."""
