#!/usr/bin/env python3
"""Measures a release build beside its peers on one machine in one run, and writes results.json, RESULTS.md and charts/.

Exit codes: 0 every threshold of Thresholds/ is met; 1 one is missed; 2 something could not be measured; 130 interrupted.
"""

from functools import partial

import report
from bed import Bed
from command import arguments, finish, parse, run_program
from programs import HERE
from results import Results
from runner import Runner
from scenarios import everything

QUICK_ROUNDS, QUICK_SECONDS = 1, 1.0
QUICK_FOLDER = HERE.parent / ".build" / "bench-quick"


def options():
    parser = arguments(__doc__)
    parser.add_argument("--quick", action="store_true",
                        help="one round of one second each and few points: to see that everything works; writes to "
                             f"{QUICK_FOLDER} unless --output is given")
    parser.add_argument("--charts-only", action="store_true",
                        help="measure nothing: write RESULTS.md and charts/ from the results there are")
    chosen = parse(parser)
    if chosen.quick:
        chosen.rounds, chosen.seconds, chosen.patience = QUICK_ROUNDS, QUICK_SECONDS, 0
        if chosen.output == HERE:  # whose figures mean something
            chosen.output = QUICK_FOLDER
    return chosen


def main():
    chosen = options()
    if chosen.charts_only:
        report.write(chosen.output)
        return 0
    results = Results({"options": {"rounds": chosen.rounds, "seconds": chosen.seconds, "quick": chosen.quick}})
    Runner(results, chosen).run(everything(chosen.quick), partial(Bed, chosen.binaries), chosen.rounds)
    return finish("bench", results, chosen.output)


if __name__ == "__main__":
    run_program(main)
