/* The surgeon: click activations of a trained net away and read what is left of it, from what was measured.
   The drawings stand in the page already; their marks become buttons. What was not measured has no number here. */
(() => {
  "use strict";
  const root = document.getElementById("surgeon"), data = globalThis.zooSurgeonData;
  if (!data) return;
  const Z = 1.96; // of intervals of 95 %

  /* --- what was measured --------------------------------------------------------------------------- */
  const bits = (mask) => { let n = 0; for (let m = mask; m; m &= m - 1) n += 1; return n; };
  const mask = (sites) => sites.reduce((all, site) => all | (1 << site), 0);
  const shares = (net, fit) => data.nets[net].measured[fit];

  /* {right, lost, won, loss}, or null where the combination was not measured. */
  function result(net, fit, gone) {
    const found = shares(net, fit)[gone];
    if (!found) return null;
    const [lost, won, loss] = found;
    return { right: data.nets[net].whole[0] - lost + won, lost, won, loss };
  }
  /* The measured combinations that differ in the fewest activations, at most `most`; among these, more gone first. */
  function nearest(net, fit, gone, most = 3) {
    const all = Object.keys(shares(net, fit)).map(Number).map((m) => [bits(m ^ gone), -bits(m), m]);
    all.sort((a, b) => a[0] - b[0] || a[1] - b[1] || a[2] - b[2]);
    return all.filter(([apart]) => apart === all[0][0]).slice(0, most).map(([, , m]) => m);
  }
  /* Wilson's interval of a share of 95 %. */
  function interval(right, count) {
    const middle = (right + Z * Z / 2) / (count + Z * Z);
    const half = Z / (count + Z * Z) * Math.sqrt(right * (count - right) / count + Z * Z / 4);
    return [middle - half, middle + half];
  }
  /* Whether as many images lost and won could be a coin's doing: McNemar's test at 5 %. */
  const chance = (lost, won) => Math.abs(lost - won) <= Z * Math.sqrt(lost + won);
  globalThis.zooSurgeon = { result, nearest, interval, chance, mask };
  if (!root) return;

  const attach = (element, attributes, children) => {
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    element.append(...children);
    return element;
  };
  const h = (tag, attributes, ...children) => attach(document.createElement(tag), attributes, children);
  const svg = (tag, attributes, ...children) => attach(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);
  const percent = (p) => `${(100 * p).toFixed(1)} %`;
  const signed = (points) => (Math.abs(points) < 0.05 ? "0.0" : `${points < 0 ? "−" : "+"}${Math.abs(points).toFixed(1)}`);
  const FITS = { affine: "the best straight line", identity: "nothing (the identity)" };
  const WORDS = { affine: "s z + t", identity: "z" };
  const ORDERS = { importance: "the least important first", reverse: "the most important first", random: "a random order" };
  const BOUNDS = [0.5, 2, 5]; // points, as in the drawing
  const names = Object.keys(data.nets);
  const state = { net: names.at(-1), fit: "affine", order: "importance", gone: 0 };
  const net = () => data.nets[state.net];

  /* --- the drawing: one tab stop, arrows move, space and enter take out ------------------------------ */
  const drawings = Object.fromEntries(names.map((name) => [name, root.querySelector(`svg[aria-labelledby^="diagram-surgeon-${name}-"]`)]));
  const marks = {};
  for (const [name, drawing] of Object.entries(drawings)) {
    marks[name] = [...drawing.querySelectorAll("[data-site]")].sort((a, b) => a.dataset.site - b.dataset.site);
    for (const attribute of ["aria-labelledby", "aria-describedby"]) drawing.removeAttribute(attribute);
    drawing.querySelectorAll("title, desc").forEach((words) => words.remove());
    attach(drawing, { role: "toolbar", "aria-label": `Activations of ${name}: arrow keys move, space takes out or puts back` }, []);
    marks[name].forEach((mark, site) => {
      attach(mark, { role: "button", tabindex: site ? -1 : 0, "aria-pressed": false }, []);
      mark.addEventListener("click", () => toggle(site));
      mark.addEventListener("keydown", (event) => {
        if (event.ctrlKey || event.altKey || event.metaKey) return;
        const last = marks[name].length - 1;
        const to = { ArrowRight: site + 1, ArrowDown: site + 1, ArrowLeft: site - 1, ArrowUp: site - 1, Home: 0, End: last }[event.key];
        if (event.key === " " || event.key === "Enter") toggle(site);
        else if (to === undefined) return;
        else enter(marks[name][Math.max(0, Math.min(last, to))]);
        event.preventDefault();
      });
    });
  }
  /* Focus goes to a mark, and nothing that sticks to the top of the screen hides it. */
  function enter(mark) {
    marks[state.net].forEach((other) => other.setAttribute("tabindex", other === mark ? 0 : -1));
    mark.focus({ preventScroll: true });
    const box = mark.getBoundingClientRect(), top = panel.getBoundingClientRect().bottom + 8;
    if (box.top < top) globalThis.scrollBy(0, box.top - top);
    else if (box.bottom > globalThis.innerHeight - 8) globalThis.scrollBy(0, box.bottom - globalThis.innerHeight + 8);
  }
  function toggle(site) {
    set(state.gone ^ (1 << site));
    enter(marks[state.net][site]); // after the answer, which may have become longer
  }
  function set(gone) { state.gone = gone; draw(); }

  /* --- controls -------------------------------------------------------------------------------------- */
  function select(label, name, options, changed) {
    const box = h("select", { id: `surgeon-${name}` });
    for (const [value, words] of options) box.append(h("option", { value }, words));
    box.value = state[name];
    box.addEventListener("change", () => { state[name] = box.value; changed(); });
    return h("p", { class: "zoo-try-control" }, h("label", { for: `surgeon-${name}` }, label), box);
  }
  const slider = h("input", { type: "range", id: "surgeon-count", min: 0, step: 1 });
  const count = h("output", { for: "surgeon-count" });
  const first = () => set(mask(net().orders[state.fit][state.order].slice(0, Number(slider.value))));
  slider.addEventListener("input", first);
  const controls = h("div", { class: "zoo-try-controls" },
    select("Net", "net", names.map((name) => [name, name]), () => { state.gone = 0; choose(); }),
    select("In the place of what goes", "fit", Object.entries(FITS), draw),
    select("Order of the slider", "order", Object.entries(ORDERS), first),
    h("p", { class: "zoo-try-control" }, h("label", { for: "surgeon-count" }, "Take out the first ", count), slider));
  const wholes = h("p", { class: "zoo-s-wholes" });
  const button = (words, gone, id) => {
    const it = h("button", { type: "button", class: "zoo-try-button", ...(id && { id }) }, words);
    it.addEventListener("click", () => set(typeof gone === "function" ? gone() : gone));
    return it;
  };

  /* --- the answer ------------------------------------------------------------------------------------ */
  const says = h("div", { class: "zoo-try-status", role: "status", id: "surgeon-status" });
  const offers = h("p", { class: "zoo-s-offers", id: "surgeon-offers" });
  const panel = h("div", { class: "zoo-s-panel" }, says, offers);
  const code = h("code", { id: "surgeon-code", tabindex: 0 }), listing = h("pre", {}, code); // the theme gives a pre an id of its own

  function describe(from, to) {
    const words = (sites) => sites.map((i) => net().sites[i]).join(", ");
    const every = net().sites.map((_, i) => i), back = every.filter((i) => (from & ~to) >> i & 1), out = every.filter((i) => (to & ~from) >> i & 1);
    return [back.length && `put back ${words(back)}`, out.length && `also take out ${words(out)}`].filter(Boolean).join(", ");
  }
  function answer() {
    const found = result(state.net, state.fit, state.gone), left = net().sites.length - bits(state.gone);
    const many = bits(state.gone), which = many === 0 ? "Nothing is taken out" : many === 1 ? `Without ${net().sites[Math.log2(state.gone)]}` : `Without ${many} of ${net().sites.length} activations`;
    Object.assign(says.dataset, { measured: found ? "yes" : "no", gone: state.gone, right: found ? found.right : "", loss: found ? found.loss : "" });
    offers.replaceChildren();
    if (!found) {
      says.replaceChildren(h("b", {}, `${which}: not measured. `), "There is no number for this combination. The nearest that were measured:");
      for (const near of nearest(state.net, state.fit, state.gone)) {
        const offer = button(`${describe(state.gone, near)}: ${percent(result(state.net, state.fit, near).right / data.test)}`, near);
        // Once pressed it is gone: whoever came by keyboard goes on in the drawing.
        offer.addEventListener("click", () => enter(marks[state.net].find((mark) => mark.getAttribute("tabindex") === "0")));
        offers.append(offer, " ");
      }
      return;
    }
    const { right, lost, won, loss } = found, [low, high] = interval(right, data.test).map((p) => (100 * p).toFixed(1));
    says.replaceChildren(h("b", {}, `${which}: ${percent(right / data.test)} right`), ` (95 % interval ${low} to ${high}), loss ${loss.toFixed(2)}. `,
      many === 0 ? "Click an activation." : `${lost} of ${data.test} images lost, ${won} won: ${signed(100 * (won - lost) / data.test)} points${chance(lost, won) ? ", no more than chance does" : ""}. ${left === 0 ? "Only the softmax is left." : ""}`);
  }

  /* --- accuracy against how many are gone ------------------------------------------------------------- */
  const WIDTH = 300, HEIGHT = 170, COLOURS = { importance: "net", reverse: "one", random: "gone" };
  const title = svg("title", { id: "surgeon-plot-title" }, "Accuracy against the number of activations that are gone");
  const plot = svg("svg", { class: "zoo-try-plot zoo-s-plot", viewBox: `-38 -18 ${WIDTH + 52} ${HEIGHT + 54}`, role: "img", "aria-labelledby": "surgeon-plot-title" });
  function curves() {
    const n = net().sites.length, sx = (k) => k / n * WIDTH, sy = (p) => HEIGHT * (1 - p);
    plot.replaceChildren(title);
    for (const p of [0, 0.25, 0.5, 0.75, 1]) plot.append(svg("path", { class: "axis", d: `M0 ${sy(p)}H${WIDTH}` }), svg("text", { x: -5, y: sy(p) + 4, "text-anchor": "end" }, `${100 * p} %`));
    for (let k = 0; k <= n; k += n > 8 ? 5 : 1) plot.append(svg("text", { x: sx(k), y: HEIGHT + 16, "text-anchor": "middle" }, String(k)));
    plot.append(svg("text", { x: WIDTH / 2, y: HEIGHT + 32, "text-anchor": "middle" }, `activations gone, of ${n}`), svg("text", { x: -36, y: -8 }, "right"));
    for (const [order, sites] of Object.entries(net().orders[state.fit])) {
      const at = Array.from({ length: n + 1 }, (_, k) => [sx(k), sy(result(state.net, state.fit, mask(sites.slice(0, k))).right / data.test)]);
      plot.append(svg("path", { class: COLOURS[order], d: "M" + at.map((xy) => xy.map((z) => z.toFixed(1)).join(" ")).join("L") }));
    }
    const found = result(state.net, state.fit, state.gone);
    if (found) plot.append(svg("circle", { class: "zoo-s-here", cx: sx(bits(state.gone)), cy: sy(found.right / data.test), r: 6 }));
  }
  const legend = h("p", { class: "zoo-try-note" }, ...Object.entries(ORDERS).flatMap(([order, words]) => {
    return [svg("svg", { class: "zoo-try-plot zoo-s-plot zoo-s-key", viewBox: "0 0 26 8", "aria-hidden": "true" }, svg("path", { class: COLOURS[order], d: "M0 4H26" })), ` ${words}. `];
  }), "The ring is what you have taken out.");

  /* --- all of it -------------------------------------------------------------------------------------- */
  function choose() {
    slider.max = net().sites.length;
    wholes.replaceChildren("Take out: ", ...Object.entries(net().wholes).flatMap(([words, sites]) => [button(words, mask(sites)), " "]),
      button("put all back", 0, "surgeon-reset"));
    for (const [name, drawing] of Object.entries(drawings)) drawing.toggleAttribute("hidden", name !== state.net);
    draw();
  }
  function draw() {
    marks[state.net].forEach((it, site) => {
      const gone = state.gone >> site & 1, alone = result(state.net, state.fit, 1 << site), points = 100 * (alone.won - alone.lost) / data.test;
      it.setAttribute("aria-pressed", Boolean(gone));
      it.setAttribute("class", `zoo-s-site zoo-s-${BOUNDS.filter((bound) => -points >= bound).length}`);
      it.setAttribute("aria-label", `take out ${net().sites[site]}; alone ${signed(points)} points`);
      const [word, worth] = it.querySelectorAll("text");
      it.dataset.word ??= word.textContent;
      word.textContent = gone ? WORDS[state.fit] : it.dataset.word;
      worth.textContent = signed(points);
    });
    const order = net().orders[state.fit][state.order], many = bits(state.gone);
    slider.value = many;
    count.textContent = mask(order.slice(0, many)) === state.gone ? String(many) : `${many} (not in this order)`;
    slider.setAttribute("aria-valuetext", `${many} of ${order.length}`);
    const gone = net().sites.filter((_, i) => state.gone >> i & 1);
    code.textContent = gone.length === 0 ? "short = net" : `short, dropped = zoo.transforms.drop_activations(\n    net,\n    [\n${gone.map((site) => `        "${site}",\n`).join("")}    ],${state.fit === "affine" ? "\n    fit=x_train," : ""}\n)`;
    answer();
    curves();
  }
  root.replaceChildren(controls, wholes, panel,
    h("div", { class: "zoo-diagram zoo-s-drawing" }, ...Object.values(drawings)),
    h("div", { class: "zoo-s-both" }, h("div", {}, plot, legend), h("div", {}, h("p", { class: "zoo-try-note" }, "The same as code:"), listing)));
  root.classList.add("zoo-try-live");
  choose();
})();
