"""Which version this is."""

from importlib import metadata


def version() -> str:
    """Tell the installed version; `source` where it runs from a folder that was never installed."""
    try:
        return metadata.version("qos-monitor")
    except metadata.PackageNotFoundError:
        return "source"
