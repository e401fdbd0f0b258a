/* Signal and gradient against depth, from recorded data: a slider moves through the depth of eight nets. */
(() => {
  "use strict";
  const root = document.getElementById("depth-slider"), data = globalThis.zooDepthData, inks = globalThis.zooInks;
  if (!root || !data) return; // not measured yet: the text of the page stays

  const METRICS = {
    variance: "variance of the values",
    squared_mean: "squared mean of the values",
    gradient_norm: "gradient norm (last layer = 1)",
  };
  const state = { metric: "gradient_norm", axis: "log", depth: 100, hidden: new Set() };
  const last = Math.max(...Object.values(data).flatMap((m) => m.variance.map(([x]) => x)));

  const attach = (element, attributes, children) => {
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    element.append(...children);
    return element;
  };
  const h = (tag, attributes, ...children) => attach(document.createElement(tag), attributes, children);
  const svg = (tag, attributes, ...children) => attach(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);
  const power = (z) => (z >= 0.01 && z < 10000 ? Number(z.toPrecision(3)).toString() : z.toExponential(1)).replace("-", "−");

  /* Not every depth is recorded: between two of them, read along a straight line in logarithms. */
  function at(points, depth) {
    if (!points.length || depth > points[points.length - 1][0]) return null;
    let i = points.findIndex(([x]) => x >= depth);
    const [x1, y1] = points[i];
    if (x1 === depth || i === 0) return y1;
    const [x0, y0] = points[i - 1];
    if (y0 <= 0 || y1 <= 0) return y1;
    const t = (Math.log(depth) - Math.log(x0)) / (Math.log(x1) - Math.log(x0));
    return Math.exp(Math.log(y0) + t * (Math.log(y1) - Math.log(y0)));
  }

  const choice = h("select", { id: "depth-metric" });
  for (const [value, label] of Object.entries(METRICS)) choice.append(h("option", { value }, label));
  choice.addEventListener("change", () => { state.metric = choice.value; draw(); });
  const axis = h("select", { id: "depth-axis" }, h("option", { value: "log" }, "logarithmic"), h("option", { value: "linear" }, "linear"));
  axis.addEventListener("change", () => { state.axis = axis.value; draw(); });
  // The slider runs in logarithms, for most happens early: its ends are 1 and the last unit.
  const STEPS = 300;
  const slider = h("input", { type: "range", id: "depth-position", min: 0, max: STEPS, step: 1 });
  const toDepth = (t) => Math.round(Math.exp(Math.log(last) * t / STEPS));
  slider.addEventListener("input", () => { state.depth = toDepth(Number(slider.value)); draw(); });
  // Near its left end many steps are one unit: an arrow goes on to the next.
  slider.addEventListener("keydown", (event) => {
    const by = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1 }[event.key];
    if (!by || event.altKey || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    let t = Number(slider.value);
    do t += by; while (t > 0 && t < STEPS && toDepth(t) === state.depth);
    slider.value = t; // the browser keeps it in range
    slider.dispatchEvent(new Event("input"));
  });
  slider.value = Math.round(STEPS * Math.log(state.depth) / Math.log(last));
  const output = h("output", { for: "depth-position", id: "depth-value" });
  const plot = svg("svg", { class: "zoo-try-plot", role: "img", "aria-labelledby": "depth-title" });
  const readings = h("table", { class: "zoo-lab-scores", id: "depth-readings" });
  const status = h("p", { class: "zoo-try-status", role: "status", id: "depth-status" });

  function draw() {
    const WIDTH = 480, HEIGHT = 300;
    const curves = Object.entries(data).map(([arm, metrics]) => [arm, metrics[state.metric].filter(([, y]) => y > 0)]);
    const seen = curves.filter(([arm]) => !state.hidden.has(arm)).flatMap(([, points]) => points.map(([, y]) => Math.log10(y)));
    const low = Math.max(-14, Math.floor(Math.min(0, ...seen))), high = Math.min(20, Math.ceil(Math.max(1, ...seen)));
    const sx = (x) => (state.axis === "log" ? Math.log(x) / Math.log(last) : (x - 1) / (last - 1)) * WIDTH;
    const sy = (y) => (high - Math.log10(y)) / (high - low) * HEIGHT;
    plot.setAttribute("viewBox", `-54 -26 ${WIDTH + 66} ${HEIGHT + 62}`);
    plot.replaceChildren(svg("title", { id: "depth-title" }, `${METRICS[state.metric]} against depth, eight nets`),
      svg("clipPath", { id: "depth-clip" }, svg("rect", { x: 0, y: -2, width: WIDTH, height: HEIGHT + 4 })));
    const every = Math.max(1, Math.ceil((high - low) / 8));
    for (let e = low; e <= high; e += every) {
      plot.append(svg("path", { class: "axis", d: `M0 ${sy(10 ** e)}H${WIDTH}` }), svg("text", { x: -5, y: sy(10 ** e) + 4, "text-anchor": "end" }, `1e${e}`.replace("-", "−")));
    }
    for (const x of state.axis === "log" ? [1, 3, 10, 30, 100, last] : [1, 100, 200, last]) {
      plot.append(svg("path", { class: "axis", d: `M${sx(x)} 0V${HEIGHT}` }), svg("text", { x: sx(x), y: HEIGHT + 16, "text-anchor": "middle" }, x));
    }
    plot.append(svg("text", { x: 0, y: -10 }, `↑ ${METRICS[state.metric]}`));
    plot.append(svg("text", { x: WIDTH / 2, y: HEIGHT + 32, "text-anchor": "middle" }, "residual unit (plain nets: layer), from the input"));
    const group = svg("g", { "clip-path": "url(#depth-clip)" });
    for (const [arm, points] of curves) {
      if (state.hidden.has(arm) || !points.length) continue;
      const [stroke, dash] = inks[arm];
      group.append(svg("path", { class: "curve", stroke, "stroke-dasharray": dash, d: "M" + points.map(([x, y]) => `${sx(x).toFixed(1)} ${sy(y).toFixed(1)}`).join("L") }));
    }
    plot.append(group, svg("path", { class: "cursor", d: `M${sx(state.depth)} 0V${HEIGHT}` }));

    output.value = `${state.depth} of ${last}`;
    slider.setAttribute("aria-valuetext", `unit ${state.depth} of ${last}`);
    choice.value = state.metric;
    axis.value = state.axis;
    const focused = document.activeElement?.id;
    readings.replaceChildren(h("caption", {}, `At unit ${state.depth}`),
      h("tr", {}, h("th", { scope: "col" }, "net"), ...Object.values(METRICS).map((label) => h("th", { scope: "col", class: "zoo-number" }, label.split(" (")[0].replace(" of the values", "")))));
    const found = [];
    for (const [arm, metrics] of Object.entries(data)) {
      const id = `depth-show-${arm.replace(/[^a-z]+/gi, "-")}`;
      const box = h("input", { type: "checkbox", id });
      box.checked = !state.hidden.has(arm);
      box.addEventListener("change", () => { state.hidden[box.checked ? "delete" : "add"](arm); draw(); });
      const key = svg("svg", { class: "zoo-try-key", viewBox: "0 0 36 4", "aria-hidden": "true" },
        svg("path", { d: "M0 2H36", stroke: inks[arm][0], "stroke-width": 3, "stroke-dasharray": inks[arm][1] }));
      const cells = Object.keys(METRICS).map((metric) => at(metrics[metric], state.depth));
      const value = cells[Object.keys(METRICS).indexOf(state.metric)];
      if (value !== null && !state.hidden.has(arm)) found.push([value, arm]);
      readings.append(h("tr", { "data-arm": arm }, h("th", { scope: "row" }, h("label", { for: id }, box, " ", key, arm)),
        ...cells.map((z) => h("td", { class: "zoo-number" }, z === null ? "no such layer" : power(z)))));
    }
    if (focused?.startsWith("depth-show-")) document.getElementById(focused)?.focus();
    found.sort(([a], [b]) => a - b);
    status.textContent = found.length < 2 ? "Show at least two nets to compare them."
      : `At unit ${state.depth}, ${METRICS[state.metric].split(" (")[0]}: least ${power(found[0][0])} (${found[0][1]}), most ${power(found.at(-1)[0])} (${found.at(-1)[1]}).`;
  }

  root.replaceChildren(
    h("div", { class: "zoo-try-controls" },
      h("p", { class: "zoo-try-control" }, h("label", { for: "depth-metric" }, "What to draw"), choice),
      h("p", { class: "zoo-try-control" }, h("label", { for: "depth-axis" }, "Depth axis"), axis),
      h("p", { class: "zoo-try-control" }, h("label", { for: "depth-position" }, "Depth: unit ", output), slider)),
    plot, status, h("div", { class: "zoo-table", tabindex: 0, role: "group", "aria-label": "readings" }, readings));
  root.classList.add("zoo-try-live");
  draw();
})();
