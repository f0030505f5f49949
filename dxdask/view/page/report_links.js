// Links from the report to the viewer that serves it: rows of tables, points and places of plots.
"use strict";
(() => {
  const token = new URLSearchParams(location.search).get("token") || "";
  const address = (values) => `./?token=${encodeURIComponent(token)}#${new URLSearchParams(values)}`;
  const text = (cell) => (cell ? cell.textContent.trim() : ""), number = (cell) => (/^-?[\d.]+$/.test(text(cell)) ? text(cell) : null);
  const link = (cell, values) => {
    const a = document.createElement("a");
    a.href = address(values);
    a.append(...cell.childNodes);
    cell.append(a);
  };
  const runs = [...document.querySelectorAll('#runs [data-table="runs"] tbody tr')].map((row) => text(row.children[0])), known = new Set(runs);
  for (const table of document.querySelectorAll("table")) {
    const heads = [...table.querySelectorAll("th")], at = Object.fromEntries(heads.map((th, i) => [th.dataset.column, i]));
    for (const row of table.querySelectorAll("tbody tr")) {
      const cells = row.children, cell = (name) => (name in at ? cells[at[name]] : undefined);
      // a row of several runs, as of a detector that they share, leads to the first of them
      const run = "run" in at ? text(cell("run")).split(/, | to /)[0] : runs[0];
      if (!known.has(run)) continue;
      heads.forEach((th, i) => { if (known.has(text(th)) && text(cells[i])) link(cells[i], { run: text(th) }); });
      const image = ["image", "first_image", "first"].find((name) => number(cell(name)) !== null);
      const place = [["x", "y"], ["fast", "slow"]].find((names) => names.every((name) => number(cell(name)) !== null));
      const values = { run };
      if ("run" in at && image) values.image = text(cell(image));
      if (place && number(cell("panel")) !== null) Object.assign(values, { panel: text(cell("panel")), x: text(cell(place[0])), y: text(cell(place[1])), zoom: 8 });
      if (values.image) link(cell(image), values);
      else if ("panel" in values) link(cell(place[0]), values);
      else if ("run" in at) link(cell("run"), values);
    }
  }
  // The run that a curve is of: its name, or the longest run's name that it begins with.
  const runOf = (name) => runs.filter((r) => name.startsWith(r)).sort((p, q) => q.length - p.length)[0] || (runs.length === 1 ? runs[0] : undefined);
  const open = (values) => { location.href = address(values); };
  const ofFrame = (data) => /^fast/.test(data.x) && /^slow/.test(data.y);
  function openPoint(plot, u, v) {
    let best = null, near = 15;
    plot.series.forEach((s, i) => {
      if (plot.hidden.has(i)) return;
      const view = s.right ? plot.rightView : plot.view.slice(2);
      for (let k = 0; k < s.x.length; k++) {
        const away = Math.hypot(plot.X(s.x[k]) - u, plot.Y(s.y[k], view) - v), run = s.run ? runs[s.run[k]] : runOf(s.name);
        if (away < near && run) { near = away; best = { run, x: s.x[k], y: s.y[k], image: s.image?.[k] }; }
      }
    });
    if (!best) return;
    if (plot.data.x === "image") open({ run: best.run, image: Math.round(best.x) });
    else if (ofFrame(plot.data)) open({ run: best.run, ...(best.image === undefined ? {} : { image: Math.round(best.image) }), x: best.x.toFixed(2), y: best.y.toFixed(2), zoom: 8 });
    else if (best.image !== undefined) open({ run: best.run, image: Math.round(best.image) });
  }
  // A bin of all runs leads to its place on the detector, of the first run.
  function openPlace(plot, u, v) {
    const inverse = (of, from, low, high) => low + ((from - of(low)) / (of(high) - of(low))) * (high - low), [a, b, c, d] = plot.view;
    open({ run: runs[0], x: inverse((x) => plot.X(x), u, a, b).toFixed(2), y: inverse((y) => plot.Y(y), v, c, d).toFixed(2), zoom: 4 });
  }
  let down = null;
  document.addEventListener("pointerdown", (e) => { down = [e.clientX, e.clientY]; }, true);
  document.addEventListener("click", (e) => {
    const plot = e.target.closest("figure")?.plot;
    if (!plot || e.target !== plot.canvas || !down || Math.hypot(e.clientX - down[0], e.clientY - down[1]) > 3 || !runs.length) return;
    const box = plot.canvas.getBoundingClientRect(), u = e.clientX - box.left, v = e.clientY - box.top;
    if (plot.data.kind === "lines") openPoint(plot, u, v);
    else if (e.shiftKey && ofFrame(plot.data)) openPlace(plot, u, v); // a click alone is for zooming
  });
  document.addEventListener("pointerover", (e) => {
    const plot = e.target.closest?.("figure")?.plot;
    if (plot && plot.data.kind !== "lines" && ofFrame(plot.data)) plot.canvas.title = "shift and click: this place in the viewer";
  });
})();
