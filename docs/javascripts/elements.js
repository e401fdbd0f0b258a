/* What pages with things to try make elements with, and how they fetch a file that only some readers need. */
(() => {
  "use strict";
  const here = document.currentScript.src; // beside which the other files lie

  function h(tag, attributes, ...children) {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes || {})) {
      if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
      else if (value !== false && value != null) element.setAttribute(name, value === true ? "" : value);
    }
    element.append(...children);
    return element;
  }
  function svg(tag, attributes, ...children) {
    const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    element.append(...children);
    return element;
  }
  /* What is not none is not written as none, nor what is not all as all. */
  const percent = (p) => (p > 0 && p < 0.0005 ? "below 0.1 %" : p < 1 && p >= 0.9995 ? "above 99.9 %" : `${(100 * p).toFixed(1)} %`);
  const counted = (n, one) => `${n} ${one}${n === 1 ? "" : "s"}`;
  /* [red, green, blue] of a colour of inks.css, for the scheme that is on where `root` is. */
  const inkOf = (root, name) => getComputedStyle(root).getPropertyValue(`--zoo-${name}`).match(/[0-9a-f]{2}/gi).map((part) => parseInt(part, 16));
  const calm = () => globalThis.matchMedia("(prefers-reduced-motion: reduce)").matches;

  /* The picture that answers is on the screen when a button is pressed. */
  function view(picture, buttons) {
    const box = picture.getBoundingClientRect();
    if (box.top < 60 || box.bottom > globalThis.innerHeight) buttons.scrollIntoView({ block: "start", behavior: calm() ? "auto" : "smooth" });
  }

  /* A promise of a script beside this one. A script and not JSON, for a page opened from a folder. */
  const fetching = {};
  function fetched(name) {
    fetching[name] ??= new Promise((resolve, reject) => {
      const script = h("script", { src: new URL(name, here).href });
      script.addEventListener("load", resolve);
      script.addEventListener("error", () => { delete fetching[name]; reject(new Error(`${name} could not be loaded`)); });
      document.head.append(script);
    });
    return fetching[name];
  }

  globalThis.zooElements = { calm, counted, fetched, h, inkOf, percent, svg, view };
})();
