// Brings a figure to life when it scrolls into view. Until then, without scripts, and on paper, the static drawing stands.
(() => {
  let bundle;
  const load = (address) =>
    (bundle ??= new Promise((resolve, reject) => {
      const script = Object.assign(document.createElement("script"), { src: address, onload: resolve, onerror: reject });
      document.head.append(script);
    }));

  const inks = () => {
    const style = getComputedStyle(document.body);
    const [ink, soft, line] = ["--zoo-ink", "--zoo-soft", "--zoo-line"].map((name) => style.getPropertyValue(name).trim());
    const axis = { labelColor: ink, titleColor: ink, gridColor: line, gridOpacity: 0.6, domainColor: soft, tickColor: soft };
    const font = style.fontFamily;
    return { background: "transparent", font, axis, title: { color: ink, subtitleColor: soft }, legend: { labelColor: ink, titleColor: ink }, header: { labelColor: ink, titleColor: ink }, view: { stroke: line } };
  };

  const merge = (under, over) => {
    const all = { ...under };
    for (const [key, value] of Object.entries(over))
      all[key] = value?.constructor === Object ? merge(all[key]?.constructor === Object ? all[key] : {}, value) : value;
    return all;
  };

  const draw = async (figure) => {
    figure.dataset.state = "loading";
    try {
      const [spec] = await Promise.all([
        (figure.spec ??= fetch(figure.dataset.spec).then((answer) => (answer.ok ? answer.json() : Promise.reject(answer.status)))),
        load(figure.dataset.bundle),
      ]);
      const still = figure.querySelector(".zoo-chart-static");
      const live = figure.querySelector(".zoo-chart-live") ?? Object.assign(document.createElement("div"), { className: "zoo-chart-live" });
      still.after(live);
      figure.view?.finalize();
      const themed = { ...spec, background: "transparent", config: merge(spec.config ?? {}, inks()) };
      figure.view = await vegaEmbed(live, themed, { actions: false, renderer: "svg", ast: false });
      // One picture with a name, as the static one: the rows are in the table beside it.
      const picture = live.querySelector("svg");
      picture.setAttribute("role", "img");
      picture.setAttribute("aria-label", still.querySelector("title").textContent);
      live.querySelectorAll("svg [role], svg [aria-label]").forEach((mark) => ["role", "aria-label", "aria-roledescription"].forEach((name) => mark.removeAttribute(name)));
      still.style.display = "none";
      figure.dataset.state = "live";
    } catch (reason) {
      // Opened from a folder, or the spec is missing: the drawing that is already there says the same.
      figure.dataset.state = "static";
    }
  };

  const figures = [...document.querySelectorAll("figure[data-spec]")];
  const watch = new IntersectionObserver((entries) => {
    for (const entry of entries)
      if (entry.isIntersecting) {
        watch.unobserve(entry.target);
        draw(entry.target);
      }
  });
  figures.forEach((figure) => watch.observe(figure));
  new MutationObserver(() => figures.filter((figure) => figure.view).forEach(draw)).observe(document.body, {
    attributes: true,
    attributeFilter: ["data-md-color-scheme"],
  });
})();
