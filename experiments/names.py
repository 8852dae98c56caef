"""Whether our top-level packages are really ours. Imports nothing of ours, and is quick.

Another distribution that installs a top-level ``agents`` (some do) silently overwrites our files,
and its removal deletes them; a folder of that name that comes first on the import path shadows
ours. Then importing anything else fails in odd ways, so the command line asks here first.
"""

from __future__ import annotations

import importlib.metadata as metadata
import importlib.util
from pathlib import Path

DISTRIBUTION = "facilitate"
PACKAGES = ("environments", "coordination", "agents", "experiments")
"""Our top-level packages."""


def other_owners() -> dict[str, list[str]]:
    """Return the packages of ours that other installed distributions also claim, with those."""
    owners = metadata.packages_distributions()
    claims = {
        package: sorted({name for name in owners.get(package, []) if _normal(name) != DISTRIBUTION})
        for package in PACKAGES
    }
    return {package: names for package, names in claims.items() if names}


def shadowed() -> dict[str, str]:
    """Return the packages of ours that would be imported from elsewhere, with that place."""
    home = Path(__file__).resolve().parents[1]
    found: dict[str, str] = {}
    for package in PACKAGES:
        spec = importlib.util.find_spec(package)
        origin = Path(spec.origin).resolve() if spec is not None and spec.origin else None
        if origin is None or origin.parents[1] != home:
            found[package] = str(origin or "nowhere")
    return found


def complaint() -> str:
    """Return one line on the first package that is not ours alone; '' if all are."""
    for package, names in other_owners().items():
        return (
            f"the package {package!r} is also installed by {' and '.join(names)}, which overwrites "
            f"ours: pip uninstall {' '.join(names)}, then reinstall {DISTRIBUTION} "
            "(or keep the two in separate environments)"
        )
    for package, place in shadowed().items():
        return (
            f"the package {package!r} would be imported from {place}, not from facilitate: "
            "rename that folder, or start from another one"
        )
    return ""


def _normal(name: str) -> str:
    return name.lower().replace("_", "-")
