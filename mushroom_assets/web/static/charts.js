// Charts by uPlot. Data come in attributes; what is not known is left out of the line and hatched.
"use strict";

(() => {
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const HEIGHT = 170;

  function hatch(ctx, ink) {
    const tile = document.createElement("canvas");
    tile.width = tile.height = 10;
    const pen = tile.getContext("2d");
    pen.strokeStyle = ink;
    pen.globalAlpha = 0.45;
    for (const at of [-10, 0, 10]) { pen.moveTo(at, 10); pen.lineTo(at + 10, 0); }
    pen.stroke();
    return ctx.createPattern(tile, "repeat");
  }

  function box(u, left, right, low, high, fill) {
    const x0 = Math.max(u.valToPos(left, "x", true), u.bbox.left);
    const x1 = Math.min(u.valToPos(right, "x", true), u.bbox.left + u.bbox.width);
    const top = high === null ? u.bbox.top : Math.max(u.valToPos(high, "y", true), u.bbox.top);
    const end = u.bbox.top + u.bbox.height;
    const bottom = low === null ? end : Math.min(u.valToPos(low, "y", true), end);
    if (x1 <= x0 || bottom <= top) return;
    u.ctx.fillStyle = fill;
    u.ctx.fillRect(x0, top, x1 - x0, bottom - top);
  }

  function line(u, x, ink, width, dash) {
    const at = Math.round(u.valToPos(x, "x", true));
    u.ctx.strokeStyle = ink;
    u.ctx.lineWidth = width * devicePixelRatio;
    u.ctx.setLineDash(dash);
    u.ctx.beginPath();
    u.ctx.moveTo(at, u.bbox.top);
    u.ctx.lineTo(at, u.bbox.top + u.bbox.height);
    u.ctx.stroke();
    u.ctx.setLineDash([]);
  }

  function cross(u, x, y, ink) {
    const r = 3.5 * devicePixelRatio;
    const cx = u.valToPos(x, "x", true);
    const highest = u.bbox.top + r;
    const lowest = u.bbox.top + u.bbox.height - r;
    const cy = y === null ? highest : Math.min(Math.max(u.valToPos(y, "y", true), highest), lowest);
    u.ctx.strokeStyle = ink;
    u.ctx.lineWidth = 1.5 * devicePixelRatio;
    u.ctx.beginPath();
    u.ctx.moveTo(cx - r, cy - r); u.ctx.lineTo(cx + r, cy + r);
    u.ctx.moveTo(cx + r, cy - r); u.ctx.lineTo(cx - r, cy + r);
    u.ctx.stroke();
  }

  function range(values) {
    let low = Infinity, high = -Infinity;
    for (const one of values) {
      if (one === null || one === undefined) continue;
      if (one < low) low = one;
      if (one > high) high = one;
    }
    if (low > high) return [0, 1];
    const room = (high - low || Math.abs(high) || 1) * 0.08;
    return [low - room, high + room];
  }

  // A stepped line of the setpoint at the times of the values
  function held(setpoint, times) {
    const [, at, value] = setpoint;
    let place = -1;
    return times.map((time) => {
      while (place + 1 < at.length && at[place + 1] <= time) place += 1;
      return place < 0 ? null : value[place];
    });
  }

  function base(place, tell) {
    const soft = colour("--soft");
    const grid = { stroke: colour("--line"), width: 1 };
    const ticks = { show: false };
    const font = "12px system-ui, sans-serif";
    return {
      width: place.clientWidth,
      height: HEIGHT,
      legend: { show: false },
      cursor: { y: false, drag: { x: false, y: false }, points: { size: 7 } },
      axes: [
        { stroke: soft, grid, ticks, font, size: 26, gap: 4 },
        { stroke: soft, grid, ticks, font, size: 46, gap: 4, space: 32 },
      ],
      hooks: { setCursor: [tell], drawClear: [], draw: [] },
    };
  }

  function output(place) {
    const told = document.createElement("output");
    told.className = "readout";
    place.before(told);
    return told;
  }

  function grown(place, made) {
    new ResizeObserver(() => {
      const width = place.clientWidth;
      if (width && width !== made.width) made.setSize({ width, height: HEIGHT });
    }).observe(place);
    return made;
  }

  function drawDay(place, around) {
    const chart = JSON.parse(place.dataset.chart);
    const zone = around.dataset.zone;
    const moves = JSON.parse(around.dataset.moves || "[]");
    const clock = new Intl.DateTimeFormat("en-GB", { timeZone: zone, hour: "2-digit", minute: "2-digit" });
    const times = chart.values.map((_, place) => chart.start + place * chart.step);
    const data = [times, chart.values, ...chart.setpoints.map((one) => held(one, times))];
    const told = output(place);
    const newest = chart.values.findLastIndex((one) => one !== null);
    const tell = (u) => {
      const at = u.cursor?.idx ?? newest;
      if (at < 0) { told.textContent = chart.words.gap; return; }
      const value = chart.values[at];
      const parts = [clock.format(new Date(times[at] * 1000))];
      parts.push(value === null ? chart.words.gap : `${value.toFixed(chart.places)} ${chart.unit}`);
      chart.setpoints.forEach((one, place) => {
        const set = data[2 + place][at];
        if (set !== null) parts.push(`${one[0]} ${set}`);
      });
      const near = moves.find(([second]) => Math.abs(second - times[at]) <= 300);
      if (near) parts.push(near[1]);
      told.textContent = parts.join(" · ");
    };
    tell({});
    const options = base(place, tell);
    options.tzDate = (second) => uPlot.tzDate(new Date(second * 1000), zone);
    options.cursor.sync = { key: "climate" };
    options.axes[0].values = (u, splits) => splits.map((one) => clock.format(new Date(one * 1000)));
    options.axes[0].space = 52;
    options.axes[0].incrs = [3600, 7200, 10800, 21600, 43200];
    const bounds = chart.bands.flatMap((one) => [one[2], one[3]]);
    const set = chart.setpoints.flatMap((one) => one[2]);
    const [low, high] = range([...chart.values, ...bounds, ...set]);
    options.scales = { x: { time: true, min: chart.start, max: chart.end, range: [chart.start, chart.end] }, y: { range: [low, high] } };
    const ink = colour("--ink");
    options.series = [
      {},
      { stroke: ink, width: 1.6, spanGaps: false, points: { show: false } },
      ...chart.setpoints.map(() => ({
        stroke: colour("--link"), width: 1.3, dash: [5, 3], points: { show: false },
        paths: uPlot.paths.stepped({ align: 1 }),
      })),
    ];
    options.hooks.drawClear.push((u) => {
      u.ctx.save();
      for (const [start, end, lowest, highest] of chart.bands) box(u, start, end, lowest, highest, colour("--area"));
      const pattern = hatch(u.ctx, colour("--soft"));
      for (const [start, end] of chart.gaps) if (end - start > chart.step) box(u, start, end, null, null, pattern);
      for (const [second, , kind] of moves) {
        if (kind) line(u, second, colour("--link"), 2, []);
        else line(u, second, colour("--soft"), 1, [2, 3]);
      }
      u.ctx.restore();
    });
    options.hooks.draw.push((u) => {
      u.ctx.save();
      for (const [second, value] of chart.spikes) cross(u, second, value, colour("--watch"));
      for (const second of chart.rejected) cross(u, second, null, colour("--act"));
      u.ctx.restore();
    });
    grown(place, new uPlot(options, data, place));
  }

  function drawCourse(place) {
    const chart = JSON.parse(place.dataset.course);
    const days = chart.own.map((_, place) => place + 1);
    const [low10, middle, high90] = chart.good;
    const others = chart.others;
    const data = [days, low10, high90, middle, ...others.map((one) => one[1]), chart.own];
    const told = output(place);
    const shown = (value) => (value === null || value === undefined ? "–" : value.toFixed(chart.places));
    const newest = chart.own.findLastIndex((one) => one !== null);
    const tell = (u) => {
      const at = u.cursor?.idx ?? newest;
      if (at < 0) { told.textContent = chart.words.gap; return; }
      const parts = [`${chart.words.day} ${days[at]}`, `${chart.words.own} ${shown(chart.own[at])} ${chart.unit}`];
      if (middle[at] !== null) parts.push(`${chart.words.good} ${shown(low10[at])}–${shown(high90[at])}`);
      for (const [name, line] of others) if (line[at] !== null) parts.push(`${name} ${shown(line[at])}`);
      told.textContent = parts.join(" · ");
    };
    tell({});
    const options = base(place, tell);
    options.cursor.sync = { key: "course" };
    const bounds = chart.stages.flatMap((one) => [one[2], one[3]]);
    const known = data.slice(1).flat();
    const [low, high] = range([...known, ...bounds]);
    options.scales = { x: { time: false, range: [0.5, days.length + 0.5] }, y: { range: [low, high] } };
    options.axes[0].incrs = [1, 2, 3, 5, 7];
    const soft = colour("--soft");
    const none = { show: false };
    options.series = [
      {},
      { stroke: "transparent", points: none },
      { stroke: "transparent", points: none },
      { stroke: soft, width: 1, dash: [4, 3], points: none },
      ...others.map(() => ({ stroke: colour("--thin"), width: 1.2, points: none })),
      { stroke: colour("--ink"), width: 2.4, points: { show: true, size: 5, fill: colour("--ink") } },
    ];
    options.bands = [{ series: [2, 1], fill: colour("--ribbon") }];
    options.hooks.drawClear.push((u) => {
      u.ctx.save();
      for (const [first, last, lowest, highest] of chart.stages) box(u, first - 0.5, last + 0.5, lowest, highest, colour("--area"));
      u.ctx.restore();
    });
    grown(place, new uPlot(options, data, place));
  }

  window.drawCharts = () => {
    for (const around of document.querySelectorAll(".charts")) {
      for (const place of around.querySelectorAll(".chart:empty")) {
        if (place.dataset.chart) drawDay(place, around);
        else drawCourse(place);
      }
    }
  };
  document.addEventListener("DOMContentLoaded", window.drawCharts);
})();
