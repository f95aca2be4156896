// Gives tables the roles and their cells the labels that a narrow layout needs.
"use strict";
const words = heading => [...heading.childNodes].map(node => node.textContent).join(", ");

for (const table of document.querySelectorAll("table")) {
  table.setAttribute("role", "table");
  for (const part of [table.tHead, ...table.tBodies]) part.setAttribute("role", "rowgroup");
  const [headings] = table.rows;
  for (const row of table.rows) {
    row.setAttribute("role", "row");
    [...row.cells].forEach((cell, index) => {
      cell.setAttribute("role", cell.scope === "col" ? "columnheader" : cell.scope === "row" ? "rowheader" : "cell");
      if (!cell.scope) cell.dataset.label = words(headings.cells[index]);
    });
  }
}
document.documentElement.dataset.ready = "yes";
