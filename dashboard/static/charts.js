// Charts by uPlot from the figures that the page carries (dashboard/figures.py says what they hold).
"use strict";

(() => {
  const drawn = new Map(); // figure: its text as drawn, and the plot
  const dark = matchMedia("(prefers-color-scheme: dark)");

  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

  // light-dark() is no colour for a canvas: let the browser work it out.
  const resolved = (name) => {
    const probe = document.createElement("i");
    probe.className = `probe ${name}`;
    document.body.append(probe);
    const found = getComputedStyle(probe).color;
    probe.remove();
    return found;
  };

  const ink = () => Object.fromEntries(
    ["ink", "dim", "line", "paper", "good", "bad", "v0", "v1", "v2", "v3", "v4"].map((name) => [name, resolved(name)]),
  );

  const faded = (rgb, alpha) => rgb.replace(/^rgba?\(([^)]+)\)$/, (_, inner) => `rgba(${inner.split(",").slice(0, 3)}, ${alpha})`);

  const shown = (value, unit) => {
    if (value == null) return "–";
    if (unit === "%") return `${(Math.floor(value * 1000) / 10).toLocaleString("en")} %`;
    return `${Math.round(value * 10) / 10}`;
  };

  // Times stand in UTC, as everywhere on the pages.
  const day = (seconds) => new Date(seconds * 1000).toISOString().slice(0, 10);

  // How dates are written by how far they are apart, with the year where it begins.
  const DAYS = [
    [3600 * 24 * 365, "{YYYY}", null, null, null, null, null, null, 1],
    [3600 * 24 * 28, "{MMM}", "\n{YYYY}", null, null, null, null, null, 1],
    [3600 * 24, "{D} {MMM}", "\n{YYYY}", null, null, null, null, null, 1],
    [3600, "{HH}:00", "\n{D} {MMM}", null, "\n{D} {MMM}", null, null, null, 1],
    [1, "{HH}:{mm}", "\n{D} {MMM}", null, "\n{D} {MMM}", null, null, null, 1],
  ];

  const stacked = (spec) => {
    const below = spec.x.map(() => 0);
    return spec.series.map((one) => one.values.map((value, i) => (below[i] += value ?? 0)));
  };

  const marks = (spec, colours) => (plot) => {
    const { ctx } = plot;
    const ratio = devicePixelRatio;
    ctx.save();
    ctx.font = `600 ${11 * ratio}px system-ui, sans-serif`;
    ctx.textBaseline = "top";
    let free = -Infinity;
    for (const span of spec.spans ?? []) {
      const [from, to] = [span.from, span.to].map((x) => plot.valToPos(x, "x", true));
      ctx.fillStyle = faded(colours.v0, 0.14);
      ctx.fillRect(from, plot.bbox.top, to - from, plot.bbox.height);
      ctx.fillStyle = colours.ink;
      ctx.textAlign = to > plot.bbox.left + plot.bbox.width * 0.8 ? "right" : "left";
      ctx.fillText(span.label, ctx.textAlign === "right" ? to - 4 * ratio : from + 4 * ratio, plot.bbox.top + plot.bbox.height - 18 * ratio);
    }
    for (const mark of spec.marks ?? []) {
      const x = Math.round(plot.valToPos(mark.x, "x", true));
      if (x < plot.bbox.left || x > plot.bbox.left + plot.bbox.width) continue;
      ctx.strokeStyle = colours.ink;
      ctx.globalAlpha = 0.75;
      ctx.lineWidth = ratio;
      ctx.setLineDash([3 * ratio, 3 * ratio]);
      ctx.beginPath();
      ctx.moveTo(x, plot.bbox.top);
      ctx.lineTo(x, plot.bbox.top + plot.bbox.height);
      ctx.stroke();
      ctx.globalAlpha = 1;
      const width = ctx.measureText(mark.label).width;
      if (x <= free) continue;
      const isLeft = x + width + 8 * ratio > plot.bbox.left + plot.bbox.width;
      ctx.fillStyle = faded(colours.paper, 0.85);
      ctx.fillRect(isLeft ? x - width - 6 * ratio : x + 2 * ratio, plot.bbox.top + 2 * ratio, width + 4 * ratio, 15 * ratio);
      ctx.fillStyle = colours.ink;
      ctx.textAlign = isLeft ? "right" : "left";
      ctx.fillText(mark.label, isLeft ? x - 4 * ratio : x + 4 * ratio, plot.bbox.top + 4 * ratio);
      free = x + width + 8 * ratio;
    }
    ctx.setLineDash([]);
    for (const level of spec.levels ?? []) {
      const y = Math.round(plot.valToPos(level.y, "y", true));
      ctx.strokeStyle = colours.good;
      ctx.lineWidth = 1.5 * ratio;
      ctx.setLineDash([6 * ratio, 4 * ratio]);
      ctx.beginPath();
      ctx.moveTo(plot.bbox.left, y);
      ctx.lineTo(plot.bbox.left + plot.bbox.width, y);
      ctx.stroke();
      ctx.fillStyle = colours.good;
      ctx.textAlign = "right";
      ctx.fillText(level.label, plot.bbox.left + plot.bbox.width - 4 * ratio, y + 4 * ratio);
    }
    ctx.restore();
  };

  // A bound is the edge of a band, and has its colour.
  const swatch = (one, colours) => one.bound ? faded(colours[one.colour], 0.3) : colours[one.colour];

  const options = (spec, colours, width) => {
    const step = uPlot.paths.stepped({ align: 1 });
    const tops = spec.stack ? stacked(spec) : null;
    const lines = spec.series.map((one, i) => ({
      label: one.label,
      stroke: one.bound ? faded(colours[one.colour], 0) : spec.stack ? colours.paper : colours[one.colour],
      width: one.bound ? 0 : spec.stack ? 1 : 2,
      fill: spec.stack ? colours[one.colour] : undefined,
      dash: one.dash ? [6, 5] : undefined,
      paths: spec.smooth ? undefined : step,
      points: { show: false },
      value: (_, __, ___, at) => shown(at == null ? one.values.findLast((it) => it != null) : one.values[at], spec.unit),
    }));
    const bands = spec.stack
      ? spec.series.slice(1).map((one, i) => ({ series: [i + 2, i + 1], fill: colours[one.colour] }))
      : (spec.bands ?? []).map(([high, low, name]) => ({ series: [high + 1, low + 1], fill: faded(colours[name], 0.18) }));
    const axis = { stroke: colours.dim, grid: { stroke: colours.line, width: 1 }, ticks: { show: false }, font: "12px system-ui, sans-serif" };
    return {
      tops,
      width,
      height: width < 560 ? 220 : 280,
      padding: [8, 28, 0, 0],
      cursor: { points: { show: false }, drag: { setScale: false, x: false, y: false }, y: false },
      legend: { live: true, markers: { fill: (_, i) => i ? swatch(spec.series[i - 1], colours) : "transparent", width: 0 } },
      tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), "Etc/UTC"),
      scales: {
        x: { time: spec.time, range: (_, low, high) => [low, high === low ? low + 1 : high] },
        y: { range: [0, spec.top ?? null].every((it) => it != null) ? [0, spec.top] : (_, __, high) => [0, Math.max(high, 1) * 1.05] },
      },
      axes: [
        { ...axis, size: spec.time ? 40 : 26, space: 64, values: spec.time ? DAYS : (_, ticks) => ticks.map((it) => `${it}`), label: spec.x_label, labelSize: 18, labelFont: "12px system-ui, sans-serif" },
        { ...axis, size: 52, values: (_, ticks) => ticks.map((it) => shown(it, spec.unit)) },
      ],
      series: [{ label: spec.time ? "Day" : spec.x_label, value: (_, x) => x == null ? "–" : spec.time ? day(x) : `${Math.round(x * 10) / 10}` }, ...lines],
      bands,
      hooks: { draw: [marks(spec, colours)] },
    };
  };

  const draw = (figure) => {
    const text = figure.querySelector("script[type='application/json']").textContent;
    const known = drawn.get(figure);
    const place = figure.querySelector(".plot");
    if (known?.text === text && place.firstChild !== null) return;
    known?.plot.destroy();
    const spec = JSON.parse(text);
    const { tops, ...chosen } = options(spec, ink(), place.clientWidth);
    const plot = new uPlot(chosen, [spec.x, ...(tops ?? spec.series.map((one) => one.values))], place);
    plot.root.querySelector("canvas").ariaHidden = "true";
    drawn.set(figure, { text, plot });
  };

  const all = () => {
    for (const [figure, { plot }] of drawn) {
      if (!figure.isConnected) { plot.destroy(); drawn.delete(figure); }
    }
    document.querySelectorAll("figure.chart").forEach(draw);
  };

  const again = () => {
    for (const { plot } of drawn.values()) plot.destroy();
    drawn.clear();
    all();
  };

  dark.addEventListener("change", again);
  // Paper is light, whatever the screen is.
  matchMedia("print").addEventListener("change", again);
  let resizing = null;
  addEventListener("resize", () => { clearTimeout(resizing); resizing = setTimeout(again, 150); });
  document.addEventListener("htmx:after:swap", all);
  all();
})();
