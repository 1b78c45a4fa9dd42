#!/usr/bin/env python3
"""What a fuzz corpus reaches of our own code: edges and functions by file, and the functions that were never entered.

    fuzz target -runs=0 -print_coverage=1 CORPUS 2>&1 | scripts/fuzz_reached.py

Names and lines come from llvm-symbolizer; without it there is nothing to count.
"""

import collections
import re
import sys

LINE = re.compile(r"\s*(UN)?COVERED_FUNC: hits: \d+ edges: (\d+)/(\d+) (.*) \S*?/(src/\S+?):(\d+)$")


def main() -> int:
    files: dict[str, list] = collections.defaultdict(lambda: [0, 0, 0, []])
    for line in sys.stdin:
        if (found := LINE.match(line)) and "/rustc/" not in line and "/registry/" not in line:
            missed, reached, edges, name, path, number = found.groups()
            entry = files[path]
            entry[0] += int(reached)
            entry[1] += int(edges)
            if missed:
                entry[3].append(f"{name.split('::')[-1]} ({number})")
            else:
                entry[2] += 1
    if not files:
        print("no functions named: install llvm-symbolizer for a list of what was reached")
        return 0
    print("| file | edges | functions entered | never entered |\n|---|---|---|---|")
    for path, (reached, edges, entered, missed) in sorted(files.items()):
        print(f"| {path} | {reached}/{edges} | {entered} | {', '.join(sorted(missed))} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
