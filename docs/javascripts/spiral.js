/* A curve of the plane, pushed through a random matrix to n channels, an activation, and back by the pseudo-inverse.
   Needs dense-net.js (random numbers, functions). MobileNetV2, arXiv 1801.04381, figure 1. */
(() => {
  "use strict";
  const dense = globalThis.zooDense;
  if (!dense) return;
  const POINTS = 400, LEAST = 2, MOST = 30;

  /* [[x, y], ...] around the origin, two and a half turns. */
  const curve = () => Array.from({ length: POINTS }, (_, i) => {
    const t = i / (POINTS - 1), turn = 5 * Math.PI * t, radius = 0.1 + 0.9 * t;
    return [radius * Math.cos(turn), radius * Math.sin(turn)];
  });
  /* n rows of two normal numbers: with one seed, fewer channels are the first of more. */
  function matrix(n, seed) {
    const next = dense.random(seed);
    return Array.from({ length: n }, () => [dense.normal(next), dense.normal(next)]);
  }
  /* The pseudo-inverse of an n x 2 matrix of rank 2, as two rows of n: (T'T)^-1 T'. */
  function inverse(rows) {
    const sum = (i, j) => rows.reduce((total, row) => total + row[i] * row[j], 0);
    const [a, b, d] = [sum(0, 0), sum(0, 1), sum(1, 1)], det = a * d - b * b;
    return [rows.map(([x, y]) => (d * x - b * y) / det), rows.map(([x, y]) => (a * y - b * x) / det)];
  }
  /* Where each point comes back, and how many channels are above zero there. */
  function there(points, rows, activation) {
    const back = inverse(rows), f = dense.FUNCTIONS[activation][0];
    const images = [], alive = [];
    for (const [x, y] of points) {
      const z = rows.map(([u, v]) => u * x + v * y), seen = z.map(f);
      images.push(back.map((row) => row.reduce((total, w, i) => total + w * seen[i], 0)));
      alive.push(z.filter((value) => value > 0).length);
    }
    return { images, alive };
  }
  /* The share of the points that an activation with a flat side cannot tell from neighbours: fewer than two channels
     above zero. With n random directions this is (n + 1) / 2^n on average. */
  const lost = (alive) => alive.filter((count) => count < 2).length / alive.length;
  const expected = (n) => (n + 1) / 2 ** n;
  globalThis.zooSpiral = { curve, matrix, inverse, there, lost, expected, LEAST, MOST };

  const root = document.getElementById("spiral");
  if (!root) return;
  const FUNCTIONS = { relu: "ReLU", leaky_relu: "leaky ReLU (0.2)", tanh: "tanh", linear: "none" };
  const state = { n: 3, activation: "relu", seed: 3 };

  const attach = (element, attributes, children) => {
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    element.append(...children);
    return element;
  };
  const h = (tag, attributes, ...children) => attach(document.createElement(tag), attributes, children);
  const svg = (tag, attributes, ...children) => attach(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);
  /* Only none is 0 % and only all is 100 %; the table of the page without scripts says "below 0.1 %" too. */
  const percent = (p) => {
    const apart = Math.min(p, 1 - p);
    return p > 0 && p < 0.001 ? "below 0.1 %" : `${(100 * p).toFixed(apart > 0 && apart < 0.01 ? 2 : 0)} %`;
  };

  const slider = h("input", { type: "range", id: "spiral-n", min: LEAST, max: MOST, step: 1 });
  const count = h("output", { for: "spiral-n", id: "spiral-count" });
  slider.addEventListener("input", () => { state.n = Number(slider.value); draw(); });
  const choice = h("select", { id: "spiral-activation" });
  for (const [value, label] of Object.entries(FUNCTIONS)) choice.append(h("option", { value }, label));
  choice.addEventListener("change", () => { state.activation = choice.value; draw(); });
  const again = h("button", { type: "button", class: "zoo-try-button", id: "spiral-again" }, "Another matrix");
  again.addEventListener("click", () => { state.seed += 1; draw(); });
  const presets = h("p", {}, "Channels: ");
  for (const n of [2, 3, 5, 15, 30]) {
    const button = h("button", { type: "button", class: "zoo-try-button", "data-n": n }, String(n));
    button.addEventListener("click", () => { state.n = n; draw(); });
    presets.append(button, " ");
  }
  presets.append(again);

  const SIZE = 220, HALF = SIZE / 2;
  const path = (points, scale) => "M" + points.map(([x, y]) => `${(HALF + x * scale).toFixed(1)} ${(HALF - y * scale).toFixed(1)}`).join("L");
  const panel = (id, words) => {
    const line = svg("path", { class: "net" }), gone = svg("path", { class: "gone" });
    const title = svg("title", { id: `spiral-${id}-title` }, words);
    const plot = svg("svg", { class: "zoo-try-plot", viewBox: `0 0 ${SIZE} ${SIZE}`, role: "img", "aria-labelledby": `spiral-${id}-title` }, title,
      svg("path", { class: "axis", d: `M${HALF} 0V${SIZE}M0 ${HALF}H${SIZE}` }), line, gone);
    return { line, gone, title, figure: h("div", {}, h("p", { class: "zoo-spiral-name" }, words), plot) };
  };
  const input = panel("in", "The curve"), output = panel("out", "What comes back");
  const points = curve();
  const says = h("p", { class: "zoo-try-status", role: "status", id: "spiral-status" });

  function draw() {
    slider.value = state.n;
    slider.setAttribute("aria-valuetext", `${state.n} channels`);
    count.textContent = String(state.n);
    choice.value = state.activation;
    const { images, alive } = there(points, matrix(state.n, state.seed), state.activation);
    const share = lost(alive), flat = state.activation === "relu";
    const largest = Math.max(1e-9, ...images.flat().map(Math.abs));
    output.line.setAttribute("d", path(images, 0.9 * HALF / largest)); // as large as the panel: the shape counts
    // Stretches, each drawn in one go: a dash that began again at every point would be no dash.
    const pieces = (kept) => {
      const runs = [];
      points.forEach((p, i) => {
        if (i === 0 || (alive[i] < 2) === kept) return;
        if (runs.at(-1)?.last === i - 1) { runs.at(-1).points.push(p); runs.at(-1).last = i; } else runs.push({ points: [points[i - 1], p], last: i });
      });
      return runs.map((run) => path(run.points, 0.9 * HALF)).join("");
    };
    input.line.setAttribute("d", flat ? pieces(true) : path(points, 0.9 * HALF));
    input.gone.setAttribute("d", flat ? pieces(false) : "");
    says.replaceChildren(h("b", {}, `${state.n} channels, ${FUNCTIONS[state.activation] === "none" ? "no activation" : FUNCTIONS[state.activation]}. `),
      flat ? `${percent(share)} of the curve is lost: fewer than two channels are above zero there, too few for a point of the plane. Over all random matrices: ${percent(expected(state.n))}. `
        : state.activation === "linear" ? "All of it comes back: two channels are enough when nothing is cut." : "Nothing is lost: this function is one to one. The shape bends, and a layer that follows could bend it back.");
    Object.assign(says.dataset, { lost: share, seed: state.seed });
    output.title.textContent = `What comes back through ${state.n} channels`;
    input.title.textContent = flat ? `The curve; ${percent(share)} of it is lost` : "The curve";
  }
  root.replaceChildren(
    h("div", { class: "zoo-try-sliders" },
      h("div", {}, h("label", { for: "spiral-n" }, h("span", {}, "Channels between"), count), slider),
      h("div", {}, h("label", { for: "spiral-activation" }, "Activation"), choice)),
    presets, h("div", { class: "zoo-spiral-panels" }, input.figure, output.figure), says,
    h("p", { class: "zoo-try-note" }, "Left: solid is kept, dotted is lost. Right: the curve after matrix, activation and pseudo-inverse, drawn to fill its box."));
  root.classList.add("zoo-try-live");
  draw();
})();
