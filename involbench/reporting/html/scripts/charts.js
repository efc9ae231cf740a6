// Draw the charts with uPlot from the numbers in the page, in place of the pictures.
//
// One set of switches shows and hides models and seeds in all charts. The mouse or the arrow keys
// choose a point, whose values stand below the chart; a click or Enter opens the record of its run.
"use strict";
(() => {
  const INK = "#1a1a1a";
  const NEAR = 40;  // Pixels between the mouse and a point.
  const HINT = "Point at a curve or a dot, or use the arrow keys in a chart, to see its values below " +
    "the chart. A click or Enter opens the record of the run.";
  const { models: modelOf, charts } = JSON.parse(document.getElementById("data").textContent);
  const hiddenModels = new Set(), hiddenSeeds = new Set(), drawn = [];

  const element = (tag, properties = {}, ...children) => {
    const made = Object.assign(document.createElement(tag), properties);
    made.append(...children);
    return made;
  };
  const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const colourOf = (line) => (line.colour === INK ? css("--ink") : line.colour);

  // Values -----------------------------------------------------------------------------------
  const isShown = (line, k) =>
    !hiddenModels.has(line.model) &&
    !hiddenSeeds.has(line.kind === "curve" ? line.seeds[0] : line.seeds[k]) &&
    line.y[k] !== null;
  const runOf = (line, k) => (line.kind === "curve" ? line.runs[0] : line.runs[k]);
  const seedOf = (line, k) => (line.kind === "curve" ? line.seeds[0] : line.seeds[k]);

  const compact = (value) => {
    const [power, letter] = [[1e12, "T"], [1e9, "G"], [1e6, "M"], [1e4, "k"]].find(
      ([least]) => Math.abs(value) >= least) ?? [1, ""];
    return `${Number((value / (letter === "k" ? 1e3 : power)).toPrecision(6))}${letter}`;
  };
  const tick = (axis, value) =>
    axis.names.length ? axis.names[value] ?? ""
      : axis.percent ? `${Number((100 * value).toFixed(4))}` : compact(value);
  const exact = (axis, value) =>
    axis.percent ? `${(100 * value).toFixed(2)}%` : Number(value.toPrecision(6)).toLocaleString("en");
  const quantity = (axis) => axis.label.replace(/ \([^)]*\)$|, logarithmic$/, "");

  // The mean of the curves of one name that are shown, at each epoch that any of them has.
  const meanOf = (curves) => {
    const shown = curves.filter((line) => line.y.some((_, k) => isShown(line, k)));
    const epochs = Math.max(0, ...shown.map((line) => line.y.length));
    return Array.from({ length: epochs }, (_, k) => {
      const values = shown.map((line) => line.y[k]).filter((value) => value !== null && value !== undefined);
      return values.length ? values.reduce((sum, value) => sum + value, 0) / values.length : null;
    });
  };

  // Drawing ----------------------------------------------------------------------------------
  const SHAPES = {
    o: (c, r) => c.arc(0, 0, r, 0, 7),
    s: (c, r) => c.rect(-r, -r, 2 * r, 2 * r),
    "^": (c, r) => [[0, -r], [r, r], [-r, r]],
    v: (c, r) => [[0, r], [r, -r], [-r, -r]],
    D: (c, r) => [[0, -1.3 * r], [1.3 * r, 0], [0, 1.3 * r], [-1.3 * r, 0]],
    P: (c, r) => (c.rect(-r, -r / 3, 2 * r, r / 1.5), c.rect(-r / 3, -r, r / 1.5, 2 * r)),
    X: (c, r) => (c.rotate(Math.PI / 4), SHAPES.P(c, 1.2 * r)),
    "*": (c, r) => Array.from({ length: 10 }, (_, k) => {
      const far = (k % 2 ? 0.5 : 1.3) * r, angle = (k * Math.PI) / 5;
      return [far * Math.sin(angle), -far * Math.cos(angle)];
    }),
    "|": (c, r) => c.rect(-r / 4, -1.8 * r, r / 2, 3.6 * r),
  };
  const drawMarker = (context, shape, x, y, radius) => {
    context.save();
    context.translate(x, y);
    context.beginPath();
    const corners = SHAPES[shape]?.(context, radius);
    if (Array.isArray(corners) && Array.isArray(corners[0])) {
      corners.forEach(([left, top], k) => (k ? context.lineTo(left, top) : context.moveTo(left, top)));
      context.closePath();
    }
    context.fill();
    context.restore();
  };

  const place = (plot, panel, x, y, onCanvas = false) => {
    const across = plot.valToPos(x, "x", onCanvas), along = plot.valToPos(y, "y", onCanvas);
    return panel.sideways ? [along, across] : [across, along];
  };

  // Markers and intervals of one line; uPlot draws the line itself.
  const drawPoints = (plot, panel, entry, alpha) => {
    const { line } = entry, context = plot.ctx, ratio = devicePixelRatio;
    if (line.kind === "curve" || !line.model) {
      return;
    }
    const y = entry.values();
    const step = line.kind === "mean" ? Math.max(1, Math.floor(y.length / 8)) : 1;
    context.save();
    context.globalAlpha = alpha;
    context.fillStyle = context.strokeStyle = colourOf(line);
    context.lineWidth = 2 * ratio;
    y.forEach((value, k) => {
      if (value === null || (y.length - 1 - k) % step) {
        return;
      }
      const radius = (line.kind === "points" ? 4.5 : 3.5) * ratio;
      drawMarker(context, line.marker, ...place(plot, panel, line.x[k], value, true), radius);
      if (typeof line.low?.[k] === "number") {
        context.beginPath();
        context.moveTo(...place(plot, panel, line.x[k], line.low[k], true));
        context.lineTo(...place(plot, panel, line.x[k], line.high[k], true));
        context.stroke();
      }
    });
    context.restore();
  };

  const drawVerticals = (plot, panel) => {
    const { ctx: context, bbox } = plot;
    context.save();
    context.strokeStyle = css("--soft");
    context.setLineDash([2 * devicePixelRatio, 3 * devicePixelRatio]);
    for (const value of panel.verticals) {
      const x = plot.valToPos(value, "x", true);
      context.beginPath();
      context.moveTo(x, bbox.top);
      context.lineTo(x, bbox.top + bbox.height);
      context.stroke();
    }
    context.restore();
  };

  // A line of the panel with the values that are shown now.
  const entriesOf = (panel) => {
    const entries = panel.lines.map((line) => ({
      line, values: () => line.y.map((value, k) => (isShown(line, k) ? value : null)),
    }));
    const curves = Map.groupBy
      ? Map.groupBy(panel.lines.filter((line) => line.kind === "curve"), (line) => line.name)
      : panel.lines.filter((line) => line.kind === "curve").reduce((groups, line) =>
        groups.set(line.name, [...(groups.get(line.name) ?? []), line]), new Map());
    for (const group of curves.values()) {
      const x = group.map((line) => line.x).reduce((a, b) => (b.length > a.length ? b : a));
      const mean = { ...group[0], kind: "mean", x, seeds: [], runs: [] };
      entries.push({ line: mean, values: () => (mean.y = meanOf(group)) });
    }
    return entries;
  };
  const dataOf = (entries) =>
    uPlot.join(entries.map(({ line, values }) => {
      const y = values();
      return [line.x, line.x.map((_, k) => y[k] ?? null)];
    }));

  const WIDTHS = { curve: 1, mean: 2.5, line: 2, guide: 1.5, steps: 1.5, points: 0 };
  const seriesOf = ({ line }) => ({
    stroke: () => colourOf(line),
    width: WIDTHS[line.kind],
    dash: line.dash.map((length) => length * devicePixelRatio),
    points: { show: false },
    paths: line.kind === "points" ? () => null
      : line.kind === "steps" ? uPlot.paths.stepped({ align: 1 }) : undefined,
  });

  // `extent` gives the smallest and largest value of all panels of the chart.
  const scaleOf = (axis, extent) => ({
    time: false,
    distr: axis.log ? 3 : 1,
    range: (plot, ...own) => {
      const [low, high] = extent?.() ?? own;
      if (axis.names.length) {
        return [-0.6, axis.names.length - 0.4];
      }
      if (low === null) {
        return axis.log ? [1, 10] : [0, 1];
      }
      if (axis.log) {
        const room = Math.max(1.1, (high / low) ** 0.06);
        return [low / room, high * room];
      }
      const room = Math.max(0.05 * (high - low), axis.percent ? 0.005 : 1e-9 * Math.abs(high));
      return [low - room, high + room];
    },
  });

  const FONT = "12px system-ui, sans-serif";
  const ruler = document.createElement("canvas").getContext("2d");
  const lengthOf = (text) => {
    ruler.font = FONT;
    return ruler.measureText(text).width;
  };
  const cut = (text, room) => {
    while (text.length > 4 && lengthOf(text) > room) {
      text = `${text.slice(0, -2)}…`;
    }
    return text;
  };
  // Powers of ten in the range; few of them get 2 and 5 times each.
  const logTicks = (plot, index, low, high) => {
    const first = Math.floor(Math.log10(low)), last = Math.ceil(Math.log10(high));
    const factors = last - first > 2 ? [1] : [1, 2, 5];
    return Array.from({ length: last - first + 1 }, (_, k) => factors.map((f) => f * 10 ** (first + k)))
      .flat().filter((value) => low <= value && value <= high);
  };
  // Without the texts that would stand on the one before them.
  const apart = (texts, centres) => {
    let end = -Infinity;
    return texts.map((text, k) => {
      const half = lengthOf(text) / 2 + 3;
      if (centres[k] - half < end) {
        return "";
      }
      end = centres[k] + half;
      return text;
    });
  };
  const axisOf = (axis, scale, side, width) => {
    const longest = Math.max(0, ...axis.names.map(lengthOf));
    const room = Math.min(longest + 8, 0.5 * width);
    const ticks = axis.names.length ? axis.names.map((_, row) => row) : axis.ticks;
    return {
      side,
      font: FONT,
      labelFont: FONT,
      stroke: () => css("--ink"),
      grid: { stroke: () => css("--grid"), width: 1 },
      ticks: { show: !axis.names.length, stroke: () => css("--line"), width: 1 },
      label: axis.label || undefined,
      labelSize: 20,
      size: axis.names.length ? room + 6 : side === 3 ? 50 : 34,
      ...(ticks.length ? { splits: () => ticks } : axis.log ? { splits: logTicks } : {}),
      filter: (plot, splits) => splits,
      ...(ticks.length ? {} : { space: side === 3 ? 32 : 55 }),
      incrs: axis.label === "epoch" ? [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 5000] : undefined,
      values: (plot, splits) => {
        const texts = splits.map((value) => cut(tick(axis, value), axis.names.length ? room : Infinity));
        return side === 3 ? texts : apart(texts, splits.map((value) => plot.valToPos(value, scale)));
      },
    };
  };

  // One panel --------------------------------------------------------------------------------
  const drawPanel = (panel, entries, extent, box, title) => {
    const heading = element("p", { className: "panel-title" }, panel.title);
    const readout = element("p", { className: "readout" });
    readout.setAttribute("aria-live", "polite");
    const frame = element("div", { className: "plot", tabIndex: 0 });
    frame.setAttribute("role", "application");
    frame.setAttribute("aria-roledescription", "interactive chart");
    frame.setAttribute("aria-label", `${title}${panel.title && `, ${panel.title}`}: arrow keys choose a point, Enter opens the record of its run`);
    box.append(...(panel.title ? [heading] : []), frame, readout);
    const width = () => frame.clientWidth || 300;
    const rows = panel.x.names.length;
    const height = rows ? 64 + (panel.y.log ? 22 : 46) * rows : panel.title ? 230 : 330;
    const options = {
      width: width(),
      height,
      legend: { show: false },
      cursor: { show: false },
      focus: { alpha: 0.25 },
      scales: {
        x: { ...scaleOf(panel.x), ori: panel.sideways ? 1 : 0, dir: panel.sideways ? -1 : 1 },
        y: { ...scaleOf(panel.y, extent), ori: panel.sideways ? 0 : 1 },
      },
      axes: [
        { scale: "x", ...axisOf(panel.x, "x", panel.sideways ? 3 : 2, width()) },
        { scale: "y", ...axisOf(panel.y, "y", panel.sideways ? 2 : 3, width()) },
      ],
      series: [{}, ...entries.map(seriesOf)],
      hooks: {
        drawSeries: [(plot, k) => k && drawPoints(plot, panel, entries[k - 1], plot.series[k].alpha ?? 1)],
        drawClear: [(plot) => drawVerticals(plot, panel)],
      },
    };
    const plot = new uPlot(options, dataOf(entries), frame);
    const dot = element("span", { className: "dot", hidden: true });
    plot.over.append(dot);
    let chosen = null;

    const choose = (entry, k) => {
      chosen = entry && { entry, k };
      dot.hidden = !entry;
      plot.setSeries(entry ? entries.indexOf(entry) + 1 : null, { focus: true });
      if (!entry) {
        readout.textContent = "";
        return;
      }
      const { line } = entry, seed = seedOf(line, k), y = line.y[k];
      [dot.style.left, dot.style.top] = place(plot, panel, line.x[k], y).map((at) => `${at}px`);
      const name = line.kind === "mean" ? `mean of ${line.name}` : line.name;
      const at = panel.x.names.length ? "" : `${quantity(panel.x)} ${exact(panel.x, line.x[k])}, `;
      const ends = typeof line.low?.[k] === "number"
        ? `, interval ${exact(panel.y, line.low[k])} to ${exact(panel.y, line.high[k])}` : "";
      const run = runOf(line, k);
      readout.textContent = `${name}${seed === undefined ? "" : ` seed ${seed}`}: ${at}` +
        `${quantity(panel.y)} ${exact(panel.y, y)}${ends}${run ? `. Click or Enter: ${run}` : ""}`;
    };
    const pointsOf = (entry) => {
      const y = entry.values();
      return y.flatMap((value, k) => (value === null || !entry.line.model ? [] : [k]));
    };
    const nearest = (event) => {
      const area = plot.over.getBoundingClientRect();
      const [x, y] = [event.clientX - area.left, event.clientY - area.top];
      let best = [NEAR, null, 0];
      for (const entry of entries) {
        for (const k of pointsOf(entry)) {
          const [left, top] = place(plot, panel, entry.line.x[k], entry.line.y[k]);
          const distance = Math.hypot(left - x, top - y);
          best = distance < best[0] ? [distance, entry, k] : best;
        }
      }
      return best.slice(1);
    };
    const openChosen = () => {
      const run = chosen && runOf(chosen.entry.line, chosen.k);
      run && openRecord(run);
    };
    frame.addEventListener("mousemove", (event) => choose(...nearest(event)));
    frame.addEventListener("mouseleave", () => choose(null));
    frame.addEventListener("blur", () => choose(null));
    frame.addEventListener("click", (event) => {
      choose(...nearest(event));
      openChosen();
    });
    frame.addEventListener("keydown", (event) => {
      const moves = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
      if (event.key === "Enter") {
        openChosen();
      } else if (event.key === "Escape") {
        choose(null);
      } else if (moves[event.key]) {
        event.preventDefault();
        const [right, down] = moves[event.key];
        const shown = entries.filter((entry) => pointsOf(entry).length);
        if (!shown.length) {
          return;
        }
        const now = chosen ? shown.indexOf(chosen.entry) : 0;
        const entry = shown[(now + (chosen ? down : 0) + shown.length) % shown.length];
        const points = pointsOf(entry), from = chosen ? points.findIndex((k) => k >= chosen.k) : 0;
        const next = (from < 0 ? points.length - 1 : from) + (chosen ? right : 0);
        choose(entry, points[Math.min(Math.max(next, 0), points.length - 1)]);
      }
    });
    new ResizeObserver(() => width() !== plot.width && plot.setSize({ width: width(), height })).observe(frame);
    drawn.push({ refresh: () => (choose(null), plot.setData(dataOf(entries))), redraw: () => plot.redraw() });
  };

  const swatch = (line) => {
    const width = line.kind === "points" ? 24 : 60;
    const canvas = element("canvas", { width, height: 24, className: "swatch" });
    const context = canvas.getContext("2d");
    const paint = () => {
      context.clearRect(0, 0, width, 24);
      context.strokeStyle = context.fillStyle = colourOf(line);
      context.lineWidth = 4;
      context.setLineDash(line.dash.map((length) => 2 * length));
      context.beginPath();
      if (line.kind !== "points") {
        context.moveTo(0, 12);
        context.lineTo(width, 12);
      }
      context.stroke();
      drawMarker(context, line.marker, width / 2, 12, 8);
    };
    paint();
    drawn.push({ refresh: () => {}, redraw: paint });
    canvas.setAttribute("aria-hidden", "true");
    return canvas;
  };

  // Switches ---------------------------------------------------------------------------------
  let refreshing = 0;
  const refreshAll = () => {
    refreshing = 0;
    drawn.forEach(({ refresh }) => refresh());
    for (const figure of document.querySelectorAll("figure[data-name]")) {
      figure.classList.toggle("off", hiddenModels.has(modelOf[figure.dataset.name]));
    }
  };
  const switchOf = (text, hidden, key, mark) => {
    const box = element("input", { type: "checkbox", checked: true });
    box.addEventListener("change", () => {
      box.checked ? hidden.delete(key) : hidden.add(key);
      refreshing ||= requestAnimationFrame(refreshAll);
    });
    return element("label", {}, box, ...(mark ? [mark] : []), text);
  };
  const group = (name, labels) => {
    const all = element("button", { type: "button" }, "all"), none = element("button", { type: "button" }, "none");
    const set = element("fieldset", {}, element("legend", {}, name), ...labels, all, none);
    for (const [button, wanted] of [[all, true], [none, false]]) {
      button.setAttribute("aria-label", `${button.textContent} ${name.toLowerCase()}`);
      button.addEventListener("click", () => {
        for (const box of set.querySelectorAll("input")) {
          if (box.checked !== wanted) {
            box.click();
          }
        }
      });
    }
    return set;
  };

  // The page ---------------------------------------------------------------------------------
  for (const [name, panels] of Object.entries(charts)) {
    const figure = document.getElementById(`chart-${name}`);
    const box = element("div", { className: "interactive" });
    figure.querySelector(".picture").before(box);
    figure.classList.add("drawn");
    const title = figure.querySelector("h3").textContent;
    const byPanel = panels.map(entriesOf), entries = byPanel.flat();
    const extent = () => {
      const values = entries.flatMap((entry) => entry.values().filter((value) => value !== null));
      const ends = entries.flatMap(({ line: { low = [], high = [] } }) => [...low, ...high]);
      const all = [...values, ...ends.filter((value) => value !== null)];
      return all.length ? [all.reduce((a, b) => Math.min(a, b)), all.reduce((a, b) => Math.max(a, b))] : [null, null];
    };
    panels.forEach((panel, k) => drawPanel(panel, byPanel[k], extent, box, title));
    if (!panels[0].sideways) {
      const named = new Map(entries.map(({ line }) => [line.name, line]));
      box.append(element("ul", { className: "legend" },
        ...[...named.values()].map((line) => element("li", {}, swatch(line), line.name))));
    }
  }
  const lines = Object.values(charts).flat().flatMap((panel) => panel.lines);
  const models = new Map(lines.filter(({ model }) => model).map((line) => [line.model, line]).reverse());
  const seeds = [...new Set(lines.flatMap((line) => line.seeds))].sort((a, b) => a - b);
  const first = document.querySelector(".charts")?.closest("section");
  if (first && (models.size > 1 || seeds.length > 1)) {
    const order = [...new Set(Object.values(modelOf))].filter((model) => models.has(model));
    const marks = order.map((model) => switchOf(model, hiddenModels, model,
      swatch({ ...models.get(model), kind: "points", dash: [] })));
    const numbers = seeds.map((seed) => switchOf(`${seed}`, hiddenSeeds, seed));
    const switches = element("details", { className: "switches", open: innerWidth >= 700 },
      element("summary", {}, "Models and seeds in the charts"),
      group("Models", marks), ...(seeds.length > 1 ? [group("Seeds", numbers)] : []),
      element("p", { className: "note" }, HINT));
    first.before(switches);
  }
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () =>
    drawn.forEach(({ redraw }) => redraw()));
})();
