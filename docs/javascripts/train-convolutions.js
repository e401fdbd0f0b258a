/* Train a convolutional net in the page: the reader places its activations and watches loss, accuracy, dead channels and the
   maps of one digit. Needs elements.js, dense-net.js, conv-net.js, inks.js and train-nets.js; fetches graphs and digits when
   it is touched. */
(() => {
  "use strict";
  const root = document.getElementById("train-convolutions"), { zooDense: dense, zooConv: conv, zooInks: inks, zooTrainNets: choices } = globalThis;
  if (!root || !dense || !conv || !choices) return;
  const { calm, counted, fetched, h, inkOf, percent, svg, view } = globalThis.zooElements;

  const FUNCTIONS = Object.keys(dense.TITLES).filter((name) => name !== "linear"); // for none, there is "none"
  const RATES = [0.01, 0.03, 0.1, 0.3, 1, 3], SEEDS = 10, DIGITS = 10;
  const EPOCHS = 12, TIMES = [0, 3, 6, 9, 12]; // where "Train" stops by itself, and the ticks
  const MEAN = 10; // steps, of which one point of the loss is the mean
  const FRAME = 0.03; // seconds of training between two pictures, so that the page stays alive
  const KEPT = 5; // earlier runs in the pictures
  const STEPS = { input: "the digit", conv: "convolution", norm: "normalisation" }; // what comes before the first activation
  const state = { kind: "plain", ordering: "conv_norm_act", activated: "all", activation: "relu", rate: 0.1, seed: 1, digit: 3 };
  for (const net of Object.values(choices.nets)) [state[net.option]] = net.values;

  let net = null, learned, unseen, judged, running = null, recorded = true, run, earlier = [];
  let epochs = 0, steps = 0, batch = 0; // steps within the present epoch; the loss of the last
  const kind = () => choices.nets[state.kind];
  const graph = () => globalThis.zooTrainGraphs?.[state.kind][`${state.ordering}|${state[kind().option]}`];
  const ready = () => net !== null;
  const perEpoch = () => learned.points.length / dense.BATCH;
  const diverged = () => ready() && (!Number.isFinite(batch) || !Number.isFinite(judged.loss));
  /* There the axes end, and the buttons that would go further do nothing; "Train" begins anew. */
  const finished = () => epochs >= EPOCHS || diverged();

  /* --- controls ----------------------------------------------------------------------------------- */
  const boxes = {};
  function select(label, name, options, after, read = String) {
    const box = boxes[name] = h("select", { id: `conv-${name}`, onchange: () => {
      if (after === restart) pause(); // what was running goes by its own settings
      state[name] = read(box.value);
      after();
      get().catch(() => {});
    } });
    for (const value of options) box.append(h("option", { value: Array.isArray(value) ? value[0] : value }, String(Array.isArray(value) ? value[1] : value)));
    box.value = state[name];
    return h("p", { class: "zoo-try-control" }, h("label", { for: `conv-${name}` }, label), box);
  }
  const orderings = select("Ordering", "ordering", [], restart);
  const own = Object.entries(choices.nets).map(([name, { option, values }]) => [name, select(option[0].toUpperCase() + option.slice(1), option, values, restart)]);
  const controls = h("div", { class: "zoo-try-controls" },
    select("Net", "kind", Object.entries(choices.nets).map(([name, { model }]) => [name, `${name}: ${model}`]), restart),
    orderings,
    select("Activations", "activated", choices.activated, restart),
    select("Function", "activation", FUNCTIONS.map((name) => [name, dense.TITLES[name]]), restart),
    ...own.map(([, control]) => control),
    select("Learning rate", "rate", RATES, restart, Number),
    select("Seed", "seed", Array.from({ length: SEEDS }, (_, i) => i + 1), restart, Number),
    select("Digit shown", "digit", Array.from({ length: DIGITS }, (_, i) => i), show, Number));
  /* The orderings and the option of the kind of net that is chosen. */
  function offer() {
    const names = Object.keys(kind().words);
    boxes.ordering.replaceChildren(...names.map((value) => h("option", { value }, value)));
    if (!names.includes(state.ordering)) [state.ordering] = names;
    boxes.ordering.value = state.ordering;
    for (const [name, control] of own) control.hidden = name !== state.kind;
  }
  const button = (id, text, onclick) => h("button", { type: "button", class: "zoo-try-button", id: `conv-${id}`, onclick: () => get().then(onclick, () => {}) }, text);
  const go = button("go", "Train", () => { if (running === null) begin(); else pause(); });
  const further = [
    button("step", "One step", () => { pause(); if (advance()) judge(); told(); }),
    button("epoch", "One epoch", () => { pause(); const to = epochs + 1; while (epochs < to && advance()); told(); })];
  const buttons = h("p", { class: "zoo-train-buttons" }, go, ...further, button("reset", "Reset", () => restart()));
  const unit = h("p", { id: "conv-unit", class: "zoo-try-note" });
  const code = h("code", { id: "conv-code" });
  const now = h("p", { id: "conv-now", class: "zoo-train-now" });
  // Read out when something has come to an end, not sixty times a second.
  const verdict = h("p", { class: "zoo-try-status", role: "status", id: "conv-verdict" });
  const maps = h("canvas", { id: "conv-maps", width: 512, height: 440, role: "img", class: "zoo-conv-maps" });
  const key = h("p", { class: "zoo-try-note" }, "One new digit on its way to the first activation. Orange is above zero, violet below; each row by its largest value.");
  const siteRows = h("tbody", {}), runRows = h("tbody", {});
  const table = (id, caption, heads, rows) => h("table", { id, class: "zoo-conv-table" }, h("caption", {}, caption), h("thead", {}, h("tr", {}, ...heads.map((t) => h("th", { scope: "col" }, t)))), rows);
  const sites = table("conv-sites", "Activations, over the new digits", ["activation", "zeros", "dead channels"], siteRows);
  const runs = table("conv-runs", "Your runs, the latest first", ["", "net", "ordering", "activations", "rate", "seed", "epochs", "loss", "new digits right", "dead"], runRows);
  runs.hidden = true;

  /* --- loss and accuracy, epoch by epoch ------------------------------------------------------------ */
  const WIDTH = 300, HEIGHT = 100;
  function plot(name, title, top, ticks, said, guess) {
    const sx = (epoch) => epoch / EPOCHS * WIDTH, sy = (z) => HEIGHT * (1 - Math.min(z, top) / top);
    const heading = svg("title", { id: `conv-${name}-title` }, title), old = svg("g", {}), line = svg("path", { class: "curve", id: `conv-${name}` });
    const box = svg("svg", { class: "zoo-try-plot zoo-train-loss", viewBox: `-30 -22 ${WIDTH + 44} ${HEIGHT + 42}`, role: "img", "aria-labelledby": heading.id }, heading);
    for (const t of TIMES) box.append(svg("path", { class: "axis", d: `M${sx(t)} 0V${HEIGHT}` }),
      svg("text", t === EPOCHS ? { x: WIDTH + 12, y: HEIGHT + 15, "text-anchor": "end" } : { x: sx(t), y: HEIGHT + 15, "text-anchor": "middle" }, t === EPOCHS ? `${t} epochs` : String(t)));
    for (const t of ticks) box.append(svg("path", { class: "axis", d: `M0 ${sy(t)}H${WIDTH}` }), svg("text", { x: -5, y: sy(t) + 4, "text-anchor": "end" }, String(t)));
    box.append(svg("path", { class: "one", d: `M0 ${sy(guess)}H${WIDTH}` }), svg("text", { x: -28, y: -11 }, `↑ ${title}`), svg("text", { x: WIDTH, y: -11, "text-anchor": "end" }, "dashed: guessing"), old, line);
    const d = (points) => { const seen = points.filter(([, z]) => Number.isFinite(z)); return seen.length ? `M${seen.map(([e, z]) => `${sx(e).toFixed(1)} ${sy(z).toFixed(1)}`).join("L")}` : ""; };
    const draw = (path, { ink, [name]: points }) => {
      const [colour, dash] = inks[ink];
      path.setAttribute("d", d(points));
      path.style.stroke = colour;
      path.style.strokeDasharray = dash === "1 0" ? "" : dash;
    };
    return { box, show() {
      draw(line, run);
      old.replaceChildren(...earlier.map((one) => { const path = svg("path", { class: "curve zoo-conv-old" }); draw(path, one); return path; }));
      heading.textContent = run[name].length ? `${title}: ${Number.isFinite(run[name].at(-1)[1]) ? said(run[name].at(-1)[1]) : "not a number"} now` : `${title}: nothing yet`;
    } };
  }
  const lossPlot = plot("loss", "loss", 2.5, [0, 0.5, 1, 1.5, 2, 2.5], (z) => z.toFixed(2), Math.log(DIGITS));
  const rightPlot = plot("right", "% of new digits right", 100, [0, 25, 50, 75, 100], (z) => `${z.toFixed(1)} %`, 100 / DIGITS);

  /* --- learning ------------------------------------------------------------------------------------ */
  /* Graphs and digits are files of their own, which only who touches this gets. */
  function get() {
    if (learned) return Promise.resolve();
    verdict.textContent = "Getting nets and digits …";
    return Promise.all(["train-graphs.js", "digits-data.js"].map(fetched)).then(() => {
      if (learned) return;
      [learned, unseen] = [globalThis.zooDigits.learned, globalThis.zooDigits.unseen].map(dense.images);
      restart();
    }, (error) => { verdict.textContent = "Nets and digits could not be loaded. Load the page again."; throw error; });
  }
  /* What a run is drawn in: the ink of its ordering, or of the activations that are left. */
  const ink = () => (state.activated === "all" ? state.ordering : state.activated);
  function restart() {
    pause();
    offer();
    const ops = graph();
    net = null;
    epochs = steps = 0;
    recorded = true;
    run = { ink: ink(), loss: [], right: [], sums: [] };
    boxes.activation.disabled = state.activated === "none";
    const refused = typeof ops === "string";
    for (const it of buttons.children) it.disabled = refused;
    if (learned && !refused) {
      net = conv.start(ops, state.seed);
      judge();
      batch = judged.loss;
      run.right.push([0, 100 * judged.accuracy]);
    }
    show();
    say(refused ? ops : null);
  }
  const judge = () => { judged = conv.judge(net, state, unseen); };
  /* One step; whether there was one. */
  function advance() {
    if (!ready() || finished()) return false;
    batch = conv.stepOf(net, state, learned, state.rate, state.seed, epochs, steps);
    recorded = false;
    steps += 1;
    run.sums.push(batch);
    if (run.sums.length === MEAN) {
      run.loss.push([epochs + steps / perEpoch(), run.sums.reduce((a, b) => a + b, 0) / MEAN]);
      run.sums = [];
    }
    if (steps === perEpoch()) {
      steps = 0;
      epochs += 1;
      judge();
      run.right.push([epochs, 100 * judged.accuracy]);
    }
    return true;
  }
  function begin() {
    if (finished()) restart();
    if (!ready()) return;
    verdict.textContent = "Training …";
    go.textContent = "Pause";
    view(plots, buttons);
    running = 0;
    const turn = () => {
      if (running === null) return;
      const until = performance.now() + 1000 * (calm() ? 4 * FRAME : FRAME), before = epochs;
      do advance(); while (performance.now() < until && !finished());
      if (finished()) { pause(); return; }
      // Who asked for little motion sees the beginning and the end.
      if (calm() || epochs === before) numbers(); else show();
      running = setTimeout(turn, calm() ? 0 : 16);
    };
    running = setTimeout(turn, 0);
  }
  function pause() {
    if (running === null) return;
    clearTimeout(running);
    running = null;
    go.textContent = "Train";
    judge();
    record();
    told();
  }
  const lost = () => judged.sites.reduce((sum, { dead }) => sum + dead, 0), channels = () => judged.sites.reduce((sum, { units }) => sum + units, 0);
  const placed = () => (state.activated === "none" ? "none" : `${dense.TITLES[state.activation]}, ${state.activated}`);
  function swatch(name) {
    const [colour, dash] = inks[name], line = svg("path", { d: "M0 2H36" });
    line.style.stroke = colour;
    line.style.strokeWidth = "3";
    line.style.strokeDasharray = dash === "1 0" ? "" : dash;
    return svg("svg", { class: "zoo-try-key", viewBox: "0 0 36 4", "aria-hidden": "true" }, line);
  }
  function record() {
    if (recorded) return;
    recorded = true;
    const fails = diverged(), cells = [kind().model, `${state.ordering}, ${state[kind().option]}`, placed(), state.rate, state.seed, epochs,
      fails ? "diverged" : run.loss.at(-1)?.[1].toFixed(3) ?? "-", fails ? "-" : percent(judged.accuracy), fails ? "-" : lost()];
    runRows.prepend(h("tr", {}, h("td", {}, swatch(run.ink)), ...cells.map((t) => h("td", {}, String(t)))));
    while (runRows.children.length > KEPT + 1) runRows.lastChild.remove();
    runs.hidden = false;
    earlier = [run, ...earlier.filter((one) => one !== run)].slice(0, KEPT + 1);
  }

  /* --- showing ------------------------------------------------------------------------------------- */
  function words() {
    if (!ready()) return "";
    if (diverged()) return "The loss is no longer a number: the learning rate is too large.";
    const loss = steps ? `loss ${batch.toFixed(3)} of this step` : `loss ${(run.loss.at(-1)?.[1] ?? judged.loss).toFixed(3)}`;
    return `${loss}, ${percent(judged.accuracy)} of new digits right, dead channels ${lost()} of ${channels()}`;
  }
  function numbers() {
    now.replaceChildren(...(ready() ? [h("b", {}, `Epoch ${epochs}${steps ? `, step ${steps}` : ""}: `), words()] : []));
    if (ready()) Object.assign(now.dataset, { epoch: epochs, step: steps, loss: run.loss.at(-1)?.[1] ?? judged.loss, accuracy: judged.accuracy, dead: lost(), channels: channels() });
    for (const it of further) it.setAttribute("aria-disabled", finished()); // not "disabled", which would take the focus away
    lossPlot.show();
    rightPlot.show();
  }
  function show() {
    unit.replaceChildren("One unit, in order: ", h("code", {}, kind().words[state.ordering]));
    code.textContent = inKeras();
    numbers();
    tell();
    paint();
  }
  /* The net that is shown, built by the library. */
  function inKeras() {
    const { model, option } = kind(), quoted = (word) => (word === "None" ? word : `"${word}"`), ops = graph();
    const given = { ordering: quoted(state.ordering), [option]: quoted(state[option]), activation: quoted(state.activated === "none" ? "None" : state.activation), ...choices.common };
    const built = `model = zoo.build(\n    ${quoted(model)},\n${Object.entries(given).map(([name, value]) => `    ${name}=${value},\n`).join("")})`;
    if (!Array.isArray(ops) || ["all", "none"].includes(state.activated)) return built;
    const kept = conv.applied(ops, state), out = conv.sites(ops).filter((place) => !kept.includes(place));
    return `${built}\nsites = [\n${out.map((place) => `    ${quoted(ops[place].name)},\n`).join("")}]\nmodel, dropped = zoo.transforms.drop_activations(model, sites)`;
  }
  function tell() {
    const ops = graph();
    if (!Array.isArray(ops)) { siteRows.replaceChildren(); sites.hidden = true; return; }
    const found = new Map(ready() ? judged.sites.map((row) => [row.site, row]) : []);
    sites.hidden = false;
    siteRows.replaceChildren(...conv.sites(ops).map((place) => {
      const row = found.get(ops[place].name), cells = !row ? ["taken out", "-"] : diverged() ? ["-", "-"] : [percent(row.zeros), `${row.dead} of ${row.units}`];
      return h("tr", { class: row ? row.dead && "zoo-conv-dead" : "zoo-conv-out" }, h("th", { scope: "row" }, ops[place].name), ...cells.map((t) => h("td", {}, t)));
    }));
  }
  function told() { show(); say(); }
  const after = () => [epochs && counted(epochs, "epoch"), steps && counted(steps, "step")].filter(Boolean).join(" and ");
  function say(refused = null) {
    if (refused) { verdict.replaceChildren(h("b", {}, "The library refuses this net. "), refused); return; }
    const linear = state.activated === "none", bent = linear && state.kind === "plain" && state.downsampling === "max_pool";
    const title = linear ? `No activation${bent ? ", but max-pooling, which is not linear either" : ": all layers together are one matrix"}. ` : `${state.ordering}, ${dense.TITLES[state.activation]}${state.activated === "all" ? "" : ` on the ${state.activated} only`}. `;
    verdict.replaceChildren(h("b", {}, title),
      !ready() || epochs + steps === 0 ? "Not trained yet: press Train."
        : diverged() ? "It diverged: take a smaller learning rate."
          : `${percent(judged.accuracy)} of the new digits right after ${after()}. ${linear ? "" : lost() ? `${lost()} of ${channels()} channels ${lost() === 1 ? "is dead: its" : "are dead: their"} slope is zero for every new digit.` : "No channel is dead."}`);
  }
  const colours = () => ["minus", "plus"].map((name) => inkOf(root, name));
  /* One digit, and its maps after each step to the first activation. */
  function paint() {
    const context = maps.getContext("2d"), [minus, plus] = colours(), ink = getComputedStyle(root).getPropertyValue("--zoo-ink");
    context.clearRect(0, 0, maps.width, maps.height);
    maps.hidden = key.hidden = !ready();
    if (!ready()) return;
    const shown = unseen.labels.indexOf(state.digit), { values, logits } = conv.run(net, state, [unseen.points[shown]]);
    const [first] = conv.sites(net.ops), rows = values.slice(0, first + 1), says = dense.largest(logits[0]);
    const left = 150, tall = maps.height / rows.length, side = Math.min(tall - 18, (maps.width - left) / 4 - 10);
    context.font = "20px sans-serif";
    rows.forEach(({ h: height, w: width, c, data }, at) => {
      const { op } = net.ops[at], top = at * tall + 6, cell = side / width, largest = data.reduce((most, z) => Math.max(most, Math.abs(z)), 0) || 1;
      context.fillStyle = ink;
      const name = op !== "act" ? STEPS[op] : judged.sites.some(({ site }) => site === net.ops[at].name) ? dense.TITLES[state.activation] : "taken out";
      context.fillText(name, 0, top + side / 2 + 7);
      for (let m = 0; m < c; m += 1) {
        const x = left + m * (side + 10);
        for (let p = 0; p < height * width; p += 1) {
          const z = data[p * c + m] / largest;
          context.fillStyle = `rgba(${z > 0 ? plus : minus}, ${Number.isFinite(z) ? Math.abs(z) : 0})`;
          context.fillRect(x + p % width * cell, top + Math.floor(p / width) * cell, cell, cell);
        }
        context.lineWidth = 1.5;
        context.strokeStyle = getComputedStyle(root).getPropertyValue("--zoo-soft");
        context.strokeRect(x, top, side, side);
      }
    });
    context.fillStyle = ink;
    const answer = diverged() ? "" : `The net says ${says}.`;
    context.fillText(answer, left + side + 20, side / 2 + 13);
    maps.setAttribute("aria-label", `A new digit, ${state.digit}, and its ${rows.at(-1).c} maps after each step to the first activation. ${answer}`);
  }

  const plots = h("div", { id: "conv-plots" }, now, lossPlot.box, rightPlot.box);
  root.replaceChildren(controls, unit, buttons, h("div", { class: "zoo-train-answer" }, plots, h("div", {}, verdict, maps, key)), h("div", { class: "zoo-conv-tables" }, sites, runs), h("p", { class: "zoo-try-note" }, "This net in Keras:"), h("pre", {}, code));
  root.classList.add("zoo-try-live");
  restart();
  for (const touch of ["pointerenter", "focusin", "touchstart"]) root.addEventListener(touch, () => get().catch(() => {}), { once: true, passive: true });
  new MutationObserver(paint).observe(document.body, { attributes: true, attributeFilter: ["data-md-color-scheme"] });
  // Paper is white: before it is printed, a page still has the colours of the screen.
  addEventListener("beforeprint", () => { root.dataset.mdColorScheme = "default"; paint(); });
  addEventListener("afterprint", () => { delete root.dataset.mdColorScheme; paint(); });
})();
