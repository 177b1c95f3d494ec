// Success against distortion, drawn in the pixels at hand so that type keeps its size on any screen.
if (document.getElementById("curve-data")) {
  const { metrics, curves, spans, bands } = JSON.parse(document.getElementById("curve-data").textContent);
  const find = (id) => document.getElementById(id);
  const [plot, reading] = [find("plot"), find("reading")];
  const [metricChoice, ofChoice, scaleChoice] = ["curve-metric", "curve-of", "curve-scale"].map(find);
  const legend = [...document.querySelectorAll(".legend button")];
  const margin = { top: 14, right: 18, bottom: 48, left: 52 };
  let view = null;
  let stressed = null;

  const svg = (name, attributes = {}, text = "") => {
    const element = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    element.textContent = text;
    return element;
  };
  const short = (value) => (value !== 0 && Math.abs(value) < 1e-3 ? value.toExponential(0) : String(+value.toPrecision(3)));
  const percent = (share) => `${(100 * share).toFixed(1)} %`;

  function linearTicks(low, high) {
    const rough = (high - low) / 5;
    const decade = 10 ** Math.floor(Math.log10(rough));
    const step = [1, 2, 5, 10].find((factor) => factor * decade >= rough) * decade;
    const first = Math.ceil(low / step - 1e-9);
    return Array.from({ length: Math.floor(high / step + 1e-9) - first + 1 }, (_, i) => (first + i) * step);
  }

  function logTicks(low, high, most) {
    const ticks = [];
    for (let power = Math.floor(Math.log10(low)); power <= Math.log10(high); power++) {
      for (const factor of [1, 2, 5]) ticks.push(factor * 10 ** power);
    }
    const inside = ticks.filter((tick) => tick >= low && tick <= high);
    if (inside.length < 3) return linearTicks(low, high);
    if (inside.length <= most) return inside;
    const decades = inside.filter((tick) => Math.abs(Math.log10(tick) - Math.round(Math.log10(tick))) < 1e-6);
    const every = Math.ceil(decades.length / most);
    return decades.filter((_, i) => (decades.length - 1 - i) % every === 0);
  }

  function axis(metric, width) {
    const ends = spans[metric.key][ofChoice.value];
    const log = scaleChoice.value === "log" && ends.log !== null;
    const [start, end] = log ? ends.log : ends.linear;
    const [low, high] = [Math.min(start, end), Math.max(start, end)];
    const warp = log ? Math.log : (value) => value;
    const unwarp = log ? Math.exp : (value) => value;
    const span = warp(end) - warp(start);
    return {
      ticks: log ? logTicks(low, high, width / 60) : linearTicks(low, high),
      start,
      place: (value) => margin.left + (log && value <= low ? 0 : ((warp(value) - warp(start)) / span) * width),
      value: (place) => unwarp(warp(start) + ((place - margin.left) / width) * span),
    };
  }

  const shareAt = (line, value, reverse) => {
    let share = line.start;
    for (let i = 0; i < line.x.length && (reverse ? line.x[i] >= value : line.x[i] <= value); i++) share = line.y[i];
    return share;
  };

  // The corners of a line: from each place on it has the share beside it.
  function corners(line, scale, reverse) {
    const start = shareAt(line, scale.start, reverse);
    // A line begins where its attack first fools an image: along zero all lines would hide each other.
    const found = [[start === 0 && line.x.length ? scale.place(line.x[0]) : margin.left, start]];
    line.x.forEach((value, i) => {
      if (reverse ? value < scale.start : value > scale.start) found.push([scale.place(value), line.y[i]]);
    });
    return found;
  }

  const path = ([first, ...steps], y, right) =>
    `M${first[0].toFixed(1)},${y(first[1]).toFixed(1)}${steps.map(([x, share]) => `H${x.toFixed(1)}V${y(share).toFixed(1)}`).join("")}H${right}`;

  // The interval of a share, between the two nearest of those that are stored.
  function ends(line, share) {
    const band = bands[line.images];
    if (!band) return null;
    const place = share * (band.low.length - 1);
    const before = Math.min(Math.floor(place), band.low.length - 2);
    return [band.low, band.high].map((end) => end[before] + (place - before) * (end[before + 1] - end[before]));
  }

  // Along the upper ends to the right, and back along the lower ones.
  function area(line, found, y, right) {
    if (!bands[line.images]) return "";
    const at = (i, end) => y(ends(line, found[i][1])[end]).toFixed(1);
    let d = `M${found[0][0].toFixed(1)},${at(0, 1)}`;
    for (let i = 1; i < found.length; i++) d += `H${found[i][0].toFixed(1)}V${at(i, 1)}`;
    d += `H${right}V${at(found.length - 1, 0)}`;
    for (let i = found.length - 1; i > 0; i--) d += `H${found[i][0].toFixed(1)}V${at(i - 1, 0)}`;
    return `${d}H${found[0][0].toFixed(1)}Z`;
  }

  const isUnknown = (line) => line.unmeasured > 0 && !line.x.length && !line.start;
  const isShown = (i) => legend[i].getAttribute("aria-pressed") === "true";

  function draw() {
    const metric = metrics.find((one) => one.key === metricChoice.value);
    const lines = curves[metric.key][ofChoice.value];
    scaleChoice.disabled = metric.reverse;
    const full = plot.clientWidth;
    const height = Math.round(Math.min(440, Math.max(280, full * 0.5)));
    const [width, tall] = [full - margin.left - margin.right, height - margin.top - margin.bottom];
    const scale = axis(metric, width);
    const y = (share) => margin.top + (1 - share) * tall;
    const [right, base] = [margin.left + width, margin.top + tall];
    const root = svg("svg", { width: full, height, viewBox: `0 0 ${full} ${height}`, "aria-hidden": "true" });
    for (const share of [0, 0.25, 0.5, 0.75, 1]) {
      root.append(svg("line", { class: "grid", x1: margin.left, x2: right, y1: y(share), y2: y(share) }));
      root.append(svg("text", { x: margin.left - 8, y: y(share) + 4, "text-anchor": "end" }, `${100 * share} %`));
    }
    for (const tick of scale.ticks) {
      const x = scale.place(tick);
      root.append(svg("line", { class: "tick", x1: x, x2: x, y1: base, y2: base + 5 }));
      root.append(svg("text", { x, y: base + 19, "text-anchor": "middle" }, short(tick)));
    }
    root.append(svg("line", { class: "axis", x1: margin.left, x2: right, y1: base, y2: base }));
    root.append(svg("text", { class: "title", x: right, y: height - 6, "text-anchor": "end" }, `${metric.axis} →`));
    const shown = lines.map((line, i) => [i, line]).filter(([i, line]) => isShown(i) && !isUnknown(line));
    const [under, over] = [svg("g"), svg("g")];
    for (const [i, line] of shown) {
      const look = legend[i].querySelector(".swatch").getAttribute("class").replace("swatch ", "");
      const found = corners(line, scale, metric.reverse);
      under.append(svg("path", { class: `band ${look}`, "data-line": i, d: area(line, found, y, right) }));
      over.append(svg("path", { class: `line ${look}`, "data-line": i, d: path(found, y, right) }));
    }
    // Many bands would hide each other and the lines.
    root.classList.toggle("few", shown.length <= 4);
    root.append(under, over);
    const cursor = svg("line", { class: "cursor", y1: margin.top, y2: base, visibility: "hidden" });
    root.append(cursor);
    plot.replaceChildren(root);
    view = { metric, lines, scale, right, cursor, place: null };
    stress(stressed);
    read(null);
  }

  // One reading for pointer and keyboard: the legend tells each line's share at the cursor.
  function read(place) {
    view.place = place === null ? null : Math.min(view.right, Math.max(margin.left, place));
    const at = view.place ?? view.right;
    const value = view.scale.value(at);
    view.cursor.setAttribute("visibility", view.place === null ? "hidden" : "visible");
    view.cursor.setAttribute("x1", at);
    view.cursor.setAttribute("x2", at);
    legend.forEach((button, i) => {
      const line = view.lines[i];
      const share = view.place === null ? (line.y.at(-1) ?? line.start) : shareAt(line, value, view.metric.reverse);
      const interval = document.createElement("small");
      interval.textContent = ends(line, share)?.map(percent).join(" to ") ?? "";
      button.querySelector("output").replaceChildren(...(isUnknown(line) ? ["not measured"] : [percent(share), interval]));
    });
    const bound = view.metric.reverse ? "at least" : "at most";
    const left = view.lines.map((line, i) => [line.unmeasured, legend[i].querySelector("code").textContent]);
    const notes = left.filter(([count]) => count).map(([count, name]) => ` ${name} fooled ${count} image${count > 1 ? "s" : ""} without a known distance.`);
    reading.textContent = view.place === null
      ? `Share fooled in all, and its interval. Point at the plot, or use the arrow keys on it, to read it at a distortion.${notes.join("")}`
      : `Share fooled with ${view.metric.axis} of ${bound} ${short(value)}.`;
  }

  function stress(i) {
    stressed = i;
    for (const each of plot.querySelectorAll("path")) each.classList.toggle("stressed", each.dataset.line === String(i));
  }

  plot.addEventListener("pointermove", (event) => read(event.clientX - plot.getBoundingClientRect().left));
  plot.addEventListener("pointerdown", (event) => read(event.clientX - plot.getBoundingClientRect().left));
  plot.addEventListener("pointerleave", () => read(null));
  plot.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -8, ArrowRight: 8 }[event.key];
    if (step) {
      event.preventDefault();
      read((view.place ?? (step > 0 ? margin.left : view.right)) + step);
    } else if (event.key === "Escape") read(null);
  });
  legend.forEach((button, i) => {
    button.addEventListener("click", () => {
      button.setAttribute("aria-pressed", String(!isShown(i)));
      draw();
    });
    for (const event of ["pointerenter", "focus"]) button.addEventListener(event, () => stress(i));
    for (const event of ["pointerleave", "blur"]) button.addEventListener(event, () => stress(null));
  });
  for (const choice of [metricChoice, ofChoice, scaleChoice]) choice.addEventListener("change", draw);
  let drawn = 0;
  new ResizeObserver(() => {
    if (plot.clientWidth !== drawn) {
      drawn = plot.clientWidth;
      draw();
    }
  }).observe(plot);
}
