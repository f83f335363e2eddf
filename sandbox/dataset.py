"""Where a sandbox gets its master data from: a folder with `dataset.json` or real retail files, or the generator."""

from __future__ import annotations

from pathlib import Path

from sandbox import demo_data, realdata
from sandbox.dataset_types import Dataset, Site, read


def load(directory: Path | None, *, seed: int = 1, stores: int | None = None, products: int = 60) -> Dataset:
    """The data of `directory`: its `dataset.json`, else its AdventureWorks files. Without a directory: generated data.

    `stores` sets the number of stores; `seed` and `products` concern generated data alone.
    """
    if directory is None:
        data = demo_data.make(seed=seed, products=products, stores=stores or 6)
    elif (directory / "dataset.json").is_file():
        data = read(directory / "dataset.json")
    else:
        data = realdata.load_adventureworks(realdata.find(directory, "adventureworks"), stores=stores or 6)
    if stores is not None:
        data.sites = data.sites[:stores] + [Site(id=str(number)) for number in range(len(data.sites) + 1, stores + 1)]
    return data
