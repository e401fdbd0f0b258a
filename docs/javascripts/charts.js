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
    return { background: "transparent", font, axis, title: { color: ink, subtitleColor: soft }, legend: { ...text, symbolOpacity: 1 }, header: text, soft };
  };

  // As wide as the page has room for, with the text at its own size; panels side by side wrap.
  const fitted = (spec, room) => {
    const panels = spec.facet?.column?.sort?.length ?? 1;
    if (spec.facet?.column) {
      const most = Math.max(1, Math.min(panels, Math.floor((room - 60) / 170)));
      const columns = panels === 4 && most === 3 ? 2 : most; // no row with one panel and two empty axes
      return { ...spec, facet: { ...spec.facet.column, header: { ...spec.facet.column.header } }, columns, spec: { ...spec.spec, width: Math.min(300, (room - 70) / columns - 22) } };
    }
    return typeof spec.width === "number" ? { ...spec, width: Math.max(160, Math.min(spec.width * 1.25, room - 90)) } : spec;
  };

  // A legend wider than the plot would shrink the whole picture: on a narrow screen it has fewer columns.
  const narrowed = (spec, room) => {
    const view = spec.spec ?? spec;
    for (const { encoding } of view.layer ?? [view])
      for (const legend of [encoding?.color?.legend, encoding?.strokeDash?.legend])
        if (legend?.columns) legend.columns = Math.max(1, Math.min(legend.columns, Math.floor(room / 170)));
    const letters = Math.floor(room / 8);
    if (typeof spec.title === "string" && spec.title.length > letters)
      spec.title = spec.title.split(" ").reduce((lines, word) => {
        const last = lines.at(-1);
        return last && last.length + word.length < letters ? [...lines.slice(0, -1), `${last} ${word}`] : [...lines, word];
      }, []);
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
    const view = spec.spec ?? spec;
    const coloured = (view.layer ?? []).filter((layer) => layer.encoding?.color?.field === "arm");
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
    now.hidden = true;
    view.after(now);
    view.addEventListener("focus", () => (now.hidden = false));
    let at = -1;
    view.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (!step) return;
      event.preventDefault();
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
      const themed = { ...fitted(narrowed(highlighted(own), room), room), background: "transparent", config: merge(own.config ?? {}, config) };
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

  // The theme opens its search as a dialog without a name.
  document.querySelector(".md-search")?.setAttribute("aria-label", "Search");
  // It also wraps wide tables in a box that scrolls and cannot be reached by keyboard.
  addEventListener("load", () => document.querySelectorAll(".md-typeset__scrollwrap").forEach((box) => (box.tabIndex = 0)));

  // Paper cannot be clicked: its answers are open. The theme does so too, but not where pages are opened from a folder.
  let closed = [];
  addEventListener("beforeprint", () => {
    closed = [...document.querySelectorAll("details.question:not([open])")];
    closed.forEach((answer) => (answer.open = true));
  });
  addEventListener("afterprint", () => closed.forEach((answer) => (answer.open = false)));

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
