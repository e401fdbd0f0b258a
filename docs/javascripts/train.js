/* Train in the page: a small dense net learns points of the plane or written digits, and the reader places its
   activations. Needs dense-net.js (the net) and elements.js; fetches digits-data.js when digits are first chosen. */
(() => {
  "use strict";
  const root = document.getElementById("train"), dense = globalThis.zooDense;
  if (!root || !dense) return;
  const { calm, counted, fetched, h, inkOf, percent, svg, view } = globalThis.zooElements;

  const SETS = { spiral: "two spirals", circles: "a ring around a disc", moons: "two half-moons", digits: "written digits" };
  const PLACEMENTS = { none: "none", first: "after layer 1", second: "after layer 2", both: "after layers 1 and 2" };
  const FUNCTIONS = dense.TITLES;
  const RATES = [0.01, 0.03, 0.1, 0.3, 1, 3];
  // Layers, where "Train" stops by itself, and how high the picture of the loss is.
  const PLANE = { sizes: dense.SIZES, epochs: 300, times: [0, 100, 200, 300], top: 0.8, ticks: [0, 0.2, 0.4, 0.6, 0.8] };
  const DIGITS = { sizes: [64, 32, 32, 10], epochs: 40, times: [0, 10, 20, 30, 40], top: 2.5, ticks: [0, 0.5, 1, 1.5, 2, 2.5] };
  const PIXELS = 8; // of a digit, each way
  const SEEDS = 10;
  const CELLS = 64, EXTENT = 1.65; // the plane is drawn from -EXTENT to EXTENT, in CELLS x CELLS cells
  const FRAME = 0.03; // seconds of training between two pictures, so that the page stays alive
  const state = { set: "spiral", placement: "none", activation: "relu", rate: 0.3, seed: 1 };
  let net, data, losses, found, running = null, recorded = true;
  let unseen = null; // digits that the net does not learn from
  let epochs = 0, steps = 0; // steps within the present epoch

  /* --- controls ----------------------------------------------------------------------------------- */
  function select(label, name, options, read = String) {
    const box = h("select", { id: `train-${name}`, onchange: () => { pause(); state[name] = read(box.value); restart(); } }); // what was running goes by its own settings
    for (const [value, text] of options) box.append(h("option", { value }, text));
    box.value = state[name];
    return h("p", { class: "zoo-try-control" }, h("label", { for: `train-${name}` }, label), box);
  }
  const controls = h("div", { class: "zoo-try-controls" },
    select("Data", "set", Object.entries(SETS)),
    select("Activations", "placement", Object.entries(PLACEMENTS)),
    select("Function", "activation", Object.entries(FUNCTIONS)),
    select("Learning rate", "rate", RATES.map((rate) => [rate, String(rate)]), Number),
    select("Seed", "seed", Array.from({ length: SEEDS }, (_, i) => [i + 1, String(i + 1)]), Number));
  const button = (id, text, onclick) => h("button", { type: "button", class: "zoo-try-button", id: `train-${id}`, onclick }, text);
  const go = button("go", "Train", () => { if (running === null) begin(); else pause(); });
  const further = [button("step", "One step", () => { pause(); one(); }), button("epoch", "One epoch", () => { pause(); learn(1); show(); say(); })];
  const buttons = h("p", { class: "zoo-train-buttons" }, go, ...further, button("reset", "Reset", () => restart()));
  const now = h("p", { id: "train-now", class: "zoo-train-now" });
  // Read out when something has come to an end, not sixty times a second.
  const verdict = h("p", { class: "zoo-try-status", role: "status", id: "train-verdict" });
  const plane = h("canvas", { id: "train-plane", width: 512, height: 512, role: "img", class: "zoo-train-plane" });
  const rows = h("tbody", {});
  const runs = h("table", { id: "train-runs", hidden: true }, h("caption", {}, "Your runs, the latest first"),
    h("thead", {}, h("tr", {}, ...["data", "activations", "rate", "seed", "epochs", "loss", "accuracy", "dead"].map((t) => h("th", { scope: "col" }, t)))), rows);

  /* --- the loss, epoch by epoch -------------------------------------------------------------------- */
  const WIDTH = 300, HEIGHT = 150;
  const task = () => (state.set === "digits" ? DIGITS : PLANE), classes = () => task().sizes.at(-1);
  const sx = (epoch) => epoch / task().epochs * WIDTH, sy = (loss) => HEIGHT * (1 - Math.min(loss, task().top) / task().top);
  const curve = svg("path", { class: "net" });
  const title = svg("title", { id: "train-loss-title" }, "Loss by epoch");
  const plot = svg("svg", { class: "zoo-try-plot zoo-train-loss", viewBox: `-30 -16 ${WIDTH + 44} ${HEIGHT + 38}`, role: "img", "aria-labelledby": "train-loss-title" });
  function axes() {
    const { epochs: most, times, ticks } = task(), guess = Math.log(classes());
    plot.replaceChildren(title);
    for (const t of times) {
      plot.append(svg("path", { class: "axis", d: `M${sx(t)} 0V${HEIGHT}` }));
      plot.append(svg("text", t === most ? { x: WIDTH + 12, y: HEIGHT + 15, "text-anchor": "end" } : { x: sx(t), y: HEIGHT + 15, "text-anchor": "middle" }, t === most ? `${t} epochs` : String(t)));
    }
    for (const t of ticks) plot.append(svg("path", { class: "axis", d: `M0 ${sy(t)}H${WIDTH}` }), svg("text", { x: -5, y: sy(t) + 4, "text-anchor": "end" }, String(t)));
    plot.append(svg("path", { class: "one", d: `M0 ${sy(guess)}H${WIDTH}` }), svg("text", { x: WIDTH, y: -6, "text-anchor": "end" }, `dashed: guessing, ln ${classes()} = ${guess.toFixed(2)}`), svg("text", { x: -28, y: -6 }, "↑ loss"), curve);
  }

  /* --- learning ------------------------------------------------------------------------------------ */
  /* Digits are a file of their own, which only who wants them gets. */
  function fetchDigits() {
    verdict.textContent = "Getting the digits …";
    fetched("digits-data.js").then(() => { if (state.set === "digits") restart(); }, () => { if (state.set === "digits") verdict.textContent = "The digits could not be loaded. Choose other data, or load the page again."; });
  }
  function restart() {
    pause();
    const digits = globalThis.zooDigits;
    for (const it of buttons.children) it.disabled = state.set === "digits" && !digits;
    if (state.set === "digits" && !digits) { fetchDigits(); return; }
    data = state.set === "digits" ? dense.images(digits.learned) : dense.dataSet(state.set, state.seed);
    unseen = state.set === "digits" ? dense.images(digits.unseen) : null;
    net = dense.start(state.seed, task().sizes);
    axes();
    epochs = 0;
    steps = 0;
    losses = [];
    recorded = true;
    root.querySelector("#train-activation").disabled = state.placement === "none";
    look();
    show();
    say();
  }
  function look() {
    found = dense.judge(net, state, data);
    found.unseen = unseen ? dense.judge(net, state, unseen).accuracy : null;
    losses.push([epochs + steps * dense.BATCH / data.points.length, found.loss]);
  }
  const diverged = () => !Number.isFinite(found.loss);
  function one() {
    if (finished()) return;
    dense.epoch(net, state, data, state.rate, state.seed, epochs, steps, steps + 1);
    steps += 1;
    if (steps * dense.BATCH === data.points.length) { steps = 0; epochs += 1; }
    recorded = false;
    look();
    show();
    say();
  }
  function learn(count) {
    for (let i = 0; i < count && !finished(); i += 1) {
      dense.epoch(net, state, data, state.rate, state.seed, epochs, steps); // what single steps have left of it
      steps = 0;
      epochs += 1;
      recorded = false;
      look();
    }
  }
  /* There the axis ends, and the buttons that would go further do nothing; "Train" begins anew. */
  const finished = () => epochs >= task().epochs || diverged();
  function begin() {
    if (finished()) restart();
    verdict.textContent = "Training …";
    go.textContent = "Pause";
    view(answer, buttons);
    running = 0;
    const turn = () => {
      if (running === null) return;
      const until = performance.now() + 1000 * (calm() ? 4 * FRAME : FRAME);
      do learn(1); while (performance.now() < until && !finished());
      if (finished()) { pause(); return; }
      // Who asked for little motion sees the beginning and the end.
      if (calm()) numbers(); else show();
      running = setTimeout(turn, calm() ? 0 : 16);
    };
    running = setTimeout(turn, 0);
  }
  function pause() {
    if (running === null) return;
    clearTimeout(running);
    running = null;
    go.textContent = "Train";
    record();
    show();
    say();
  }
  function record() {
    if (recorded) return;
    recorded = true;
    const activations = state.placement === "none" ? "none" : `${FUNCTIONS[state.activation]} ${PLACEMENTS[state.placement]}`;
    rows.prepend(h("tr", {}, ...[SETS[state.set], activations, state.rate, state.seed, epochs,
      diverged() ? "diverged" : found.loss.toFixed(3), diverged() ? "-" : percent(found.accuracy), diverged() ? "-" : found.dead.join(" + ")].map((t) => h("td", {}, String(t)))));
    while (rows.children.length > 6) rows.lastChild.remove();
    runs.hidden = false;
  }

  /* --- drawing ------------------------------------------------------------------------------------- */
  /* [red, green, blue] of the two classes, for the scheme that is on. */
  const colours = () => ["minus", "plus"].map((name) => inkOf(root, name));
  const paint = () => { if (data && net) (unseen ? paintDigits : paintPlane)(); };
  /* Above, digits that the net has not seen and what it says of them; below, the weights of each unit of layer 1. */
  function paintDigits() {
    const [minus, plus] = colours();
    const context = plane.getContext("2d"), size = plane.width, ink = getComputedStyle(root).getPropertyValue("--zoo-ink"), soft = getComputedStyle(root).getPropertyValue("--zoo-soft");
    const functions = dense.activations(state), across = 10, down = 4, cell = size / across, wide = 4 * PIXELS, left = 3;
    context.clearRect(0, 0, size, size);
    context.font = "18px sans-serif";
    unseen.points.slice(0, across * down).forEach((point, n) => {
      const x = n % across * cell, y = Math.floor(n / across) * 56, says = dense.largest(dense.forward(net, functions, point).logits), wrong = says !== unseen.labels[n];
      point.forEach((z, i) => {
        context.fillStyle = ink;
        context.globalAlpha = z;
        context.fillRect(x + left + i % PIXELS * 4, y + 5 + Math.floor(i / PIXELS) * 4, 4, 4);
      });
      context.globalAlpha = 1;
      context.fillStyle = wrong ? ink : soft;
      context.fillText(String(says), x + left + wide + 3, y + 36);
      if (wrong) { context.strokeStyle = `rgb(${plus})`; context.lineWidth = 3; context.strokeRect(x + 1.5, y + 1.5, cell - 3, wide + 8); }
    });
    const top = 236, { units, kernel, inputs } = net[0], columns = 8, room = size / columns, pixel = 7;
    const largest = kernel.reduce((most, w) => Math.max(most, Math.abs(w)), 0) || 1;
    for (let u = 0; u < units; u += 1) {
      const x = u % columns * room + 4, y = top + Math.floor(u / columns) * 68, side = pixel * PIXELS;
      for (let i = 0; i < inputs; i += 1) {
        const w = kernel[i * units + u] / largest;
        context.fillStyle = `rgba(${w > 0 ? plus : minus}, ${Number.isFinite(w) ? Math.abs(w) : 0})`;
        context.fillRect(x + i % PIXELS * pixel, y + Math.floor(i / PIXELS) * pixel, pixel, pixel);
      }
      context.lineWidth = 1.5;
      context.strokeStyle = soft;
      context.strokeRect(x, y, side, side);
      if (found.which[0][u]) { // dead: crossed out
        context.lineWidth = 4;
        context.strokeStyle = ink;
        context.beginPath();
        context.moveTo(x, y);
        context.lineTo(x + side, y + side);
        context.moveTo(x + side, y);
        context.lineTo(x, y + side);
        context.stroke();
      }
    }
  }
  function paintPlane() {
    const [zero, one] = colours();
    const context = plane.getContext("2d"), cell = plane.width / CELLS;
    const small = h("canvas", { width: CELLS, height: CELLS }), paper = small.getContext("2d"), pixels = paper.createImageData(CELLS, CELLS);
    for (let r = 0; r < CELLS; r += 1) for (let c = 0; c < CELLS; c += 1) {
      const p = dense.probability(net, state, [EXTENT * (2 * (c + 0.5) / CELLS - 1), EXTENT * (1 - 2 * (r + 0.5) / CELLS)]);
      const sure = Number.isNaN(p) ? 0 : Math.abs(2 * p - 1);
      pixels.data.set([...(p > 0.5 ? one : zero), 20 + 120 * sure], 4 * (r * CELLS + c));
    }
    paper.putImageData(pixels, 0, 0);
    context.clearRect(0, 0, plane.width, plane.height);
    context.imageSmoothingEnabled = false;
    context.drawImage(small, 0, 0, cell * CELLS, cell * CELLS);
    const ink = getComputedStyle(root).getPropertyValue("--zoo-ink");
    data.points.forEach(([x, y], i) => { // discs and hollow squares: the class shows without colour
      const px = (x / EXTENT + 1) / 2 * plane.width, py = (1 - y / EXTENT) / 2 * plane.height;
      context.beginPath();
      context.lineWidth = 2;
      context.strokeStyle = context.fillStyle = ink;
      if (data.labels[i]) { context.arc(px, py, 5.5, 0, 2 * Math.PI); context.fillStyle = `rgb(${one})`; context.fill(); } else {
        context.rect(px - 5, py - 5, 10, 10);
        context.fillStyle = `rgb(${zero})`;
        context.fill();
      }
      context.stroke();
    });
  }
  function words() {
    const units = task().sizes.slice(1, -1);
    if (diverged()) return "The loss is no longer a number: the learning rate is too large.";
    return `loss ${found.loss.toFixed(3)}, ${percent(found.accuracy)} right${unseen ? ` (${percent(found.unseen)} of new digits)` : ""}, dead units ${found.dead.map((n, l) => `${n} of ${units[l]}`).join(" and ")}`;
  }
  function numbers() {
    now.replaceChildren(h("b", {}, `Epoch ${epochs}${steps ? `, step ${steps}` : ""}: `), words());
    for (const it of further) it.setAttribute("aria-disabled", finished()); // not "disabled", which would take the focus away
    Object.assign(now.dataset, { epoch: epochs, loss: found.loss, accuracy: found.accuracy, dead: found.dead.join(" ") });
  }
  function show() {
    numbers();
    curve.setAttribute("d", "M" + losses.filter(([, z]) => Number.isFinite(z)).map(([e, z]) => `${sx(e).toFixed(1)} ${sy(z).toFixed(1)}`).join("L"));
    title.textContent = `Loss by epoch: ${losses[0][1].toFixed(2)} at the start, ${diverged() ? "not a number" : found.loss.toFixed(2)} now`;
    plane.setAttribute("aria-label", unseen ? `Forty new digits, each with what the net says, framed where that is wrong; below them the weights of the ${net[0].units} units of layer 1, dead ones crossed out. ${words()}.`
      : `The plane with ${dense.POINTS} points, ${SETS[state.set]}, coloured by the class that the net gives. ${words()}.`);
    key.textContent = unseen ? "Above: new digits and what the net says; wrong ones are framed. Below: the weights from the 64 pixels to each unit of layer 1, orange above zero, violet below; dead units are crossed out."
      : "Squares (violet) are class 0, discs (orange) are class 1; the background is what the net says, stronger where it is surer.";
    paint();
  }
  const after = () => [epochs && counted(epochs, "epoch"), steps && counted(steps, "step")].filter(Boolean).join(" and ");
  function say() {
    const dead = found.dead[0] + found.dead[1], units = found.which.flat().length;
    const linear = state.placement === "none" || state.activation === "linear";
    verdict.replaceChildren(
      h("b", {}, linear ? (unseen ? "Three layers do what one does. " : "Three layers, one straight line. ") : `${FUNCTIONS[state.activation]} ${PLACEMENTS[state.placement]}. `),
      epochs + steps === 0 ? "Not trained yet: press Train."
        : diverged() ? "It diverged: take a smaller learning rate."
          : linear ? `Without an activation between them the layers are one, however long they train: ${percent(found.accuracy)} right after ${after()}.`
            : `${percent(found.accuracy)} right after ${after()}. ${dead ? `${dead} of ${units} units ${dead === 1 ? "is dead: its" : "are dead: their"} slope is zero ${unseen ? "for every digit" : "at every point"}.` : "No unit is dead."}`);
  }

  const answer = h("div", { class: "zoo-train-answer" }, plane, h("div", {}, now, verdict, plot));
  const key = h("p", { class: "zoo-try-note" });
  root.replaceChildren(controls, buttons, answer, key, runs);
  root.classList.add("zoo-try-live");
  restart();
  new MutationObserver(paint).observe(document.body, { attributes: true, attributeFilter: ["data-md-color-scheme"] });
  // Paper is white: before it is printed, a page still has the colours of the screen.
  addEventListener("beforeprint", () => { root.dataset.mdColorScheme = "default"; paint(); });
  addEventListener("afterprint", () => { delete root.dataset.mdColorScheme; paint(); });
})();
