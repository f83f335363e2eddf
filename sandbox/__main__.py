"""`python -m sandbox`: host the emulators on loopback until told to stop. See `sandbox/README.md`."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from sandbox.state import CannotStart, lock

if TYPE_CHECKING:
    from sandbox.server import Emulator


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m sandbox", description="Emulators of ERP, store servers and loyalty engine."
    )
    for name in ("erp", "store", "loyalty"):
        parser.add_argument(
            f"--{name}-port", type=int, help="0 picks a free port; none of the three given: all on free ports"
        )
    parser.add_argument("--forge-port", type=int, help="a code host; only where it is asked for")
    parser.add_argument("--dynamics-port", type=int, help="an ERP by OData V4; only where it is asked for")
    parser.add_argument("--shop-port", type=int, help="a shop by GraphQL; only where it is asked for")
    parser.add_argument("--crm-port", type=int, help="a CRM with queries and bulk jobs; only where it is asked for")
    parser.add_argument("--suite-port", type=int, help="an ERP with asynchronous calls; only where it is asked for")
    parser.add_argument("--finance-port", type=int, help="journal entries by SOAP; only where it is asked for")
    parser.add_argument("--state", type=Path, required=True, help="directory of the journals; kept over restarts")
    parser.add_argument("--data", type=Path, help="dataset.json or real retail files; without it a generated retailer")
    parser.add_argument("--seed", type=int, default=1, help="of generated data, faults and sales")
    parser.add_argument("--stores", type=int, help="number of store servers (default 6)")
    parser.add_argument("--products", type=int, default=60, help="number of generated products")
    parser.add_argument("--with-parent", action="store_true", help="stop when the starting process is gone")
    return parser.parse_args(argv)


def build(given: argparse.Namespace) -> dict[str, tuple[Emulator, int]]:
    """The emulators asked for. Sign-ins come from the environment, so that they are in no process list."""
    from sandbox import realmeta
    from sandbox.dataset import load
    from sandbox.erp import Erp
    from sandbox.loyalty import Loyalty
    from sandbox.stores import StoreFleet

    data = load(given.data, seed=given.seed, stores=given.stores, products=given.products)
    ports = {"erp": given.erp_port, "stores": given.store_port, "loyalty": given.loyalty_port}
    others = (
        given.forge_port,
        given.dynamics_port,
        given.shop_port,
        given.crm_port,
        given.suite_port,
        given.finance_port,
    )
    if all(port is None for port in (*ports.values(), *others)):
        ports = dict.fromkeys(ports, 0)
    env = os.environ.get
    makers = {
        "erp": lambda: Erp(
            given.state,
            data,
            seed=given.seed,
            user=env("SANDBOX_ERP_USER", "TILLGATE"),
            password=env("SANDBOX_ERP_PASSWORD", "sandbox"),
            published=realmeta.load(given.data),
        ),
        "stores": lambda: StoreFleet(given.state, data, seed=given.seed, key=env("SANDBOX_STORE_KEY") or None),
        "loyalty": lambda: Loyalty(given.state, data, seed=given.seed, key=env("SANDBOX_LOYALTY_KEY", "sandbox")),
    }
    made = {name: (makers[name](), port) for name, port in ports.items() if port is not None}
    if given.forge_port is not None:
        from sandbox.forge import Forge

        forge = Forge(given.state, seed=given.seed, token=env("SANDBOX_FORGE_TOKEN", "glpat-sandbox"))
        made["forge"] = (forge, given.forge_port)
    if given.dynamics_port is not None:
        from sandbox.dynamics import Dynamics

        dynamics = Dynamics(given.state, seed=given.seed, token=env("SANDBOX_DYNAMICS_TOKEN", "sandbox"))
        made["dynamics"] = (dynamics, given.dynamics_port)
    if given.shop_port is not None:
        from sandbox.shop import Shop

        made["shop"] = (Shop(given.state, seed=given.seed, token=env("SANDBOX_SHOP_TOKEN", "sandbox")), given.shop_port)
    if given.crm_port is not None:
        from sandbox.crm import Crm

        made["crm"] = (Crm(given.state, seed=given.seed, token=env("SANDBOX_CRM_TOKEN", "sandbox")), given.crm_port)
    if given.suite_port is not None:
        from sandbox.suite import Suite

        suite = Suite(given.state, seed=given.seed, token=env("SANDBOX_SUITE_TOKEN", "sandbox"))
        made["suite"] = (suite, given.suite_port)
    if given.finance_port is not None:
        from sandbox.finance import Finance

        user, password = env("SANDBOX_FINANCE_USER", "TILLGATE"), env("SANDBOX_FINANCE_PASSWORD", "sandbox")
        made["finance"] = (Finance(given.state, seed=given.seed, user=user, password=password), given.finance_port)
    return made


def main(argv: Sequence[str] | None = None) -> int:
    given = parse(argv)

    async def run() -> None:
        from sandbox.server import host

        await host(build(given), with_parent=given.with_parent)

    try:
        held = lock(given.state)
        asyncio.run(run())
        held.close()
    except (CannotStart, FileNotFoundError) as error:
        print(f"sandbox: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
