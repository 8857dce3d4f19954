"""Print every figure: `python -m bench`, or only some: `python -m bench startup gateway`."""

from __future__ import annotations

import argparse
from time import perf_counter

from bench import banks, codec, gateway, hsm, iso_path, lists, startup, switch
from bench.figures import machine, progress, table

BENCHES = {
    "codec": codec.figures,
    "hsm": hsm.figures,
    "startup": startup.figures,
    "gateway": gateway.figures,
    "lists": lists.figures,
    "iso_path": iso_path.figures,
    "switch": switch.figures,
    "banks": banks.figures,
}


def main() -> None:
    arguments = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    arguments.add_argument("names", nargs="*", metavar="NAME", help=", ".join(BENCHES))
    chosen = arguments.parse_args().names or list(BENCHES)
    unknown = set(chosen) - set(BENCHES)
    if unknown:
        arguments.error(f"no such benchmark: {', '.join(sorted(unknown))}")
    where, begun = machine(), perf_counter()
    found = [figure for name in chosen for figure in BENCHES[name]()]
    progress(f"bench: {perf_counter() - begun:.0f} s in all")
    print(f"{where}\n\n{table(found)}")


if __name__ == "__main__":
    main()
