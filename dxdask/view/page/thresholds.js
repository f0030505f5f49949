// Pictures of what a threshold compares, of the part in view; computed anew when a slider moves.
const SLIDERS = { dispersion: [["dispersion.sigma_background", 0, 20, 0.1, 6], ["dispersion.sigma_strong", 0, 20, 0.1, 3],
  ["dispersion.global_threshold", 0, 200, 1, 0], ["dispersion.min_local", 0, 49, 1, 2], ["kernel slow", 1, 15, 1, 3], ["kernel fast", 1, 15, 1, 3], ["dispersion.gain", 0.1, 10, 0.1, 1]],
radial_profile: [["radial_profile.n_iqr", 0.1, 30, 0.1, 6], ["radial_profile.n_bins", 2, 500, 1, 100]],
helen: [["helen.exp_spot_dimension", 1, 15, 1, 3], ["helen.global_threshold", 0, 1000, 1, 100], ["helen.min_blob_score", -1, 1, 0.01, 0.7], ["helen.num_passes", 0, 5, 1, 0]] };
let threshold = { key: "", parts: [] }, stopThreshold = null;
const settings = {}, MOST_REGIONS = 500;

function thresholdValues() {
  const algorithm = $("algorithm").value, group = algorithm.startsWith("dispersion") ? "dispersion" : algorithm, out = { algorithm };
  for (const [name, , , , usual] of SLIDERS[group]) {
    const v = settings[name] ?? usual;
    if (!name.startsWith("kernel")) out[name] = v;
  }
  if (group === "dispersion") out["dispersion.kernel_size"] = `${settings["kernel slow"] ?? 3},${settings["kernel fast"] ?? 3}`;
  if (group === "radial_profile" && $("blur").value !== "none") out["radial_profile.blur"] = $("blur").value;
  return out;
}
function showSliders() {
  const algorithm = $("algorithm").value, group = algorithm.startsWith("dispersion") ? "dispersion" : algorithm;
  $("sliders").replaceChildren();
  $("blur").hidden = group !== "radial_profile";
  for (const [name, min, max, step, usual] of SLIDERS[group]) {
    const row = document.createElement("div"), input = document.createElement("input"), text = document.createElement("span");
    row.className = "row small";
    Object.assign(input, { type: "range", min, max, step, value: settings[name] ?? usual });
    input.dataset.name = name;
    const write = () => { text.textContent = `${name.split(".").pop()} ${input.value}`; };
    input.addEventListener("input", () => { settings[name] = Number(input.value); write(); redraw(); });
    write(); row.append(text, input); $("sliders").append(row);
  }
}
// Return the regions of panels in view, [panel, x0, x1, y0, y1].
function regionsInView() {
  const t = screens(models.recorded), [w, h] = view(), found = [];
  models.recorded.panels.forEach((p, i) => {
    const [a, b, c, d, e, f] = t[i], det = a * d - b * c;
    const at = [[0, 0], [w, 0], [0, h], [w, h]].map(([u, v]) => [(d * (u - e) - c * (v - f)) / det, (a * (v - f) - b * (u - e)) / det]);
    const xs = at.map((q) => q[0]), ys = at.map((q) => q[1]);
    const x0 = Math.max(0, Math.floor(Math.min(...xs))), x1 = Math.min(p.size[0], Math.ceil(Math.max(...xs)));
    const y0 = Math.max(0, Math.floor(Math.min(...ys))), y1 = Math.min(p.size[1], Math.ceil(Math.max(...ys)));
    if (x0 < x1 && y0 < y1) found.push([i, x0, x1, y0, y1]);
  });
  return found;
}
async function fetchThreshold() {
  const picture = $("threshold").value, regions = regionsInView(), values = thresholdValues();
  const key = JSON.stringify([shownKey(), picture, values, regions, threshold.again]);
  if (threshold.key === key) return;
  threshold.key = key;
  if (stopThreshold) stopThreshold.abort();
  const stop = (stopThreshold = new AbortController());
  try {
    // a few requests of many panels each: one a panel would take longer than the pictures
    const groups = [], each = Math.max(1, Math.min(MOST_REGIONS, Math.ceil(regions.length / 2)));
    for (let i = 0; i < regions.length; i += each) groups.push(regions.slice(i, i + each));
    const parts = (await Promise.all(groups.map(async (group) => {
      const text = group.map((r) => r.join(",")).join(";");
      const found = toPictures(await ask("threshold", { ...shownValues(), picture, regions: text, ...values }, stop.signal));
      return found.map((p, i) => ({ panel: group[i][0], x: group[i][1], y: group[i][3], ...p }));
    }))).flat();
    if (threshold.key !== key) return;
    threshold.parts = parts;
    paintThreshold(picture);
    say("");
    drawOverlays();
  } catch (error) { if (threshold.key === key) threshold.parts = []; fail(error); }
}
function paintThreshold(picture) {
  const truth = ["sigma_b", "sigma_s", "global", "result"].includes(picture);
  let high = 1;
  if (!truth) {
    const some = [];
    for (const p of threshold.parts) for (let i = 0; i < p.values.length; i += Math.max(1, p.values.length >> 14)) if (p.values[i] === p.values[i]) some.push(p.values[i]);
    some.sort((a, b) => a - b);
    high = some[Math.floor(some.length * 0.99)] || 1;
  }
  const table = colourTable(truth ? "grey" : S.scheme);
  for (const p of threshold.parts) {
    const data = new ImageData(p.w, p.h), out = data.data;
    for (let i = 0, j = 0; i < p.values.length; i++, j += 4) {
      const v = p.values[i], colour = v === v ? table : MASKED, k = v === v ? 3 * Math.max(0, Math.min(255, Math.round((v / high) * 255))) : 0;
      out[j] = colour[k]; out[j + 1] = colour[k + 1]; out[j + 2] = colour[k + 2]; out[j + 3] = 255;
    }
    p.canvas = document.createElement("canvas"); p.canvas.width = p.w; p.canvas.height = p.h;
    p.canvas.getContext("2d").putImageData(data, 0, 0);
  }
}
function drawParts(ctx, t, parts) {
  const ratio = devicePixelRatio;
  ctx.imageSmoothingEnabled = false;
  for (const p of parts) if (p.canvas) {
    ctx.save();
    ctx.setTransform(...t[p.panel].map((v) => v * ratio));
    ctx.drawImage(p.canvas, p.x, p.y);
    ctx.restore();
  }
}
function wireThresholds() {
  showSliders();
  $("algorithm").addEventListener("change", () => { showSliders(); redraw(); });
  $("blur").addEventListener("change", redraw);
  $("threshold").addEventListener("change", () => { threshold.parts = []; redraw(); });
  on("under", (ctx) => { if ($("threshold").value !== "none") { fetchThreshold(); drawParts(ctx, screens(models.recorded), threshold.parts); } });
  on("run", () => { threshold = { key: "", parts: [] }; });
}
