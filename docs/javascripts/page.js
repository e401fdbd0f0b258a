// What every page does that the theme leaves out: landmarks with names, boxes that a keyboard reaches, answers open on paper.
(() => {
  // The theme opens its search as a dialog without a name.
  document.querySelector(".md-search")?.setAttribute("aria-label", "Search");
  // It also wraps wide tables in a box that scrolls and cannot be reached by keyboard.
  addEventListener("load", () => document.querySelectorAll(".md-typeset__scrollwrap").forEach((box) => (box.tabIndex = 0)));
  // The lists of pages, and the buttons of the blocks of code, are landmarks: each keeps its name, with a number where two have one.
  const named = (nav) =>
    (nav.dataset.named ??=
      document.getElementById(nav.getAttribute("aria-labelledby"))?.textContent.trim() || nav.getAttribute("aria-label") ||
      (nav.matches(".md-code__nav") ? "Code" : "Pages"));
  const names = () => {
    const times = {};
    for (const nav of document.querySelectorAll("nav.md-nav, nav.md-code__nav")) {
      const name = nav.matches("nav.md-nav nav.md-nav") ? `${named(nav)}, in the menu` : named(nav);
      times[name] = (times[name] ?? 0) + 1;
      nav.removeAttribute("aria-labelledby");
      nav.setAttribute("aria-label", times[name] > 1 ? `${name} ${times[name]}` : name);
    }
  };
  names();
  addEventListener("load", names);
  // The theme adds such buttons when a block of code comes into view.
  new MutationObserver(names).observe(document.querySelector("article") ?? document.body, { childList: true, subtree: true });

  // Paper cannot be clicked: its answers are open. The theme does so too, but not where pages are opened from a folder.
  let closed = [];
  addEventListener("beforeprint", () => {
    closed = [...document.querySelectorAll("details.question:not([open])")];
    closed.forEach((answer) => (answer.open = true));
  });
  addEventListener("afterprint", () => closed.forEach((answer) => (answer.open = false)));
})();
