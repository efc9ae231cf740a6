// Open the record of a run in a dialog: from its name in a table, or from a chart (`openRecord`).
"use strict";
const openRecord = (() => {
  const records = new Map(
    [...document.querySelectorAll("details.run")].map((run) => [run.dataset.run, run]),
  );
  const dialog = document.createElement("dialog");
  const title = document.createElement("h2"), content = document.createElement("div");
  const close = document.createElement("button");
  close.type = "button";
  close.textContent = "Close";
  close.addEventListener("click", () => dialog.close());
  title.id = "record-title";
  content.tabIndex = 0;
  content.className = "record";
  dialog.setAttribute("aria-labelledby", title.id);
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog) {
      dialog.close();  // A click beside it.
    }
  });
  dialog.append(title, content, close);
  document.body.append(dialog);

  const open = (name) => {
    const record = records.get(name);
    title.textContent = name;
    content.replaceChildren();
    if (record) {
      const [summary, ...rest] = [...record.children].map((child) => child.cloneNode(true));
      const status = document.createElement("p");
      status.append(...summary.childNodes);
      status.querySelector(".name")?.remove();
      content.append(status, ...rest);
    } else {
      content.textContent = `This page does not list the run. See: involbench show ${name}`;
    }
    dialog.showModal();
  };

  for (const cell of document.querySelectorAll("td")) {
    if (records.has(cell.textContent)) {
      const button = document.createElement("button");
      button.type = "button";
      button.className = "run-name";
      button.textContent = cell.textContent;
      button.addEventListener("click", () => open(button.textContent));
      cell.replaceChildren(button);
    }
  }
  return open;
})();
