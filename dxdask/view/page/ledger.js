// What became of the image shown, or of a Miller index; rows lead to their spot. The report of the store.
function ledgerTable(table) {
  const out = document.createElement("table"), names = Object.keys(table.rows[0]).filter((k) => k !== "panel" && k !== "at");
  const line = (cells, tag) => { const row = document.createElement("tr"); cells.forEach((c) => { const d = document.createElement(tag); d.textContent = c; row.append(d); }); return row; };
  out.append(line(names, "th"));
  for (const r of table.rows) {
    const row = line(names.map((k) => (typeof r[k] === "number" && !Number.isInteger(r[k]) ? r[k].toPrecision(5) : r[k] ?? "")), "td");
    const at = r.at ?? r; // of several, the first
    if (at.run && at.image) {
      row.className = "link"; row.title = r.at ? "show the first" : "show it";
      row.addEventListener("click", () => (at.panel === undefined ? goToRunImage(at.run, at.image) : goToSpot(at)).catch(fail));
    }
    out.append(row);
  }
  return out;
}
const goToRunImage = async (run, image) => (run === S.run ? goTo(image) : goToRun(run, image));
async function explain(values) {
  try {
    const got = await ask("why", values), panel = $("ledger");
    panel.replaceChildren();
    for (const text of got.lines) { const p = document.createElement("p"); p.textContent = text; panel.append(p); }
    for (const table of got.tables) if (table.rows.length) {
      const h = document.createElement("h4"); h.textContent = table.title;
      panel.append(h, ledgerTable(table));
    }
    panel.hidden = false;
  } catch (error) { fail(error); }
}
function wireLedger() {
  $("why").addEventListener("click", () => explain({ run: S.run, image: S.image }));
  $("why-hkl").addEventListener("change", () => { if ($("why-hkl").value.trim()) explain({ run: S.run, image: S.image, hkl: $("why-hkl").value.trim() }); });
  $("ledger-close").addEventListener("click", () => { $("ledger").hidden = true; });
  $("report").href = `report?token=${encodeURIComponent(TOKEN)}`;
}
