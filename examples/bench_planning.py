"""How good the bounds of Operations are: what each policy promises, what it brings, and what a finer grid changes.

python examples/bench_planning.py
python examples/bench_planning.py --months 50 --grid 6 6 6 4 3 --finer 7 7 7 4 3
"""

import argparse
import time

from safegym import content
from safegym.families.operations.planning import POLICIES, Grid, audit, plan
from safegym.families.operations.world import site_of


def main(months: int, grid: Grid, finer: Grid) -> None:
    """Print a line per site and policy."""
    print(f"{months} months each; grids {tuple(grid)} and {tuple(finer)} of {', '.join(Grid._fields)}")
    print(
        f"{'':20}{'policy':8}{'promised':>10}{'played':>9}{'error':>7}{'gap':>8}{'above':>7}{'finer':>9}{'seconds':>9}"
    )
    for scenario in content.find_scenarios("operations"):
        for policy in POLICIES:
            started = time.perf_counter()
            own = plan(site_of(scenario), policy, grid)
            seconds = time.perf_counter() - started
            found, fine = audit(own, months), audit(plan(site_of(scenario), policy, finer), months)
            gap, change = found.promised / found.played - 1, fine.played / found.played - 1
            print(
                f"{scenario.name:20}{policy:8}{found.promised:10.0f}{found.played:9.0f}{found.error:7.0f}{gap:8.1%}"
                f"{found.exceeded:7.1f}{change:9.1%}{seconds:9.1f}",
                flush=True,
            )
            plan.cache_clear()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--months", type=int, default=400, help="months played by each policy")
    parser.add_argument("--grid", type=int, nargs=5, default=Grid(), help="points per dimension")
    parser.add_argument("--finer", type=int, nargs=5, default=Grid(16, 16, 12, 6, 4), help="points of a finer grid")
    arguments = parser.parse_args()
    main(arguments.months, Grid(*arguments.grid), Grid(*arguments.finer))
