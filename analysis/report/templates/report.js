// Unpacks a large run's workloads, gives each table a button that saves it as CSV, and gives it back the roles that a
// narrow layout takes.
"use strict";
const quoted = text => /[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
const plain = text => text.replaceAll("\u00a0", " ").trim();

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
  for (const row of table.rows) {
    row.setAttribute("role", "row");
    for (const cell of row.cells)
      cell.setAttribute("role", cell.scope === "col" ? "columnheader" : cell.scope === "row" ? "rowheader" : "cell");
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

async function unpack(packed) {
  const bytes = Uint8Array.from(atob(packed.textContent), char => char.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  packed.outerHTML = await new Response(stream).text();
  if (location.hash) document.getElementById(decodeURIComponent(location.hash.slice(1)))?.scrollIntoView();
}

async function start() {
  const packed = document.getElementById("packed");
  if (packed) await unpack(packed);
  document.querySelectorAll("table").forEach(equip);
  document.documentElement.dataset.ready = "yes";
}
start();
