// Sorts and filters the table of models. Without it the table is complete, only not sorted.
(() => {
  const table = document.querySelector("table[data-sortable]");
  const rows = [...table.tBodies[0].rows];
  const heads = [...table.tHead.rows[0].cells];
  // A cell whose text is not what it is sorted by carries the value.
  const value = (row, column) => row.cells[column].dataset.value ?? row.cells[column].textContent;
  const numeric = (column) => heads[column].classList.contains("zoo-number");

  heads.forEach((head, column) => {
    const button = Object.assign(document.createElement("button"), { type: "button", textContent: head.textContent });
    head.replaceChildren(button);
    button.addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") === "ascending";
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const order = (a, b) =>
        numeric(column) ? value(a, column) - value(b, column) : value(a, column).localeCompare(value(b, column), "en", { numeric: true });
      table.tBodies[0].append(...rows.sort((a, b) => (down ? order(b, a) : order(a, b))));
    });
  });

  const bar = Object.assign(document.createElement("form"), { className: "zoo-filter" });
  bar.addEventListener("submit", (event) => event.preventDefault());
  const field = (label, control) => {
    const wrapper = Object.assign(document.createElement("label"), { textContent: label });
    wrapper.append(control);
    bar.append(wrapper);
    control.addEventListener("input", filter);
    return control;
  };
  const choices = (column) => {
    const select = document.createElement("select");
    const values = ["", ...new Set(rows.map((row) => value(row, column)))];
    select.append(...values.map((text) => new Option(text || "all", text)));
    return select;
  };
  const name = field("Name contains ", Object.assign(document.createElement("input"), { type: "search" }));
  const family = field("Family ", choices(1));
  const placement = field("Placement ", choices(3));
  const shown = Object.assign(document.createElement("output"), { className: "zoo-soft" });
  bar.append(shown);
  table.closest(".zoo-table").before(bar);

  function filter() {
    for (const row of rows)
      row.hidden =
        !value(row, 0).includes(name.value.trim().toLowerCase()) ||
        (family.value && value(row, 1) !== family.value) ||
        (placement.value && value(row, 3) !== placement.value);
    shown.value = `${rows.filter((row) => !row.hidden).length} of ${rows.length} shown`;
  }
  filter();
})();
