"""The charts of RESULTS.md: gnuplot draws them from results alone, so that they can be drawn again without measuring."""

from dataclasses import dataclass

from programs import run

#: One colour a program, in every chart (Okabe and Ito's, which the colour-blind can tell apart).
BLUE, ORANGE, GREEN, GREY = "#0072B2", "#D55E00", "#009E73", "#777777"
CALLS = "calls in flight (pgbench: clients)"


@dataclass(frozen=True)
class Line:
    """A curve of a run's results; `scale` turns its unit into the axis's."""

    title: str
    series: str
    figure: str
    colour: str
    is_dashed: bool = False
    scale: float = 1


@dataclass(frozen=True)
class Chart:
    title: str
    run: str
    x: str
    y: str
    lines: tuple
    #: gnuplot's names of the axes that are logarithmic.
    log: str = ""


def rate_lines(*series):
    return tuple(Line(title, name, "rate", colour) for title, name, colour in series)


def latency_lines(*series):
    return tuple(
        Line(f"{title}, {word}", name, f"{word}_ms", colour, is_dashed)
        for title, name, colour in series for word, is_dashed in (("p50", False), ("p99", True)))


LOADS = (("Flowstate", "load", BLUE), ("pgbench", "pgbench load", ORANGE))
SAVES = (("Flowstate", "save", BLUE), ("pgbench", "pgbench save", ORANGE), ("etcd", "etcd put", GREEN))


def scaling(kind, what):
    return Chart(f"Latency and {what}, one call in flight", "scale", what, "milliseconds", tuple(
        Line(f"{command}, {word}", f"{kind} {command} alone", f"{word}_ms", colour, is_dashed)
        for command, colour in (("load", BLUE), ("save", ORANGE)) for word, is_dashed in (("p50", False), ("p99", True))), "x")


CHARTS = {
    "load-rate": Chart("Loads a second", "bench", CALLS, "loads a second", rate_lines(*LOADS), "xy"),
    "load-latency": Chart("Latency of a load", "bench", CALLS, "milliseconds", latency_lines(*LOADS), "xy"),
    "save-rate": Chart("Saves a second", "bench", CALLS, "saves a second", rate_lines(*SAVES), "xy"),
    "save-latency": Chart("Latency of a save", "bench", CALLS, "milliseconds", latency_lines(*SAVES), "xy"),
    "conversation": Chart("A conversation on disk", "bench", "turns", "megabytes", (
        Line("all states as they are", "conversation", "raw_bytes", GREY, scale=1e-6),
        Line("Flowstate's tables", "conversation", "disk_bytes", BLUE, scale=1e-6)), "y"),
    "flows": scaling("flows", "flows in the database"),
    "versions": scaling("versions", "versions a flow"),
    "memory": Chart("The server's memory at saturation", "soak", "seconds", "resident megabytes", (
        Line("flowstate", "resident", "resident_mb", BLUE),)),
}


def draw(runs, folder):
    """Writes an SVG for each chart that has data. Title of what was drawn, by the file's name."""
    folder.mkdir(exist_ok=True)
    drawn = {}
    for name, chart in CHARTS.items():
        curves = [(line, points) for line in chart.lines if (points := curve(runs.get(chart.run), line))]
        path = folder / f"{name}.svg"
        if curves:
            run(["gnuplot"], input=script(chart, curves, path).encode())
            drawn[name] = chart.title
        else:
            path.unlink(missing_ok=True)
    return drawn


def curve(results, line):
    points = results.curve(line.series, line.figure) if results else []
    return [(at, value * line.scale) for at, value in points if value > 0]


def script(chart, curves, path):
    """gnuplot's input. The background is opaque, so that black text is legible on a dark page too."""
    lines = [
        'set terminal svg size 760,460 font "sans-serif,14" background "#ffffff"', f"set output {quoted(path)}",
        # Beside each other by hand: gnuplot would put the key over the title or the label of the axis.
        f'set label {quoted(chart.title)} at screen 0.5,0.96 center font "sans-serif,16" noenhanced',
        "set key at screen 0.5,0.91 center top horizontal Left reverse noenhanced",
        "set tmargin at screen 0.78", "set bmargin at screen 0.17", f"set xlabel {quoted(chart.x)} noenhanced",
        f"set ylabel {quoted(chart.y)} noenhanced",
        'set grid linetype 1 linewidth 1 linecolor rgb "#e0e0e0"', "set border 3", "set tics nomirror out"]
    lines += axis("x", chart, [at for _, points in curves for at, _ in points])
    lines += axis("y", chart, [value for _, points in curves for _, value in points])
    plots = []
    for index, (line, points) in enumerate(curves):
        lines += [f"$data{index} << end", *(f"{at} {value}" for at, value in points), "end"]
        dash = 'dashtype "-"' if line.is_dashed else "dashtype 1"
        style = "lines" if len(points) > 50 else f"linespoints pointtype {6 if line.is_dashed else 7} pointsize 0.6"
        plots.append(f'$data{index} using 1:2 with {style} linewidth 2 linecolor rgb "{line.colour}" {dash} title {quoted(line.title)}')
    return "\n".join([*lines, "plot " + ", \\\n  ".join(plots)]) + "\n"


def axis(name, chart, values):
    """A linear axis begins at 0; a logarithmic one is marked at 1, 2, 5, 10 …, or doubles as calls in flight do."""
    least, most = min(values), max(values)
    if name not in chart.log:
        return [f"set {name}range [0:{most * 1.1}]"]
    if name == "x":
        bounds = (least, most) if least < most else (least / 2, most * 2)
        marks = [2 ** power for power in range(31)] if chart.x == CALLS else decades((1,))
    else:
        marks = decades((1, 2, 5) if most / least < 300 else (1,))
        bounds = (max(mark for mark in marks if mark <= least), min(mark for mark in marks if mark >= most))
    labels = ", ".join(f"{quoted(f'{mark:,g}' if mark < 1 else f'{mark:,.0f}')} {mark:g}"
                       for mark in marks if bounds[0] <= mark <= bounds[1])
    return [f"set logscale {name}", f"set {name}range [{bounds[0]}:{bounds[1]}]", f"set {name}tics ({labels})"]


def decades(steps):
    return [step * 10.0 ** power for power in range(-4, 10) for step in steps]


def quoted(text):
    return "'" + str(text).replace("'", "''") + "'"
