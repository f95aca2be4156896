// Gives each table a button that saves it as CSV, and the labels and roles that a narrow layout lacks.
"use strict";
const quoted = text => /[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
const plain = text => text.replaceAll("\u00a0", " ").trim();
const words = heading => [...heading.childNodes].map(node => node.textContent).join(", ");

function csv(table) {
  const rows = [...table.rows];
  const cells = rows.map(row => [...row.cells].map(cell => {
    const note = cell.querySelector("small");
    const sign = cell.querySelector("span");
    let text = cell.textContent;
    if (note) text = text.slice(0, text.length - note.textContent.length);
    if (sign) text = text.slice(sign.textContent.length);
    return { text: plain(text), note: plain(note ? note.textContent : ""),
             verdict: cell.classList.contains("verdict") ? cell.classList[cell.classList.length - 1] : "" };
  }));
  const columns = cells[0].map((heading, index) => ({ heading: heading.text, index,
    note: cells.slice(1).some(row => row[index].note),
    verdict: cells.slice(1).some(row => row[index].verdict && row[index].verdict !== row[index].text) }));
  const lines = cells.map((row, number) => columns.flatMap(column => {
    const cell = row[column.index];
    const first = number === 0;
    return [cell.text,
            ...(column.note ? [first ? `${column.heading}, note` : cell.note] : []),
            ...(column.verdict ? [first ? `${column.heading}, verdict` : cell.verdict] : [])];
  }).map(quoted).join(","));
  return lines.join("\r\n") + "\r\n";
}

function equip(table) {
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
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = "CSV";
  button.setAttribute("aria-label", `Save as CSV: ${table.caption.textContent}`);
  button.addEventListener("click", () => {
    const link = document.createElement("a");
    link.download = `${table.id}.csv`;
    link.href = "data:text/csv;charset=utf-8," + encodeURIComponent(csv(table));
    link.click();
  });
  table.parentElement.prepend(button);
}

document.querySelectorAll("table").forEach(equip);
document.documentElement.dataset.ready = "yes";
