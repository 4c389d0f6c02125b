// A spreadsheet's manners for lists of fields: arrows and Enter move, a block
// copied from a sheet can be pasted, and many cells are filled in at once.

for (const form of document.querySelectorAll("[data-grid]")) {
  const rows = [...form.querySelectorAll("tbody tr")].map((tr) => [...tr.querySelectorAll(".cell")]);
  const find = (cell) => {
    for (const [y, row] of rows.entries()) {
      const x = row.indexOf(cell);
      if (x >= 0) return [y, x];
    }
  };
  const word = form.querySelector("[data-changed]");
  const plain = word?.textContent;

  const mark = (cell) => cell.classList.toggle("is-changed", cell.value !== cell.defaultValue);
  const count = () => {
    const n = form.querySelectorAll(".is-changed").length;
    if (word) word.textContent = n ? `${n} ${n === 1 ? "change" : "changes"}` : plain;
  };
  const set = (cell, value) => {
    cell.value = value;
    mark(cell);
  };
  const changed = () => {
    count();
    form.dispatchEvent(new Event("input", { bubbles: true }));
  };

  form.addEventListener("input", (event) => {
    if (event.target.classList?.contains("cell")) {
      mark(event.target);
      count();
    }
  });
  form.addEventListener("reset", () => requestAnimationFrame(() => {
    rows.flat().forEach(mark);
    count();
  }));

  form.addEventListener("keydown", (event) => {
    if (!event.target.classList?.contains("cell")) return;
    const [y, x] = find(event.target);
    const step = { ArrowUp: -1, ArrowDown: 1, Enter: 1 }[event.key];
    if (event.key === "Escape") {
      set(event.target, event.target.defaultValue);
      changed();
    }
    if (!step || event.isComposing) return;
    event.preventDefault();
    const next = rows[y + step]?.[x];
    next?.focus();
    next?.select();
  });

  form.addEventListener("paste", (event) => {
    if (!event.target.classList?.contains("cell")) return;
    const block = event.clipboardData.getData("text").replace(/\r/g, "").replace(/\n$/, "").split("\n").map((l) => l.split("\t"));
    if (block.length === 1 && block[0].length === 1) return;
    event.preventDefault();
    const [y, x] = find(event.target);
    block.forEach((line, i) => line.forEach((value, j) => rows[y + i]?.[x + j] && set(rows[y + i][x + j], value.trim())));
    changed();
  });

  form.querySelector("[data-all-go]")?.addEventListener("click", () => {
    const kind = form.querySelector("[data-all-kind]").value;
    const n = Number(form.querySelector("[data-all-value]").value.replace(",", "."));
    if (Number.isNaN(n)) return;
    const column = kind === "price" || kind === "percent" ? 0 : 2;
    for (const row of rows) {
      const cell = row[column];
      const old = Number(cell.value.replace(/,/g, ""));
      const digits = (cell.value.split(".")[1] ?? "").length;
      if (kind === "price" || kind === "stock") set(cell, String(n));
      if (kind === "percent" && cell.value) set(cell, (old * (1 + n / 100)).toFixed(digits));
      if (kind === "add" && cell.value) set(cell, String(Math.max(0, old + n)));
    }
    changed();
  });
}
