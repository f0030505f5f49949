// Masks by reason, and regions that are drawn and kept as a mask of the store.
const REASONS = [["imported", 1, [160, 120, 90]], ["applied", 2, [230, 60, 160]], ["of the panel", 4, [90, 90, 200]], ["bad pixels", 8, [220, 0, 0]]];
const reasonsShown = new Set();
let regions = [], started = null, maskPicture = null, maskBits = null;

async function fetchMask() {
  const run = S.run;
  try {
    const { w, h, values: bits } = toPicture(await ask("mask", { run }));
    if (S.run === run) { maskBits = { w, h, bits }; paintMask(); drawOverlays(); }
  } catch (error) { fail(error); }
}
function paintMask() {
  if (!maskBits) return;
  const { w, h, bits } = maskBits, data = new ImageData(w, h);
  for (let i = 0, j = 0; i < bits.length; i++, j += 4) for (const [name, bit, colour] of REASONS)
    if (bits[i] & bit && reasonsShown.has(name)) { data.data.set(colour, j); data.data[j + 3] = 150; }
  maskPicture = document.createElement("canvas"); maskPicture.width = w; maskPicture.height = h;
  maskPicture.getContext("2d").putImageData(data, 0, 0);
}
function drawMasks(ctx) {
  const t = screens(models.recorded);
  if (reasonsShown.size && !maskBits) fetchMask();
  if (reasonsShown.size && maskPicture) models.recorded.panels.forEach((p, i) => {
    ctx.save();
    ctx.imageSmoothingEnabled = false;
    ctx.setTransform(...t[i].map((v) => v * devicePixelRatio));
    ctx.drawImage(maskPicture, ...p.offset, ...p.size, 0, 0, ...p.size);
    ctx.restore();
  });
  ctx.strokeStyle = "#e0218a"; ctx.fillStyle = "rgba(224,33,138,.25)";
  const ranges = regions.filter((r) => r.resolution);
  if (ranges.length) drawRanges(ctx, screens(), ranges.map((r) => r.resolution));
  for (const region of started ? [...regions, started] : regions) {
    const own = t[region.panel];
    if (!own) continue;
    ctx.beginPath();
    if (region.rectangle) { const [x0, x1, y0, y1] = region.rectangle; outline(ctx, own, x0, y0, x1, y1); }
    else if (region.pixel) { const [y, x] = region.pixel; outline(ctx, own, x, y, x + 1, y + 1); }
    else if (region.circle) {
      const [x, y, r] = region.circle;
      for (let k = 0; k <= 60; k++) { const a = (k * Math.PI) / 30, q = put(own, x + 0.5 + r * Math.cos(a), y + 0.5 + r * Math.sin(a)); ctx[k ? "lineTo" : "moveTo"](...q); }
    } else if (region.polygon) for (let k = 0; k < region.polygon.length; k += 2) ctx[k ? "lineTo" : "moveTo"](...put(own, region.polygon[k], region.polygon[k + 1]));
    else outline(ctx, own, 0, 0, ...models.recorded.panels[region.panel].size);
    if (region !== started || !region.polygon) ctx.closePath();
    ctx.fill(); ctx.stroke();
  }
}
// The limits of ranges of resolution, as rings.
function drawRanges(ctx, t, ranges) {
  fetchRings("ranges", ranges.flat().join(","));
  if (rings.ranges.key === `${S.run}|${ranges.flat().join(",")}`) drawRings(ctx, t, rings.ranges, "#e0218a");
  ctx.strokeStyle = "#e0218a"; ctx.fillStyle = "rgba(224,33,138,.25)";
}
function addRange(a, b) {
  if (!(a > 0 && b > 0 && a !== b)) { say("a range of resolution is two numbers above 0, as in 3.9-3.6"); return; }
  add({ resolution: [Math.max(a, b), Math.min(a, b)] });
}
const spacingAt = async ([panel, x, y]) => (await ask("point", { run: S.run, image: S.image, panel, x, y })).d;
async function addRangeBetween(from, to) {
  try { addRange(...(await Promise.all([from, to].map(spacingAt))).map((d) => Number(d.toFixed(3)))); } catch (error) { fail(error); }
}
function sayRegions() { $("regions").textContent = `${regions.length} regions`; }
function add(region) { regions.push(region); started = null; sayRegions(); drawOverlays(); }

function pick(shape) {
  started = null;
  let first = null;
  const near = (X, Y) => { // on the panel where the drawing began
    const here = toPanel(X, Y, models.recorded);
    if (!first || (here && here[0] === first[0])) return here;
    const t = places(models.recorded)[first[0]], u = X - t[4], v = Y - t[5], det = t[0] * t[3] - t[1] * t[2], [w, h] = models.recorded.panels[first[0]].size;
    return [first[0], Math.max(0, Math.min(w, (t[3] * u - t[2] * v) / det)), Math.max(0, Math.min(h, (t[0] * v - t[1] * u) / det))];
  };
  const make = (at) => {
    const [panel, a, b] = first, x = Math.floor(a), y = Math.floor(b), u = at[1], v = at[2], [w, h] = models.recorded.panels[panel].size;
    if (shape === "rectangle") return { panel, rectangle: [Math.min(x, Math.floor(u)), Math.min(w, Math.max(x + 1, Math.ceil(u))), Math.min(y, Math.floor(v)), Math.min(h, Math.max(y + 1, Math.ceil(v)))] };
    return { panel, circle: [x, y, Math.max(1, Math.round(Math.hypot(u - a, v - b)))] };
  };
  const tools = { rectangle: 1, circle: 1, polygon: 1, pixel: 1, panel: 1 };
  if (shape === "resolution") { // from one resolution to another, whatever the panels
    let last = null;
    tool = {
      down(X, Y) { first = last = toPanel(X, Y); },
      move(X, Y) { last = toPanel(X, Y) || last; },
      up() { if (first && last) addRangeBetween(first, last); first = last = null; },
    };
    return;
  }
  tool = !tools[shape] ? null : {
    down(X, Y) {
      const at = near(X, Y);
      if (!at) return;
      const x = Math.floor(at[1]), y = Math.floor(at[2]);
      if (shape === "pixel") add({ panel: at[0], pixel: [y, x] });
      else if (shape === "panel") add({ panel: at[0] });
      else if (shape === "polygon") {
        if (!started) { first = at; started = { panel: at[0], polygon: [] }; }
        started.polygon.push(Math.round(at[1]), Math.round(at[2]));
        drawOverlays();
      } else { first = at; started = make(at); }
    },
    move(X, Y) { const at = first && shape !== "polygon" && near(X, Y); if (at && started) { started = make(at); drawOverlays(); } },
    up() { if (started && shape !== "polygon") { const done = started; first = null; add(done); } },
    end() { // the double click added its place twice
      if (shape !== "polygon" || !started) return;
      const p = started.polygon, n = p.length;
      if (n >= 4 && p[n - 1] === p[n - 3] && p[n - 2] === p[n - 4]) p.splice(n - 2);
      first = null;
      if (p.length >= 6) add(started); else { started = null; drawOverlays(); }
    },
  };
}
async function keepMask() {
  $("keep").disabled = true;
  say("the mask is being kept");
  try {
    regions = (await ask("mask", {}, undefined, JSON.stringify({ regions }))).regions;
    maskBits = maskPicture = null; threshold.again = Date.now(); sayRegions();
    say(`the mask of ${regions.length} regions is in use; find spots again to see its effect`);
    redraw();
  } catch (error) { fail(error); }
  $("keep").disabled = false;
}
async function wireMasks() {
  for (const [name, , colour] of REASONS)
    box("reasons", name, false, (v) => { if (v) reasonsShown.add(name); else reasonsShown.delete(name); paintMask(); redraw(); }, `rgb(${colour})`);
  $("shape").addEventListener("change", () => pick($("shape").value));
  $("undo").addEventListener("click", () => { if (started) started = null; else regions.pop(); sayRegions(); drawOverlays(); });
  $("add-range").addEventListener("click", () => addRange(...$("range").value.split(/[-,\s]+/).filter(Boolean).map(Number)));
  $("keep").addEventListener("click", keepMask);
  on("under", drawMasks);
  on("run", () => { maskBits = maskPicture = null; });
  try { regions = (await ask("mask")).regions.map((r) => (r.resolution ? r : { panel: 0, ...r })); sayRegions(); } catch (error) { fail(error); }
}
