#!/usr/bin/env python3
"""Checks the house's rules over every source: includes against layers.toml, file sizes, printing, branches on names."""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
MAX_LINES = 500


def read_layers():
    rows = {}
    for folder, allowed in re.findall(r'^"([^"]+)" = \[([^\]]*)\]', (ROOT / "layers.toml").read_text(), re.M):
        rows[folder] = re.findall(r'"([^"]+)"', allowed)
    return rows


def folder_of(path, rows):
    parts = path.split("/")
    for n in (3, 2, 1):
        if "/".join(parts[:n]) in rows:
            return "/".join(parts[:n])
    return None


def allowed(user, used, rows):
    return user == used or any(used == a or (a.endswith("/*") and used.startswith(a[:-1])) for a in rows[user])


def main():
    rows, problems = read_layers(), []
    files = [p for room in ("src", "apps") for p in (ROOT / room).rglob("*") if p.suffix in (".h", ".cpp")]
    for path in sorted(files):
        name = path.relative_to(ROOT).as_posix()
        inside = name[4:] if name.startswith("src/") else name
        user = folder_of(inside, rows)
        lines = path.read_text().splitlines()
        if user is None:
            problems.append(f"{name}:1: its folder has no row in layers.toml")
            continue
        if len(lines) > MAX_LINES:
            problems.append(f"{name}:1: {len(lines)} lines, at most {MAX_LINES}")
        for number, line in enumerate(lines, 1):
            include = re.match(r'\s*#include "([^"]+)"', line)
            if include:
                used = folder_of(include.group(1), rows)
                if used and not allowed(user, used, rows):
                    problems.append(f"{name}:{number}: {user} may not include {used}")
            if name.startswith("src/") and re.search(r"std::c(out|err)\b|\bprintf\(|\bputs\(", line):
                problems.append(f"{name}:{number}: nothing under src/ prints")
            if name.startswith("src/") and re.search(r"if \((model|name|family) == \"", line) and "/families/" not in name:
                problems.append(f"{name}:{number}: a branch on a model's name belongs to its family")
    print("\n".join(problems) or f"{len(files)} files keep the layers")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
