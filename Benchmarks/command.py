"""What the measuring programs have in common: options, the end, exit codes."""

import argparse
import sys
from pathlib import Path

import report
from programs import HERE, Failed, end_on_sigterm
from thresholds import exit_code


def numbers(text):
    """Of an option: 1000,20000"""
    return [int(number) for number in text.split(",")]


def arguments(description, rounds=5, seconds=4.0):
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binaries", type=Path, default=HERE.parent / ".build" / "release",
                        help="where flowstate and flowstate-bench are (default: %(default)s)")
    parser.add_argument("--output", type=Path, default=HERE, metavar="FOLDER",
                        help="where results and charts go (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=rounds, help="of all measurements (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=seconds, help="of each measurement (default: %(default)s)")
    parser.add_argument("--patience", type=float, default=400, metavar="SECONDS",
                        help="how long in all to wait for other programs, and to measure again what they disturbed "
                             "(default: %(default)s)")
    return parser


def parse(parser):
    chosen = parser.parse_args()
    if chosen.rounds < 1 or chosen.seconds < 1:
        parser.error("--rounds and --seconds must be at least 1")
    return chosen


def finish(run, results, folder):
    """Writes the results and the report, says how it went, and returns the exit code."""
    folder.mkdir(parents=True, exist_ok=True)
    results.write(folder / report.RUNS[run][0])
    verdicts = report.write(folder)[run]
    failures = results.about["failures"]
    for verdict in verdicts:
        if not verdict.met:
            figure = verdict.missing or f"{verdict.value:,.2f}, not {verdict.rule}"
            print(f"missed: {verdict.name}: {figure} ({verdict.why})", file=sys.stderr)
    for name, text in failures.items():
        print(f"failed: {name}: {text}", file=sys.stderr)
    print(f"{sum(verdict.met for verdict in verdicts)} of {len(verdicts)} thresholds are met; see {folder / 'RESULTS.md'}")
    return exit_code(verdicts, failures)


def run_program(main):
    end_on_sigterm()
    try:
        sys.exit(main())
    except Failed as failure:
        print(f"{Path(sys.argv[0]).name}: {failure}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)
