/* The placement lab: pick or draw an image, move the activation, watch a trained net react.
   Needs elements.js, net.js (the operations) and placement-lab-data.js (graphs, weights, images). */
(() => {
  "use strict";
  const root = document.getElementById("placement-lab");
  const data = globalThis.zooLabData, net = globalThis.zooNet;
  const { h, inkOf, percent } = globalThis.zooElements;
  if (!root || !data || !net) return;

  const PLACEMENTS = {
    plain: [
      ["conv_norm_act", "after BN: conv, BN, activation"],
      ["conv_act_norm", "before BN: conv, activation, BN"],
      ["norm_act_conv", "before the convolution: BN, activation, conv"],
      ["conv_act", "no BN: conv, activation"],
    ],
    residual: [
      ["original", "after the addition (original)"],
      ["bn_after_addition", "after the addition and BN"],
      ["relu_before_addition", "before the addition"],
      ["relu_only_pre_activation", "before the convolutions (ReLU only)"],
      ["full_pre_activation", "before the convolutions (full pre-activation)"],
    ],
  };
  const SYMBOL = { input: "image", conv: "convolution", norm: "BN", act: "activation", pool: "pooling", add: "addition", pad: "zero padding" };
  const state = {
    net: "plain", plain: "conv_norm_act", residual: "original", pooling: "max", order: "act_pool",
    activation: "relu", weights: "own", image: 9, at: null, // {name, channel, row, column} of the pixel that is followed
  };
  const decoded = {};
  let image = net.pixels(data.images[state.image].pixels);
  let shown = null, previous = null;

  /* --- small tools -------------------------------------------------------------------------------- */
  const number = (z) => (Math.abs(z) >= 1000 || (z !== 0 && Math.abs(z) < 0.001) ? z.toExponential(1) : z.toFixed(3)).replaceAll("-", "−");
  const weightsOf = (key) => (decoded[key] ??= net.decode(data.weights[key]));

  /* --- which graph, which weights ----------------------------------------------------------------- */
  const canPoolFirst = () => state.net === "plain" && state.plain.endsWith("act");
  function graphKey() {
    if (state.net === "residual") return `residual|${state.residual}|`;
    return `plain|${state.plain}|${canPoolFirst() ? state.order : "act_pool"}`;
  }
  function weightsKey() {
    if (state.weights === "kept") return state.net === "plain" ? "plain|conv_norm_act|max|relu" : "residual|original||relu";
    if (state.net === "residual") {
      return [`residual|${state.residual}||${state.activation}`, `residual|${state.residual}||relu`].find((k) => data.weights[k]);
    }
    const pooling = state.pooling === "max" ? "max" : `average ${canPoolFirst() ? state.order : "act_pool"}`;
    return [
      `plain|${state.plain}|${pooling}|${state.activation}`, `plain|${state.plain}|${pooling}|relu`, `plain|${state.plain}|max|relu`,
    ].find((k) => data.weights[k]);
  }
  /* What a set of weights lacks for a graph, or null. A missing bias counts as zero. */
  function misfit(ops, weights) {
    const inputs = [];
    for (const op of ops) {
      if (op.op === "norm" && !weights[`${op.name}/gamma`]) return `${op.name} has no counterpart`;
      if ((op.op === "conv" || op.op === "dense") && !weights[`${op.name}/kernel`]) return `${op.name} has no counterpart`;
      const channels = op.op === "input" ? 1 : op.op === "conv" ? weights[`${op.name}/kernel`].shape[3]
        : inputs[op.inputs[0]] + (op.op === "pad" ? op.padding[2][0] + op.padding[2][1] : 0);
      if (op.op === "norm" && weights[`${op.name}/gamma`].shape[0] !== channels) return `${op.name} has another number of channels`;
      inputs[ops.indexOf(op)] = channels;
    }
    return null;
  }

  function compute() {
    const ops = data.graphs[graphKey()];
    const problem = state.weights === "kept" ? misfit(ops, weightsOf(weightsKey())) : null;
    if (problem) state.weights = "own";
    const key = weightsKey();
    const done = net.run(ops, weightsOf(key), image, state);
    const logits = Array.from(done[done.length - 1].data);
    return { ops, key, done, logits, problem };
  }

  /* --- controls ----------------------------------------------------------------------------------- */
  const choose = (name) => (event) => { state[name] = event.target.value; update(); };
  function select(label, id, options, onchange) {
    const box = h("select", { id: `lab-${id}`, onchange });
    for (const [value, text] of options) box.append(h("option", { value }, text));
    return h("p", { class: "zoo-try-control" }, h("label", { for: `lab-${id}` }, label), box);
  }
  const thumbnails = h("div", { class: "zoo-lab-images", role: "group", "aria-label": "Pictures of the test set" });
  data.images.forEach((picture, index) => {
    const canvas = h("canvas", { width: 28, height: 28, "aria-hidden": "true" });
    paintImage(canvas, net.pixels(picture.pixels));
    thumbnails.append(h("button", {
      type: "button", "data-image": index, "aria-label": data.classes[picture.label], title: data.classes[picture.label],
      onclick: () => { state.image = index; image = net.pixels(picture.pixels); update(); },
    }, canvas));
  });

  const pen = { row: 14, column: 14, on: false, erase: false };
  const paper = h("canvas", {
    width: 28, height: 28, class: "zoo-lab-paper", tabindex: 0, role: "application", id: "lab-paper",
    "aria-label": "Drawing area, 28 by 28. Arrow keys move the pen, space paints, E erases, C clears.",
  });
  const eraser = h("input", { type: "checkbox", id: "lab-eraser", onchange: (e) => { pen.erase = e.target.checked; } });
  const penAt = h("span", { role: "status", id: "lab-pen" }); // for those who draw by keyboard
  function stroke(row, column) {
    for (let r = row - 1; r <= row + 1; r += 1) for (let c = column - 1; c <= column + 1; c += 1) {
      if (r < 0 || c < 0 || r > 27 || c > 27) continue;
      const strength = r === row && c === column ? 1 : 0.5;
      image[r * 28 + c] = pen.erase ? 0 : Math.max(image[r * 28 + c], strength);
    }
    state.image = null;
    update();
  }
  const sayPen = () => { penAt.textContent = `Pen: row ${pen.row + 1}, column ${pen.column + 1}, ${pen.erase ? "erases" : "paints"}.`; };
  function clear() { image = new Float64Array(784); state.image = null; update(); }
  const place = (event) => {
    const box = paper.getBoundingClientRect();
    return [event.clientY - box.top, event.clientX - box.left].map((z) => Math.min(27, Math.max(0, Math.floor(z / box.width * 28))));
  };
  paper.addEventListener("pointerdown", (event) => {
    paper.setPointerCapture(event.pointerId);
    pen.on = true;
    penAt.replaceChildren();
    [pen.row, pen.column] = place(event);
    stroke(pen.row, pen.column);
  });
  paper.addEventListener("pointermove", (event) => {
    if (!pen.on) return;
    [pen.row, pen.column] = place(event);
    stroke(pen.row, pen.column);
  });
  for (const end of ["pointerup", "pointercancel"]) paper.addEventListener(end, () => { pen.on = false; });
  const STEP = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
  /* Ctrl+C copies and Alt+Left goes back: with these a key is the browser's. */
  const modified = (event) => event.ctrlKey || event.altKey || event.metaKey;
  paper.addEventListener("keydown", (event) => {
    if (modified(event)) return;
    const step = STEP[event.key];
    if (step) {
      pen.row = Math.min(27, Math.max(0, pen.row + step[0]));
      pen.column = Math.min(27, Math.max(0, pen.column + step[1]));
      paintImage(paper, image, pen);
      sayPen();
    } else if (event.key === " ") stroke(pen.row, pen.column);
    else if (event.key === "e" || event.key === "E") { eraser.checked = pen.erase = !pen.erase; sayPen(); }
    else if (event.key === "c" || event.key === "C") clear();
    else return;
    event.preventDefault();
  });
  paper.addEventListener("focus", () => paintImage(paper, image, pen));
  paper.addEventListener("blur", () => { paintImage(paper, image); penAt.replaceChildren(); });

  const controls = h("div", { class: "zoo-try-controls" },
    select("Net", "net", [["plain", "plain, 4 convolutions"], ["residual", "residual, 8 layers"]], choose("net")),
    select("Activation", "placement", [], (event) => { state[state.net] = event.target.value; update(); }),
    select("Pooling", "pooling", [["max", "maximum"], ["average", "average"]], choose("pooling")),
    select("Order at the pooling", "order", [["act_pool", "activation, then pooling"], ["pool_act", "pooling, then activation"]], choose("order")),
    select("Function", "function", Object.keys(net.functions).map((f) => [f, f === "linear" ? "none (linear)" : f]), choose("activation")),
    select("Weights", "weights", [["own", "trained for this placement"], ["kept", "kept: moved without training"]], choose("weights")),
  );
  const status = h("p", { class: "zoo-try-status", role: "status", id: "lab-status" });
  const scores = h("table", { class: "zoo-lab-scores", id: "lab-scores" });
  const maps = h("div", { class: "zoo-lab-maps", id: "lab-maps" });
  // The line that is read aloud stays in the page; what explains it is made anew.
  const traced = h("p", { role: "status", id: "lab-pixel" }), steps = h("div", {});
  const trace = h("div", { class: "zoo-lab-trace", id: "lab-trace" }, traced, steps);

  /* --- drawing ------------------------------------------------------------------------------------ */
  function paintImage(canvas, values, cursor) {
    const context = canvas.getContext("2d"), pixels = context.createImageData(28, 28);
    values.forEach((v, i) => pixels.data.set([v * 255, v * 255, v * 255, 255], 4 * i));
    if (cursor) pixels.data.set([...inkOf(root, "plus"), 255], 4 * (cursor.row * 28 + cursor.column));
    context.putImageData(pixels, 0, 0);
  }
  const PER_ROW = 8;
  const layoutOf = (value) => ({ columns: Math.min(value.c, PER_ROW), rows: Math.ceil(value.c / PER_ROW), w: value.w + 1, h: value.h + 1 });
  /* Positive orange, negative violet, zero nothing at all: zeros show as holes. */
  function paintMaps(canvas, value, mark) {
    const { columns, rows, w, h: height } = layoutOf(value);
    canvas.width = columns * w - 1;
    canvas.height = rows * height - 1;
    const context = canvas.getContext("2d"), pixels = context.createImageData(canvas.width, canvas.height);
    const plus = inkOf(root, "plus"), minus = inkOf(root, "minus");
    let top = 1e-12;
    for (const z of value.data) top = Math.max(top, Math.abs(z));
    for (let c = 0; c < value.c; c += 1) for (let y = 0; y < value.h; y += 1) for (let x = 0; x < value.w; x += 1) {
      const z = value.data[(y * value.w + x) * value.c + c];
      if (z === 0) continue;
      const at = ((Math.floor(c / PER_ROW) * height + y) * canvas.width + (c % PER_ROW) * w + x) * 4;
      pixels.data.set(z > 0 ? plus : minus, at);
      pixels.data[at + 3] = 40 + 215 * Math.abs(z) / top;
    }
    if (mark) {
      const at = ((Math.floor(mark.channel / PER_ROW) * height + mark.row) * canvas.width + (mark.channel % PER_ROW) * w + mark.column) * 4;
      pixels.data.set([...inkOf(root, "here"), 255], at);
    }
    context.putImageData(pixels, 0, 0);
  }

  function limits(data_) {
    let low = Infinity, high = -Infinity, zeros = 0;
    for (const z of data_) { low = Math.min(low, z); high = Math.max(high, z); zeros += z === 0; }
    return { low, high, zeros: zeros / data_.length };
  }

  const titleOf = (op) => op.op === "act" ? `activation (${state.activation})`
    : op.op === "pool" ? (op.size === 1 ? "every second pixel" : `${state.pooling} pooling`) : SYMBOL[op.op];

  const mapped = (op) => op.op !== "pad" && op.op in SYMBOL;
  /* The pixel is followed by the name of its map: another placement has other maps, elsewhere and of other sizes. */
  function settle() {
    const { ops, done } = shown;
    let index = ops.findIndex((op) => mapped(op) && op.name === state.at?.name);
    if (index < 0) {
      index = ops.findIndex((op) => mapped(op) && op.op !== "input");
      state.at = { name: ops[index].name, channel: 0, row: 12, column: 14 };
    }
    const { c, h: height, w } = done[index], { name, channel, row, column } = state.at;
    state.at = { name, channel: Math.min(channel, c - 1), row: Math.min(row, height - 1), column: Math.min(column, w - 1) };
  }

  /* The maps of the graph that is on. They are made anew only for another graph, so that focus stays where it is. */
  let panels = [], standing = null;
  function makeMaps() {
    standing = shown.ops;
    panels = shown.ops.flatMap((op, index) => (mapped(op) ? [panelOf(op, index)] : []));
    maps.replaceChildren(...panels.map(({ box }) => box));
  }
  function panelOf(op, index) {
    const canvas = h("canvas", { tabindex: 0, role: "application", "data-op": index });
    const words = h("p", {}), box = h("div", { class: op.op === "act" ? "zoo-lab-map zoo-lab-act" : "zoo-lab-map", "data-name": op.name, "data-kind": op.op }, words, canvas);
    canvas.addEventListener("click", (event) => {
      const value = shown.done[index], shape = layoutOf(value), seen = canvas.getBoundingClientRect();
      const x = Math.floor((event.clientX - seen.left) / seen.width * canvas.width), y = Math.floor((event.clientY - seen.top) / seen.height * canvas.height);
      const channel = Math.floor(y / shape.h) * PER_ROW + Math.floor(x / shape.w);
      if (channel >= value.c) return;
      follow(op.name, channel, Math.min(value.h - 1, y % shape.h), Math.min(value.w - 1, x % shape.w));
    });
    canvas.addEventListener("keydown", (event) => {
      if (modified(event)) return;
      const value = shown.done[index], step = STEP[event.key];
      const at = state.at.name === op.name ? { ...state.at } : { channel: 0, row: value.h >> 1, column: value.w >> 1 };
      if (step) {
        at.row = Math.min(value.h - 1, Math.max(0, at.row + step[0]));
        at.column = Math.min(value.w - 1, Math.max(0, at.column + step[1]));
      } else if (event.key === "PageUp") at.channel = (at.channel + value.c - 1) % value.c;
      else if (event.key === "PageDown") at.channel = (at.channel + 1) % value.c;
      else if (event.key !== "Enter" && event.key !== " ") return;
      event.preventDefault();
      follow(op.name, at.channel, at.row, at.column);
    });
    return { op, index, canvas, words, box };
  }
  const paintPanel = ({ op, index, canvas }) => paintMaps(canvas, shown.done[index], state.at.name === op.name ? state.at : null);
  function drawMaps() {
    if (standing !== shown.ops) makeMaps();
    for (const panel of panels) {
      const { op, index, canvas, words, box } = panel, value = shown.done[index], shape = layoutOf(value);
      const { low, high, zeros } = limits(value.data);
      canvas.setAttribute("aria-label", `${op.name}, ${value.c} maps of ${value.h} by ${value.w}. Arrow keys move the pixel that is followed, page up and page down change the map.`);
      canvas.style.width = `${Math.min(100, 100 * shape.columns * shape.w / (op.op === "input" ? 116 : value.c <= 4 ? 116 : 120))}%`;
      box.dataset.zeros = zeros.toFixed(4);
      words.replaceChildren(h("b", {}, titleOf(op)), ` ${op.name}`, h("br"),
        h("span", {}, `${value.h}×${value.w}×${value.c}, ${number(low)} to ${number(high)}, `, h("b", {}, `${percent(zeros)} zeros`)));
      paintPanel(panel);
    }
  }

  function follow(name, channel, row, column) {
    const left = state.at.name;
    state.at = { name, channel, row, column };
    panels.filter(({ op }) => op.name === left || op.name === name).forEach(paintPanel);
    drawTrace();
  }

  /* --- one pixel, followed ------------------------------------------------------------------------ */
  function grid(caption, values) {
    const table = h("table", { class: "zoo-lab-grid" }, h("caption", {}, caption));
    for (const row of values) table.append(h("tr", {}, ...row.map((z) => h("td", {}, z === null ? "pad 0" : number(z)))));
    return table;
  }
  function drawTrace() {
    const { ops, done, key } = shown;
    const { name, channel, row, column } = state.at, index = ops.findIndex((one) => one.name === name);
    const op = ops[index], value = done[index], x = done[op.inputs[0]];
    const weights = weightsOf(key), tensor = (name) => weights[`${op.name}/${name}`];
    const result = value.data[(row * value.w + column) * value.c + channel];
    const input = (r, c, m) => x.data[(r * x.w + c) * x.c + m];
    const parts = [];
    if (op.op === "conv") {
      const { data: kernel, shape: [k, , inputs, filters] } = tensor("kernel");
      const before = [net.windows(x.h, k, op.strides, op.padding).before, net.windows(x.w, k, op.strides, op.padding).before];
      const bias = tensor("bias")?.data[channel] ?? 0;
      const sums = [];
      for (let m = 0; m < inputs; m += 1) {
        const seen = [], learned = [];
        let sum = 0;
        for (let i = 0; i < k; i += 1) {
          seen.push([]); learned.push([]);
          for (let j = 0; j < k; j += 1) {
            const r = row * op.strides + i - before[0], c = column * op.strides + j - before[1];
            const inside = r >= 0 && c >= 0 && r < x.h && c < x.w;
            const w = kernel[((i * k + j) * inputs + m) * filters + channel];
            seen[i].push(inside ? input(r, c, m) : null);
            learned[i].push(w);
            if (inside) sum += input(r, c, m) * w;
          }
        }
        sums.push({ m, seen, learned, sum });
      }
      const all = sums.reduce((total, s) => total + s.sum, 0);
      const large = [...sums].sort((a, b) => Math.abs(b.sum) - Math.abs(a.sum)).slice(0, 2);
      for (const s of large) {
        parts.push(h("div", { class: "zoo-lab-product" },
          grid(`input map ${s.m + 1}`, s.seen), h("span", {}, "·"), grid("weights", s.learned), h("span", {}, `= ${number(s.sum)}`)));
      }
      const rest = all - large.reduce((total, s) => total + s.sum, 0);
      const others = sums.length - large.length;
      parts.push(h("p", {},
        `Dot product: multiply the pairs, add them up. ${others ? `The other ${others} input map${others > 1 ? "s" : ""} add ${number(rest)}. ` : ""}`,
        `Sum ${number(all)}${tensor("bias") ? `, bias ${number(bias)}` : ", no bias"}: `, h("b", { id: "lab-traced" }, number(all + bias)),
        `. The same ${k * k * inputs} weights serve all ${value.h * value.w} places of this map.`));
    } else if (op.op === "norm") {
      const [gamma, beta, mu, variance] = ["gamma", "beta", "moving_mean", "moving_variance"].map((n) => tensor(n).data[channel]);
      const z = input(row, column, channel);
      parts.push(h("p", {}, `BN of ${number(z)}: (${number(z)} − mean ${number(mu)}) / √(variance ${number(variance)} + ε) × gamma ${number(gamma)} + beta ${number(beta)} = `,
        h("b", { id: "lab-traced" }, number((z - mu) / Math.sqrt(variance + op.epsilon) * gamma + beta)), ". The same four numbers for the whole map."));
    } else if (op.op === "act") {
      const z = input(row, column, channel);
      parts.push(h("p", {}, `${state.activation}(${number(z)}) = `, h("b", { id: "lab-traced" }, number(net.functions[state.activation](z))), ". One number in, one number out: no neighbours, no weights."));
    } else if (op.op === "pool") {
      const seen = [];
      for (let i = 0; i < op.size; i += 1) {
        seen.push([]);
        for (let j = 0; j < op.size; j += 1) seen[i].push(input(row * op.strides + i, column * op.strides + j, channel));
      }
      parts.push(grid("window", seen), h("p", {}, op.size === 1 ? "Taken as it is: " : `${state.pooling === "max" ? "The largest" : "The average"} of them: `, h("b", { id: "lab-traced" }, number(result))));
    } else if (op.op === "add") {
      const [a, b] = op.inputs.map((i) => done[i].data[(row * value.w + column) * value.c + channel]);
      const [from, to] = op.inputs.map((i) => ops[i].name);
      parts.push(h("p", {}, `${number(a)} (${from}) + ${number(b)} (${to}) = `, h("b", { id: "lab-traced" }, number(a + b))));
    } else parts.push(h("p", {}, "The pixel itself: ", h("b", { id: "lab-traced" }, number(result)), " (0 is black, 1 is white)."));
    const line = [h("b", {}, op.name), `, map ${channel + 1} of ${value.c}, row ${row + 1}, column ${column + 1}: `, h("b", { id: "lab-value" }, number(result))];
    // Not read aloud again where nothing in it changed.
    if (traced.textContent !== line.map((part) => part.textContent ?? part).join("")) traced.replaceChildren(...line);
    steps.replaceChildren(...parts);
  }

  /* --- everything together ------------------------------------------------------------------------ */
  function drawScores(change) {
    const probabilities = net.softmax(shown.logits);
    const best = shown.logits.indexOf(Math.max(...shown.logits));
    scores.replaceChildren(h("caption", {}, "Class scores (logits) and probabilities (softmax)"));
    shown.logits.forEach((logit, i) => {
      const bar = h("span", { class: "zoo-lab-bar" });
      bar.style.width = `${100 * probabilities[i]}%`;
      scores.append(h("tr", { class: i === best ? "zoo-lab-best" : null },
        h("th", { scope: "row" }, data.classes[i]), h("td", { class: "zoo-number", "data-logit": logit }, number(logit)),
        h("td", {}, bar, h("span", {}, percent(probabilities[i])))));
    });
    const [family, placement, pooling, trainedWith] = shown.key.split("|");
    const truth = state.image === null ? "That is for your drawing." : `Actual: ${data.classes[data.images[state.image].label]}.`;
    status.replaceChildren(
      "Prediction: ", h("b", {}, `${data.classes[best]} (${percent(probabilities[best])})`), `. ${truth} `,
      change === null ? "" : h("span", {}, "Largest change of a score by your last step: ", h("b", { id: "lab-change" }, change === 0 ? "0, equal to the bit" : number(change)), ". "),
      `Weights: ${family} net trained as ${placement}${pooling ? ` with ${pooling.split(" ")[0]} pooling` : ""} and ${trainedWith}, `,
      `test accuracy ${(100 * data.weights[shown.key].accuracy).toFixed(2)} % as trained. `,
      trainedWith !== state.activation ? `You run them with ${state.activation}, without training again. ` : "",
      shown.problem ? `These weights cannot be kept here: ${shown.problem}. ` : "");
  }

  function update() {
    const placement = controls.querySelector("#lab-placement");
    placement.replaceChildren(...PLACEMENTS[state.net].map(([value, text]) => h("option", { value }, text)));
    placement.value = state[state.net];
    shown = compute();
    for (const [id, value] of Object.entries({ net: state.net, pooling: state.pooling, order: state.order, function: state.activation, weights: state.weights })) {
      controls.querySelector(`#lab-${id}`).value = value;
    }
    controls.querySelector("#lab-pooling").disabled = state.net === "residual";
    controls.querySelector("#lab-order").disabled = !canPoolFirst();
    thumbnails.querySelectorAll("button").forEach((b) => b.setAttribute("aria-pressed", String(Number(b.dataset.image) === state.image)));
    paintImage(paper, image, document.activeElement === paper ? pen : null);
    const change = previous && previous.length === shown.logits.length
      ? Math.max(...shown.logits.map((z, i) => Math.abs(z - previous[i]))) : null;
    drawScores(change);
    settle();
    drawMaps();
    drawTrace();
    previous = shown.logits;
  }

  root.replaceChildren(
    h("div", { class: "zoo-lab-top" },
      h("div", {}, h("h2", {}, "1. A picture"), thumbnails,
        h("div", { class: "zoo-lab-draw" }, paper,
          h("p", {}, "Draw over it, or on black.", h("br"),
            h("button", { type: "button", class: "zoo-try-button", id: "lab-clear", onclick: clear }, "Clear"), " ",
            h("label", {}, eraser, " erase"), h("br"), penAt))),
      h("div", {}, h("h2", {}, "2. The placement"), controls),
      h("div", { class: "zoo-lab-says" }, h("h2", {}, "3. What the net says"), status, scores)),
    h("h2", {}, "4. One pixel, followed"),
    h("p", { class: "zoo-try-note" }, "Click a pixel of a map below, or move with the arrow keys. Page up and page down change the map."),
    trace,
    h("h2", {}, "5. Every step"),
    h("p", { class: "zoo-try-note" }, "Orange is positive, violet negative, a hole is exactly zero. Each picture has its own scale."),
    maps);
  root.classList.add("zoo-try-live");
  update();
  new MutationObserver(drawMaps).observe(document.body, { attributes: true, attributeFilter: ["data-md-color-scheme"] });
  // Paper is white: before it is printed, a page still has the colours of the screen.
  addEventListener("beforeprint", () => { root.dataset.mdColorScheme = "default"; drawMaps(); });
  addEventListener("afterprint", () => { delete root.dataset.mdColorScheme; drawMaps(); });
})();
