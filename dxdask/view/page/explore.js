// An ensemble by run, module and image range: pixels, intensities, matched pairs, ratios and masks, as of dxdask.explore.
const CHARTS = {
  pixels: { x: "pixel value (counts)", y: "pixels of indexed spots", logY: true, style: "step", most: 60 },
  intensities: { x: "intensity (photons)", y: "reflections", logX: true, style: "step" },
  pairs: { x: "intensity in the reference run (photons)", y: "intensity (photons)", logX: true, logY: true, style: "points" },
  ratios: { x: "intensity in the reference run (photons)", y: "ratio / ratio of transmissions", logX: true, style: "line" },
};
const E = { got: null, stop: null, version: 0 };
const selected = (id) => [...$(id).selectedOptions].map((o) => o.value);

async function fetchExploration() {
  const values = [...selected("explore-runs").map((v) => ["run", v]), ...selected("explore-modules").map((v) => ["module", v])];
  for (const id of ["first", "last"]) if ($(`explore-${id}`).value) values.push([id, $(`explore-${id}`).value]);
  if (E.stop) E.stop.abort();
  const stop = (E.stop = new AbortController());
  try {
    const got = unpack(await ask("explore", values, stop.signal));
    E.got = got; E.version++;
    fillChoices("explore-runs", got.runs, got.runs);
    fillChoices("explore-modules", got.modules, got.modules.map((_, i) => i));
    say("");
    showExploration();
  } catch (error) { if (error.name !== "AbortError") { E.got = null; showExploration(); } fail(error); }
}
function fillChoices(id, names, values) {
  if ($(id).options.length === names.length) return;
  $(id).replaceChildren(...names.map((name, i) => { const o = document.createElement("option"); o.value = values[i]; o.textContent = name; return o; }));
}
const colourOfRun = (name) => PALETTE[E.got.runs.indexOf(name) % PALETTE.length];
function showExploration() {
  for (const name of Object.keys(CHARTS)) drawChart($(`chart-${name}`), CHARTS[name], E.got ? seriesOf(name) : []);
  const tables = E.got ? E.got.tables.filter((t) => t.rows.length) : [];
  $("explore-tables").replaceChildren(...tables.flatMap((t) => {
    const h = document.createElement("h4"); h.textContent = t.title;
    return [h, ledgerTable(t)];
  }));
  const lines = E.got ? [...E.got.lines] : [], sent = E.got ? seriesOf("pairs").reduce((n, s) => n + s.x.length, 0) : 0;
  if (sent && sent < E.got.n_pairs) lines.push(`${sent} of ${E.got.n_pairs} pairs are drawn`);
  $("explore-lines").textContent = lines.join("; ");
}
function seriesOf(name) {
  return E.got.chosen.flatMap((run, k) => {
    const x = E.got[`${name}.${k}.x`], y = E.got[`${name}.${k}.y`], most = CHARTS[name].most ?? Infinity;
    if (!x) return [];
    const rows = [...x.keys()].filter((i) => x[i] <= most);
    return [{ run, x: rows.map((i) => x[i]), y: rows.map((i) => y[i]), image: E.got[`${name}.${k}.image`], colour: colourOfRun(run) }];
  });
}

// Even steps of 1, 2 or 5, or powers of ten.
function ticksOf(low, high, log) {
  if (log) {
    const step = Math.max(1, Math.ceil((high - low) / 6)), out = [];
    for (let p = Math.ceil(low - 1e-9); p <= high + 1e-9; p += step) out.push([p, p >= -2 && p < 5 ? String(Number((10 ** p).toPrecision(1))) : `1e${p}`]);
    return out;
  }
  const raw = (high - low) / 5, power = 10 ** Math.floor(Math.log10(raw)), step = power * [1, 2, 5, 10].find((k) => k * power >= raw), out = [];
  for (let v = Math.ceil(low / step) * step; v <= high + 1e-9 * step; v += step) out.push([v, String(Number(v.toPrecision(6)))]);
  return out;
}
function drawChart(canvas, chart, series) {
  const ratio = devicePixelRatio, w = canvas.clientWidth, h = canvas.clientHeight, left = 58, foot = 34, top = 18;
  canvas.width = Math.round(w * ratio); canvas.height = Math.round(h * ratio);
  const ctx = canvas.getContext("2d");
  ctx.setTransform(ratio, 0, 0, ratio, 0, 0);
  ctx.font = "11px system-ui, sans-serif"; ctx.fillStyle = ctx.strokeStyle = "#222";
  const fx = chart.logX ? Math.log10 : Number, fy = chart.logY ? Math.log10 : Number, ends = [Infinity, -Infinity, Infinity, -Infinity];
  for (const s of series) for (let i = 0; i < s.x.length; i++) {
    const u = fx(s.x[i]), v = fy(s.y[i]);
    if (!Number.isFinite(u) || !Number.isFinite(v)) continue;
    ends[0] = Math.min(ends[0], u); ends[1] = Math.max(ends[1], u); ends[2] = Math.min(ends[2], v); ends[3] = Math.max(ends[3], v);
  }
  canvas.chart = null;
  if (!(ends[0] <= ends[1])) { ctx.fillText("nothing to show", left, h / 2); return; }
  if (!chart.logY && chart.style === "step") ends[2] = 0;
  for (const k of [0, 2]) { const pad = 0.04 * (ends[k + 1] - ends[k]) || 0.5; ends[k] -= pad; ends[k + 1] += pad; }
  const X = (v) => left + ((fx(v) - ends[0]) / (ends[1] - ends[0])) * (w - left - 8);
  const Y = (v) => h - foot - ((fy(v) - ends[2]) / (ends[3] - ends[2])) * (h - foot - top);
  canvas.chart = { X, Y, series };
  ctx.strokeRect(left, top, w - left - 8, h - foot - top);
  ctx.textAlign = "center";
  for (const [v, text] of ticksOf(ends[0], ends[1], chart.logX)) ctx.fillText(text, X(chart.logX ? 10 ** v : v), h - foot + 13);
  ctx.fillText(chart.x, (left + w) / 2, h - 6);
  ctx.textAlign = "right";
  for (const [v, text] of ticksOf(ends[2], ends[3], chart.logY)) ctx.fillText(text, left - 4, Y(chart.logY ? 10 ** v : v) + 4);
  ctx.textAlign = "left";
  ctx.fillText(chart.y, 2, 11);
  for (const [k, s] of series.entries()) {
    ctx.fillStyle = ctx.strokeStyle = s.colour;
    ctx.textAlign = chart.style === "points" ? "left" : "right"; // where few points are
    if (k < 12) ctx.fillText(s.run, chart.style === "points" ? left + 6 : w - 14, top + 14 + 13 * k);
    if (chart.style === "points") { for (let i = 0; i < s.x.length; i++) ctx.fillRect(X(s.x[i]) - 0.75, Y(s.y[i]) - 0.75, 1.5, 1.5); continue; }
    ctx.beginPath();
    let last = null;
    for (let i = 0; i < s.x.length; i++) {
      const u = X(s.x[i]), v = Y(s.y[i]);
      if (!Number.isFinite(u) || !Number.isFinite(v)) { last = null; continue; }
      // a value that no pixel has, as at a notch, is a gap
      if (last === null || (chart.most && s.x[i] - s.x[i - 1] > 1)) ctx.moveTo(u, v);
      else if (chart.style === "step") { const half = (last[0] + u) / 2; ctx.lineTo(half, last[1]); ctx.lineTo(half, v); ctx.lineTo(u, v); } else ctx.lineTo(u, v);
      last = [u, v];
    }
    ctx.stroke();
  }
}
// Go to the image of the pair that is nearest to a click.
function pairAt(e) {
  const chart = $("chart-pairs").chart, r = $("chart-pairs").getBoundingClientRect();
  let best = null, near = 10;
  for (const s of chart ? chart.series : []) for (let i = 0; i < s.x.length; i++) {
    const away = Math.hypot(chart.X(s.x[i]) - (e.clientX - r.left), chart.Y(s.y[i]) - (e.clientY - r.top));
    if (away < near) { near = away; best = { run: s.run, image: s.image[i] }; }
  }
  if (best) { openExploration(false); goToRunImage(best.run, best.image).catch(fail); }
}
function openExploration(shown) {
  $("explore-panel").hidden = !shown;
  $("explore-open").classList.toggle("on", shown);
  if (!shown) say("");
  if (shown && !E.got) fetchExploration(); else if (shown) showExploration();
}
function wireExplore() {
  $("explore-open").addEventListener("click", () => openExploration($("explore-panel").hidden));
  for (const id of ["runs", "modules", "first", "last"]) $(`explore-${id}`).addEventListener("change", fetchExploration);
  $("explore-all").addEventListener("click", () => {
    for (const id of ["explore-runs", "explore-modules"]) for (const o of $(id).options) o.selected = false;
    $("explore-first").value = $("explore-last").value = "";
    fetchExploration();
  });
  $("chart-pairs").addEventListener("click", pairAt);
  addEventListener("resize", () => { if (!$("explore-panel").hidden) showExploration(); });
  addEventListener("keydown", (e) => { if (e.key === "Escape") openExploration(false); });
}
