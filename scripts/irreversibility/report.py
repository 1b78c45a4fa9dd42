"""The figures as tables of Markdown, and what must hold of the defaults."""

P = 0.05
Row = dict


def percent(value: float) -> str:
    """With a digit behind the point."""
    return f"{100 * value:.1f}"


def share(row: Row) -> str:
    """A share with its interval."""
    return f"{percent(row['share'])} ({percent(row['low'])}-{percent(row['high'])})"


def chance(p: float) -> str:
    """How often chance gives as much."""
    return "< .001" if p < 0.001 else f"{p:.3f}".removeprefix("0")


def table(head: list[str], rows: list[list[str]]) -> str:
    """A table of Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def name(row: Row) -> str:
    """Style and strength; what the program refuses is marked."""
    return row["style"] if row["style"] in ("clear", "solid") else f"{row['style']} {row['cells']}"


def plates(rows: list[Row]) -> str:
    """What PP-OCR reads of real plates."""
    head = ["style, cells", "plates", "of them nothing read", "characters read, %", "by chance, % (up to)", "p"]
    lines = [
        [
            name(row) + ("" if row["by_program"] else " *"),
            str(row["plates"]),
            str(row["nothing_read"]),
            share(row),
            f"{percent(row['chance'])} ({percent(row['chance_high'])})",
            chance(row['p']),
        ]
        for row in rows
    ]
    return table(head, lines)


def faces(rows: list[Row]) -> str:
    """What the face recogniser tells apart."""
    head = ["style, cells", "faces", "same photo: first, %", "AUC", "p", "another photo: first, %", "AUC", "p"]
    lines = []
    for row in rows:
        line = [name(row) + ("" if row["by_program"] or row["style"] == "clear" else " *"), str(row["faces"])]
        for photo in ("same_photo", "another_photo"):
            auc = row[photo]["auc"]
            line += [share(row[photo]["first"]), f"{auc['share']:.3f} ({auc['low']:.3f}-{auc['high']:.3f})"]
            line += [chance(auc['p'])]
        lines.append(line)
    return table(head, lines)


def ideal(rows: list[Row]) -> str:
    """What the ideal observer names."""
    head = ["cells", "photos", "light known exactly: characters named, %", "p", "light of a street: named, %", "p"]
    keys = [(row["style"], row["cells"], row["from_frame"], row["photos"]) for row in rows if row["light"] == "known"]
    found = {(row["light"], row["style"], row["cells"], row["from_frame"], row["photos"]): row for row in rows}
    lines = []
    for style, count, from_frame, photos in keys:
        line = [str(count) + ("" if from_frame else ", average of the whole region"), str(photos)]
        for light in ("known", "street"):
            row = found[light, style, count, from_frame, photos]
            line += [share(row), chance(row['p'])]
        lines.append(line)
    return table(head, lines)


def learned(rows: list[Row]) -> str:
    """What the trained network names, and what PP-OCR reads in its inverse."""
    head = ["style, cells", "photos", "named by the network, %", "p", "read in the inverse, %", "by chance, %", "p"]
    found = {(row["style"], row["cells"], row["photos"], row["way"]): row for row in rows}
    lines = []
    for style, count, photos in dict.fromkeys((row["style"], row["cells"], row["photos"]) for row in rows):
        named, read = (found[style, count, photos, way] for way in ("named", "read"))
        line = [name(named), str(photos), share(named), chance(named['p'])]
        lines.append([*line, share(read), percent(read["chance"]), chance(read['p'])])
    return table(head, lines)


def verdicts(figures: dict[str, list[Row]], face: tuple[str, int], plate: tuple[str, int]) -> list[tuple[str, bool]]:
    """What must hold, and whether it does. Many are asked at once, so each p may be the smaller (Bonferroni)."""
    asked: list[tuple[str, float]] = []
    for row in figures["plates"]:
        if row["cells"] == plate[1]:
            asked.append((f"PP-OCR reads {name(row)}", row["p"]))
    for row in figures["faces"]:
        if (row["style"], row["cells"]) == face:
            asked += [
                (f"faces of {name(row)}, {photo}, {what}", row[photo][what]["p"])
                for photo in ("same_photo", "another_photo")
                for what in ("first", "auc")
            ]
    for row in figures["ideal"]:
        if row["cells"] == plate[1] and row["from_frame"]:
            asked.append((f"ideal observer, {row['photos']} photos, {row['light']} light", row["p"]))
    for row in figures["learned"]:
        if row["cells"] == plate[1]:
            asked.append((f"network, {row['way']}, {row['photos']} photos", row["p"]))
    bound = P / max(1, len(asked))
    held = [(f"no better than chance: {what} (p = {p:.3f})", p > bound) for what, p in asked]
    # An attack that never succeeds proves nothing.
    strongest = {kind: figures[kind][-1] for kind in ("plates", "ideal", "learned")}
    strongest["faces"] = figures["faces"][-1]["another_photo"]["first"]
    held += [(f"a real attack at the greatest strength: {kind}", row["p"] < 0.01) for kind, row in strongest.items()]
    return held
