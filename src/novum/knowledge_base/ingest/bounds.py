"""How much one file may ask for before it is refused."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Bounds:
    """Limits that hold whatever a file says of itself.

    They bound memory and time, so that a small file that unfolds into a large one is refused before it
    does. Raise one where your own data is larger.
    """

    max_files: int = 100_000
    """Files of one folder walk."""
    max_depth: int = 32
    """Folders inside folders."""
    max_file_bytes: int = 4 * 2**30
    """Size on disk."""
    max_held_bytes: int = 256 * 2**20
    """What a file that cannot be streamed, or one array of it, may take once it is unpacked."""
    max_seconds: float = 600.0
    """For how long one file's reader is waited for."""
    max_text_chars: int = 20_000_000
    """Characters of text taken from one document."""
    max_pages: int = 5_000
    max_pixels: int = 64_000_000
    """Pixels of one plane of an image."""
    max_columns: int = 10_000
    max_cell_chars: int = 100_000
    """Characters in one cell of a table."""
    max_items: int = 2_000_000
    """Items from one file."""
    max_atoms: int = 1_000
    """Atoms of one molecule."""
    max_sites: int = 10_000
    """Sites of one crystal structure."""
    max_residues: int = 100_000
    """Residues of a sequence that are written into the item; a longer one goes to `keep`."""
    max_samples: int = 10_000
    """Samples of an omics matrix that become items of their own."""


DEFAULT_BOUNDS = Bounds()
