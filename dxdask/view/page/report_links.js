// Links from the report to the viewer that serves it: rows of tables and points of plots with a run and an image.
"use strict";
(() => {
  const token = new URLSearchParams(location.search).get("token") || "";
  const address = (values) => `./?token=${encodeURIComponent(token)}#${new URLSearchParams(values)}`;
  const text = (cell) => cell.textContent.trim();
  const runs = new Set();
  for (const table of document.querySelectorAll("table")) {
    const heads = [...table.querySelectorAll("th")].map(text), run = heads.indexOf("run"), image = heads.indexOf("image");
    if (run < 0) continue;
    for (const row of table.querySelectorAll("tbody tr")) {
      const cells = row.children, name = text(cells[run]);
      if (!name) continue;
      runs.add(name);
      const number = image < 0 ? "" : text(cells[image]);
      const cell = cells[/^\d+$/.test(number) ? image : run], a = document.createElement("a");
      a.href = address({ run: name, ...(/^\d+$/.test(number) ? { image: number } : {}) });
      a.append(...cell.childNodes);
      cell.append(a);
    }
  }
  // The run that a curve is of: its name, or the longest run's name that it begins with.
  const runOf = (name) => [...runs].filter((r) => name.startsWith(r)).sort((p, q) => q.length - p.length)[0];
  const open = (values) => { location.href = address(values); };
  let down = null;
  document.addEventListener("pointerdown", (e) => { down = [e.clientX, e.clientY]; }, true);
  document.addEventListener("click", (e) => {
    const plot = e.target.closest("figure")?.plot;
    if (!plot || e.target !== plot.canvas || plot.data.kind !== "lines" || !down || Math.hypot(e.clientX - down[0], e.clientY - down[1]) > 3) return;
    const byImage = plot.data.x === "image", onFrame = /^fast/.test(plot.data.x) && /^slow/.test(plot.data.y);
    if (!byImage && !onFrame) return;
    const box = plot.canvas.getBoundingClientRect(), u = e.clientX - box.left, v = e.clientY - box.top;
    let best = null, near = 15;
    plot.series.forEach((s, i) => {
      const run = runOf(s.name) || (runs.size === 1 ? [...runs][0] : null), view = s.right ? plot.rightView : plot.view.slice(2);
      if (!run || plot.hidden.has(i)) return;
      for (let k = 0; k < s.x.length; k++) {
        const away = Math.hypot(plot.X(s.x[k]) - u, plot.Y(s.y[k], view) - v);
        if (away < near) { near = away; best = { run, x: s.x[k], y: s.y[k], image: s.image?.[k] }; }
      }
    });
    if (best && byImage) open({ run: best.run, image: Math.round(best.x) });
    else if (best) open({ run: best.run, ...(best.image === undefined ? {} : { image: Math.round(best.image) }), x: best.x.toFixed(2), y: best.y.toFixed(2), zoom: 8 });
  });
})();
