"""The one choke point for text that came out of a sandbox."""

from novum.core.text import clean_text as clean_text


def decode_output(raw: bytes) -> str:
    """Return captured output as clean text; bytes that are not UTF-8 become escapes."""
    return clean_text(raw.decode("utf-8", errors="backslashreplace"))
