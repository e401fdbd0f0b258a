// Brings a figure to life when it is scrolled to or touched. Until then, without scripts, and on paper, the static drawing stands.
(() => {
  let bundle;
  const load = (address) =>
    (bundle ??= new Promise((resolve, reject) => {
      const script = Object.assign(document.createElement("script"), { src: address, onload: resolve, onerror: reject });
      document.head.append(script);
    }));

  // The published drawing is grey, legible on white and dark; in the page it takes the page's inks.
  const GREY = /#808080/g;
  const inks = () => {
    const style = getComputedStyle(document.body);
    const [ink, soft, line] = ["--zoo-ink", "--zoo-soft", "--zoo-line"].map((name) => style.getPropertyValue(name).trim());
    const axis = { labelColor: ink, titleColor: ink, gridColor: line, gridOpacity: 0.6, domainColor: soft, tickColor: soft };
    const font = style.fontFamily;
    const text = { labelColor: ink, titleColor: ink };
    return { background: "transparent", font, axis, title: { color: ink, subtitleColor: ink }, legend: { ...text, symbolOpacity: 1 }, header: text, soft };
  };

  const LETTER = 7; // pixels of a letter of text, in the widest of the usual fonts
  const wrapped = (text, letters) =>
    String(text).split(" ").reduce((lines, word) => {
      const last = lines.at(-1);
      return last !== undefined && last.length + 1 + word.length <= letters ? [...lines.slice(0, -1), `${last} ${word}`] : [...lines, word];
    }, []);
  const list = (value) => (value === undefined ? [] : [value].flat());

  // Panels side by side in a `concat`; rows of dots in a `facet`; or one panel.
  const views = (spec) => spec.concat ?? [spec.spec ?? spec];
  const layers = (spec) => views(spec).flatMap((view) => view.layer ?? [view]);

  // As wide as the page has room for, with the text at its own size; panels wrap.
  const fitted = (spec, room) => {
    const columns = (panels, least) => {
      const most = Math.max(1, Math.min(panels, Math.floor(room / least)));
      return panels === 4 && most === 3 ? 2 : most; // no row with one panel and two empty axes
    };
    if (spec.concat) {
      spec.columns = columns(spec.concat.length, 220);
      const width = Math.min(360, room / spec.columns - 56);
      for (const panel of spec.concat) Object.assign(panel, { width, height: Math.max(150, Math.min(220, 0.75 * width)) });
    } else if (spec.usermeta?.letters) {
      // The names of rows break where they would leave no room for the dots.
      const names = [...new Set(spec.data.values.map(({ arm }) => arm))], letters = room < 500 ? 20 : 32;
      const lines = Object.fromEntries(names.map((name) => [name, wrapped(name, letters)]));
      const most = Math.max(...Object.values(lines).map((one) => one.length));
      const left = LETTER * Math.max(...Object.values(lines).flat().map((line) => line.length)) + 34;
      const panels = spec.facet?.sort?.length ?? 1, count = spec.facet ? columns(panels, left / panels + 150) : 1;
      const view = spec.spec ?? spec;
      view.width = Math.max(90, Math.min(440, (room - left) / count - 14));
      view.height = { step: 22 + 15 * (most - 1) };
      for (const { encoding } of view.layer) {
        // Numbers along a short axis would run into each other: every second or third of them is written.
        const ticks = encoding.x?.axis?.values, each = ticks && Math.ceil(ticks.length / Math.max(1, Math.floor(view.width / 44)));
        if (ticks) encoding.x.axis.values = ticks.filter((_, i) => i % each === 0);
        if (encoding.y?.axis) encoding.y.axis.labelExpr = `${JSON.stringify(lines)}[datum.label]`;
      }
      if (spec.facet) spec.columns = count;
      spec.padding = 6;
    } else if (spec.encoding?.row) {
      spec.width = Math.max(120, Math.min(420, room - 190));
    } else if (typeof spec.width === "number") {
      Object.assign(spec, { width: Math.max(160, Math.min(560, room - 70)), height: 260 });
    }
    return spec;
  };

  // Words wider than the drawing would shrink it: titles break, a legend has as many columns as there is room for.
  const narrowed = (spec, room) => {
    for (const { encoding } of layers(spec))
      for (const channel of [encoding?.color, encoding?.strokeDash])
        if (channel?.legend?.columns) {
          const longest = Math.max(...channel.scale.domain.map((name) => name.length));
          channel.legend.columns = Math.max(1, Math.min(channel.scale.domain.length, Math.floor(room / (LETTER * longest + 62))));
        }
    const breaks = (title, width) =>
      title && { ...title, text: wrapped(list(title.text).join(" "), Math.floor(width / 8.5)), subtitle: list(title.subtitle).flatMap((line) => wrapped(line, Math.floor(width / LETTER))) };
    spec.title = breaks(spec.title, room);
    for (const panel of spec.concat ?? []) panel.title = breaks(panel.title, panel.width + 40);
    return spec;
  };

  const merge = (under, over) => {
    const all = { ...under };
    for (const [key, value] of Object.entries(over))
      all[key] = value?.constructor === Object ? merge(all[key]?.constructor === Object ? all[key] : {}, value) : value;
    return all;
  };

  // A click on a name in the legend keeps that line and fades the others.
  const highlighted = (spec) => {
    const coloured = layers(spec).filter((layer) => layer.encoding?.color?.field === "arm");
    const line = coloured.find((layer) => layer.encoding.tooltip) ?? coloured[0];
    if (!line || line.encoding.color.legend === null) return spec;
    line.params = [{ name: "chosen", select: { type: "point", fields: ["arm"] }, bind: "legend" }];
    for (const layer of coloured) {
      const mark = typeof layer.mark === "string" ? { type: layer.mark } : layer.mark;
      layer.encoding.opacity = { condition: { param: "chosen", value: mark.opacity ?? 1 }, value: 0.05 };
    }
    return spec;
  };

  // The arrow keys walk along the horizontal axis and read the means aloud; the mouse has the tooltip.
  const readable = (figure) => {
    const view = figure.querySelector(".zoo-chart-view");
    const means = (figure.spec.data?.values ?? []).filter((row) => row.s === null && row.x !== undefined);
    const places = [...new Set(means.map((row) => row.x))].sort((a, b) => a - b);
    if (!places.length || figure.querySelector(".zoo-chart-now")) return;
    const now = Object.assign(document.createElement("p"), { className: "zoo-chart-now" });
    now.setAttribute("role", "status");
    now.textContent = "Press the arrow keys to read the values.";
    now.hidden = document.activeElement !== view; // whose focus woke the chart is there already
    view.after(now);
    view.addEventListener("focus", () => (now.hidden = false));
    let at = -1;
    view.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (!step || event.ctrlKey || event.altKey || event.metaKey) return; // Alt+Left goes back
      event.preventDefault();
      now.hidden = false;
      at = Math.min(places.length - 1, Math.max(0, at + step));
      const here = means.filter((row) => row.x === places[at]);
      const words = here.map(({ arm, p, y, l, h }) => `${p ? `${p}, ` : ""}${arm}: ${y}${l === undefined ? "" : ` (${l} to ${h})`}`);
      now.textContent = `At ${places[at]}: ${words.join("; ")}`;
    });
  };

  const draw = async (figure) => {
    figure.dataset.state = "loading";
    try {
      const [spec] = await Promise.all([
        figure.spec ?? fetch(figure.dataset.spec).then((answer) => (answer.ok ? answer.json() : Promise.reject(answer.status))),
        load(figure.dataset.bundle),
      ]);
      figure.spec = spec;
      const still = figure.querySelector(".zoo-chart-static");
      const live = figure.querySelector(".zoo-chart-live") ?? Object.assign(document.createElement("div"), { className: "zoo-chart-live" });
      still.after(live);
      figure.view?.finalize();
      const { soft, ...config } = inks();
      const own = JSON.parse(JSON.stringify(spec).replace(GREY, soft));
      const room = figure.querySelector(".zoo-chart-view").clientWidth;
      const themed = { ...narrowed(fitted(highlighted(own), room), room), background: "transparent", config: merge(own.config ?? {}, config) };
      // 1: errors alone. Vega-Lite warns of its own layout, which a reader can do nothing about.
      figure.view = await vegaEmbed(live, themed, { actions: false, renderer: "svg", logLevel: 1 });
      // One picture with a name, as the static one: the rows are in the table beside it.
      const picture = live.querySelector("svg");
      picture.setAttribute("role", "img");
      picture.setAttribute("aria-label", still.querySelector("title").textContent);
      live.querySelectorAll("svg [role], svg [aria-label]").forEach((mark) => ["role", "aria-label", "aria-roledescription"].forEach((name) => mark.removeAttribute(name)));
      still.style.display = "none";
      readable(figure);
      figure.dataset.state = "live";
    } catch (reason) {
      // Opened from a folder, or the spec is missing: the drawing that is already there says the same.
      figure.dataset.state = "static";
    }
  };

  const figures = [...document.querySelectorAll("figure[data-spec]")];
  const start = (figure) => {
    watch.unobserve(figure);
    if (!figure.dataset.state) draw(figure);
  };
  const watch = new IntersectionObserver((entries) => entries.filter((entry) => entry.isIntersecting).forEach(({ target }) => start(target)));
  // What is in view when the page opens waits: nobody loads a large bundle for a page that is left at once.
  addEventListener("scroll", () => figures.filter((figure) => !figure.dataset.state).forEach((figure) => watch.observe(figure)), { once: true, passive: true });
  for (const figure of figures)
    for (const event of ["pointerenter", "touchstart", "focusin"]) figure.addEventListener(event, () => start(figure), { once: true, passive: true });
  new MutationObserver(() => figures.filter((figure) => figure.view).forEach(draw)).observe(document.body, {
    attributes: true,
    attributeFilter: ["data-md-color-scheme"],
  });
})();
