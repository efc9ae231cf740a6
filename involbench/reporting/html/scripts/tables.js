// Sort tables by their headers, and filter long tables and the list of runs by words.
"use strict";
(() => {
  const LONG = 8;
  const FIRST_NUMBER = /^[▲▼~≈=\s]*([-+]?[\d,]*\.?\d+(?:e[-+]?\d+)?)/i;

  // The number of a cell, or NaN: its machine-readable value, or the number it begins with.
  const numberOf = (cell) => {
    const data = cell.querySelector("data");
    const found = data ? data.value : FIRST_NUMBER.exec(cell.textContent)?.[1].replaceAll(",", "");
    return found === undefined ? NaN : Number(found);
  };

  const sort = (table, column, direction) => {
    const body = table.tBodies[0];
    table.original ??= [...body.rows];
    const rows = table.original.map((row) => [row, row.cells[column]]);
    if (direction !== "none") {
      const sign = direction === "ascending" ? 1 : -1;
      const numbers = new Map(rows.map(([row, cell]) => [row, numberOf(cell)]));
      const known = [...numbers.values()].filter((value) => !Number.isNaN(value)).length;
      rows.sort(([one, left], [other, right]) => {
        const a = numbers.get(one), b = numbers.get(other);
        if (2 * known < rows.length) {
          return sign * left.textContent.localeCompare(right.textContent, undefined, { numeric: true });
        }
        // Cells without a number come last, whatever the direction.
        return Number.isNaN(a) - Number.isNaN(b) || sign * (a - b) || 0;
      });
    }
    body.append(...rows.map(([row]) => row));
    for (const header of table.tHead.rows[0].cells) {
      header.removeAttribute("aria-sort");
    }
    if (direction !== "none") {
      table.tHead.rows[0].cells[column].setAttribute("aria-sort", direction);
    }
  };

  const makeSortable = (table) => {
    [...table.tHead.rows[0].cells].forEach((header, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...header.childNodes);
      header.append(button);
      button.addEventListener("click", () => {
        const next = { ascending: "descending", descending: "none" };
        sort(table, column, next[header.getAttribute("aria-sort")] ?? "ascending");
      });
    });
  };

  // A search field above the list; it shows the items that have all of its words.
  const addFilter = (list, items, what, name) => {
    const label = document.createElement("label"), field = document.createElement("input");
    const count = document.createElement("output");
    field.type = "search";
    field.setAttribute("aria-label", `Filter ${what} of: ${name}`);
    label.append(`Filter ${what} `, field);
    const box = document.createElement("p");
    box.className = "filter";
    box.append(label, " ", count);
    list.before(box);
    field.addEventListener("input", () => {
      const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
      let left = 0;
      for (const item of items) {
        const text = (item.querySelector("summary") ?? item).textContent.toLowerCase();
        item.hidden = !words.every((word) => text.includes(word));
        left += !item.hidden;
      }
      count.textContent = words.length ? `${left} of ${items.length} ${what}` : "";
    });
  };

  for (const table of document.querySelectorAll("table")) {
    const rows = [...table.tBodies[0].rows];
    if (rows.length > 1) {
      makeSortable(table);
    }
    if (rows.length > LONG) {
      addFilter(table.parentElement, rows, "rows", table.parentElement.getAttribute("aria-label"));
    }
  }
  const runs = [...document.querySelectorAll("details.run")];
  if (runs.length > LONG) {
    addFilter(runs[0], runs, "runs", "the list");
  }
})();
