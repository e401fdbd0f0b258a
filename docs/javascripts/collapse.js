/* Two layers under sliders, next to the one layer they equal; and what an activation between them does to that. */
(() => {
  "use strict";
  const root = document.getElementById("collapse");
  if (!root) return;

  const LEAK = 0.2; // the slope of leaky_relu below zero
  const FUNCTIONS = {
    none: (z) => z,
    relu: (z) => Math.max(z, 0),
    leaky_relu: (z) => (z > 0 ? z : LEAK * z),
    tanh: Math.tanh,
    sigmoid: (z) => 1 / (1 + Math.exp(-z)),
  };
  const SLIDERS = [
    ["w1", "first layer, weight of unit 1"], ["b1", "first layer, bias of unit 1"],
    ["w2", "first layer, weight of unit 2"], ["b2", "first layer, bias of unit 2"],
    ["v1", "second layer, weight on unit 1"], ["v2", "second layer, weight on unit 2"], ["c", "second layer, bias"],
  ];
  const PRESETS = {
    "any numbers": { w1: 1.5, b1: 0.5, w2: -1, b2: 1, v1: 1, v2: -0.5, c: -0.5 },
    "the absolute value": { w1: 1, b1: 0, w2: -1, b2: 0, v1: 1, v2: 1, c: 0 },
    "a ramp with two ends": { w1: 1, b1: 1, w2: 1, b2: -1, v1: 1, v2: -1, c: -1 },
    "a dead unit": { w1: 0.5, b1: -3, w2: 1, b2: 0, v1: 2, v2: 1, c: 0 },
  };
  const RANGE = 3; // x from -3 to 3
  const p = { ...PRESETS["any numbers"] };
  let activation = "none";

  const number = (z) => (Object.is(z, -0) ? 0 : z).toFixed(2).replace("-", "−");
  const factor = (z) => (z < 0 ? `(${number(z)})` : number(z));
  const h = (tag, attributes, ...children) => {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    element.append(...children);
    return element;
  };
  const svg = (tag, attributes, ...children) => {
    const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    element.append(...children);
    return element;
  };

  const twoLayers = (x) => {
    const f = FUNCTIONS[activation];
    return p.v1 * f(p.w1 * x + p.b1) + p.v2 * f(p.w2 * x + p.b2) + p.c;
  };
  const merged = () => ({ W: p.v1 * p.w1 + p.v2 * p.w2, b: p.v1 * p.b1 + p.v2 * p.b2 + p.c });

  // Where units cross zero in view, and by how much the slope changes there: units that cross at one place may cancel.
  const jumps = () => {
    const found = new Map();
    if (!activation.endsWith("relu")) return found;
    const bend = activation === "relu" ? 1 : 1 - LEAK;
    for (const [w, bias, v] of [[p.w1, p.b1, p.v1], [p.w2, p.b2, p.v2]]) {
      if (w === 0 || v === 0) continue;
      const x = Number((-bias / w).toFixed(9)); // places that differ by rounding are one, and the edge is the edge
      if (Math.abs(x) < RANGE) found.set(x, (found.get(x) ?? 0) + v * Math.abs(w) * bend);
    }
    return found;
  };

  // How far the best-fitting straight line stays from a curve: half the height of the lowest strip that holds the
  // curve, one edge of which touches it at two places. A convex function of the slope, so a search by thirds finds it.
  const bestLine = (xs, ys) => {
    const height = (slope) => {
      const rest = ys.map((y, i) => y - slope * xs[i]);
      return Math.max(...rest) - Math.min(...rest);
    };
    let low = -40, high = 40; // two units with weights up to 3 and slopes up to 1: |slope| <= 18
    for (let step = 0; step < 80; step += 1) {
      const third = (high - low) / 3;
      if (height(low + third) < height(high - third)) high -= third; else low += third;
    }
    return height((low + high) / 2) / 2;
  };

  /* --- controls */
  const choice = h("select", { id: "collapse-activation" });
  for (const name of Object.keys(FUNCTIONS)) choice.append(h("option", { value: name }, name));
  choice.addEventListener("change", () => { activation = choice.value; draw(); });
  const presets = h("p", {}, "Set to: ");
  for (const [name, values] of Object.entries(PRESETS)) {
    const button = h("button", { type: "button", class: "zoo-try-button", "data-preset": name }, name);
    button.addEventListener("click", () => { Object.assign(p, values); draw(); });
    presets.append(button, " ");
  }
  const sliders = h("div", { class: "zoo-try-sliders" }), inputs = {}, outputs = {};
  for (const [name, label] of SLIDERS) {
    const id = `collapse-${name}`;
    inputs[name] = h("input", { type: "range", id, min: -3, max: 3, step: 0.1 });
    outputs[name] = h("output", { for: id });
    inputs[name].addEventListener("input", () => { p[name] = Number(inputs[name].value); draw(); });
    sliders.append(h("div", {}, h("label", { for: id }, h("span", {}, h("b", {}, name), ` ${label}`), outputs[name]), inputs[name]));
  }

  /* --- plot */
  const WIDTH = 480, HEIGHT = 300, TOP = 6; // y from -6 to 6
  const sx = (x) => (x + RANGE) / (2 * RANGE) * WIDTH, sy = (y) => (TOP - y) / (2 * TOP) * HEIGHT;
  const net = svg("path", { class: "net" }), one = svg("path", { class: "one" }), folds = svg("g", {});
  const title = svg("title", { id: "collapse-title" }, "Output of the two layers, and of the one layer");
  const plot = svg("svg", { class: "zoo-try-plot", viewBox: `-24 -6 ${WIDTH + 34} ${HEIGHT + 26}`, role: "img", "aria-labelledby": "collapse-title" }, title);
  for (let t = -RANGE; t <= RANGE; t += 1) {
    plot.append(svg("path", { class: "axis", d: `M${sx(t)} 0V${HEIGHT}` }), svg("text", { x: sx(t), y: HEIGHT + 15, "text-anchor": "middle" }, String(t).replace("-", "−")));
  }
  for (let t = -TOP; t <= TOP; t += 3) {
    plot.append(svg("path", { class: "axis", d: `M0 ${sy(t)}H${WIDTH}` }), svg("text", { x: -5, y: sy(t) + 4, "text-anchor": "end" }, String(t).replace("-", "−")));
  }
  plot.append(svg("text", { x: WIDTH - 4, y: sy(0) - 5, "text-anchor": "end" }, "x"), svg("text", { x: sx(0) + 5, y: 10 }, "output"));
  const clip = svg("clipPath", { id: "collapse-clip" }, svg("rect", { x: 0, y: 0, width: WIDTH, height: HEIGHT }));
  plot.append(clip, svg("g", { "clip-path": "url(#collapse-clip)" }, net, one, folds));
  const formula = h("p", { id: "collapse-formula" }), verdict = h("p", { class: "zoo-try-status", role: "status", id: "collapse-verdict" });

  function draw() {
    for (const [name, label] of SLIDERS) {
      inputs[name].value = p[name];
      outputs[name].value = number(p[name]);
      inputs[name].setAttribute("aria-valuetext", `${label}: ${number(p[name])}`);
    }
    choice.value = activation;
    const { W, b } = merged();
    const xs = Array.from({ length: 601 }, (_, i) => -RANGE + i * RANGE / 300);
    const ys = xs.map(twoLayers);
    net.setAttribute("d", "M" + xs.map((x, i) => `${sx(x).toFixed(2)} ${sy(ys[i]).toFixed(2)}`).join("L"));
    one.setAttribute("d", `M${sx(-RANGE)} ${sy(-RANGE * W + b)}L${sx(RANGE)} ${sy(RANGE * W + b)}`);
    const difference = Math.max(...xs.map((x, i) => Math.abs(ys[i] - (W * x + b))));
    const miss = bestLine(xs, ys);
    const switches = jumps(), places = [...switches].filter(([, jump]) => Math.abs(jump) > 1e-9).map(([x]) => x);
    folds.replaceChildren(...places.map((x) => svg("circle", { class: "fold", cx: sx(x), cy: sy(twoLayers(x)), r: 4 })));
    formula.replaceChildren(
      h("b", {}, "One layer: "), `W = v1·w1 + v2·w2 = ${factor(p.v1)}·${factor(p.w1)} + ${factor(p.v2)}·${factor(p.w2)} = `, h("output", { id: "collapse-W" }, number(W)),
      `; b = v1·b1 + v2·b2 + c = ${factor(p.v1)}·${factor(p.b1)} + ${factor(p.v2)}·${factor(p.b2)} + ${factor(p.c)} = `, h("output", { id: "collapse-b" }, number(b)), ".");
    const equal = difference < 1e-9, straight = miss < 1e-6;
    verdict.replaceChildren(h("b", {}, activation === "none" ? "No activation. " : `${activation} between. `),
      equal ? `Two layers and one layer: the same line ${activation === "none" ? "everywhere" : "on this stretch"}. `
        : straight ? "A straight line all the same, only not the dashed one: another single layer does this. "
          : `No single layer does this: even the best straight line misses it by ${number(miss)}${miss < 0.005 ? " (rounded)" : ""}. `,
      activation.endsWith("relu")
        ? (places.length ? `${places.length} fold${places.length > 1 ? "s" : ""} in view, so ${places.length + 1} straight pieces.`
          : switches.size ? "No fold in view: both units switch at the same place, and their folds cancel."
            : "No fold in view: no unit that is connected switches on this stretch.")
        : "");
    verdict.dataset.difference = String(difference);
    verdict.dataset.miss = String(miss);
    title.textContent = verdict.textContent;
  }

  root.replaceChildren(
    h("p", { class: "zoo-try-control" }, h("label", { for: "collapse-activation" }, "Between the two layers "), choice), presets, verdict, plot,
    h("p", { class: "zoo-try-note" }, "Thick: the two layers. Dashed: the one layer. Dots: folds, where the slope changes."), formula, sliders);
  root.classList.add("zoo-try-live");
  draw();
})();
