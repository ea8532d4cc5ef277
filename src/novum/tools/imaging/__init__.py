"""Tools for images: what is in them, how large it is, and how well that is known."""
