"""Weights that an engine has fetched before, in the cache that engines share."""

from dataclasses import replace

from novum.agents.models.engines.base import Launch
from novum.agents.models.engines.parallel import OFFLINE


def use_cached(launch: Launch) -> Launch:
    """Return the launch with nothing to download if its weights are in the hub's cache.

    The engine is then kept off the network: weights that turn out to be incomplete are an error in its log,
    and no download.
    """
    if not launch.hub or not is_cached(launch.hub):
        return launch
    server = tuple(replace(c, variables={**OFFLINE, **c.variables}) for c in launch.server)
    note = f"the weights {launch.hub} are in the hub's cache; nothing is downloaded"
    return replace(launch, server=server, downloads="", notes=(*launch.notes, note))


def is_cached(repository: str) -> bool:
    """Say whether a snapshot of a repository is in the cache of the Hugging Face hub."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        snapshot_download(repository, local_files_only=True)
    except (LocalEntryNotFoundError, HfHubHTTPError, HFValidationError, OSError):
        return False
    return True
