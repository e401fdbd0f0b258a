// The theme fetches the index of its search and starts a worker on every page. Here both wait until somebody turns to the search box.
// Runs before the theme's own script. From a folder no worker may start: the theme sees it, and hides its search.
(() => {
  const box = document.querySelector("[data-md-component=search-query]");
  if (!box || location.protocol === "file:") return;
  const used = new Promise((resolve) => {
    for (const event of ["focus", "pointerenter", "touchstart"]) box.addEventListener(event, resolve, { once: true });
    document.querySelector("[data-md-toggle=search]").addEventListener("change", resolve, { once: true });
    // A question in the address is asked at once, and words found by a search are marked on the page.
    if (["q", "h"].some((name) => new URLSearchParams(location.search).has(name))) resolve();
  });

  const { open, send } = XMLHttpRequest.prototype;
  const waiting = new WeakSet();
  XMLHttpRequest.prototype.open = function (method, address, ...rest) {
    if (/search_index\.json$/.test(address)) waiting.add(this);
    return open.call(this, method, address, ...rest);
  };
  XMLHttpRequest.prototype.send = function (...body) {
    if (!waiting.has(this)) return send.apply(this, body);
    used.then(() => send.apply(this, body));
  };

  const Started = window.Worker;
  window.Worker = class extends EventTarget {
    constructor(address) {
      super();
      this.started = used.then(() => {
        const worker = new Started(address);
        worker.onmessage = ({ data }) => this.dispatchEvent(new MessageEvent("message", { data }));
        return worker;
      });
    }
    postMessage(message) {
      this.started.then((worker) => worker.postMessage(message));
    }
  };
})();
