// The picture: tiles of counts, coloured here; zoom and pan.
const SIDE = 512, MOST = 400, MASKED = [235, 215, 195], OVERLOAD = [240, 200, 0];
const tiles = new Map(), waiting = new Map();

const STOPS = {
  grey: [[255, 255, 255], [0, 0, 0]],
  inverted: [[0, 0, 0], [255, 255, 255]],
  heat: [[0, 0, 0], [160, 0, 0], [255, 90, 0], [255, 210, 60], [255, 255, 255]],
  rainbow: [[60, 0, 130], [0, 60, 255], [0, 200, 200], [40, 200, 40], [250, 230, 0], [240, 30, 0]],
  viridis: [[68, 1, 84], [59, 82, 139], [33, 145, 140], [94, 201, 98], [253, 231, 37]],
};
function colourTable(name) {
  const stops = STOPS[name], out = new Uint8Array(256 * 3);
  for (let i = 0; i < 256; i++) {
    const at = (i / 255) * (stops.length - 1), k = Math.min(Math.floor(at), stops.length - 2), f = at - k;
    for (let c = 0; c < 3; c++) out[3 * i + c] = Math.round(stops[k][c] * (1 - f) + stops[k + 1][c] * f);
  }
  return out;
}
// Return the number that marks a pixel without a count.
const markOf = (counts) => (counts instanceof Uint32Array ? 4294967295 : counts instanceof Uint16Array ? 65535 : NaN);

// Colours as numbers of four bytes, as an image's pixels lie in memory.
const packed = (r, g, b) => new Uint32Array(new Uint8Array([r, g, b, 255]).buffer)[0];
function paint(tile) {
  const stamp = `${S.scheme}|${S.low}|${S.high}`;
  if (tile.stamp === stamp) return tile.canvas;
  const colours = colourTable(S.scheme), { counts, w, h } = tile, mark = markOf(counts);
  const table = Uint32Array.from({ length: 256 }, (_, k) => packed(...colours.subarray(3 * k, 3 * k + 3)));
  const masked = packed(...MASKED), overload = packed(...OVERLOAD);
  const low = S.low, per = 255 / (S.high - low || 1), limit = models.panels[0].trusted[1];
  const top = S.n > 1 && S.stack === "sum" || limit === null ? Infinity : limit;
  const data = new ImageData(w, h), out = new Uint32Array(data.data.buffer);
  for (let i = 0; i < counts.length; i++) {
    const value = counts[i], k = (value - low) * per + 0.5;
    if (value === mark || value !== value) out[i] = masked;
    else if (value >= top) out[i] = overload;
    else out[i] = table[k < 0 ? 0 : k > 255 ? 255 : k | 0];
  }
  if (!tile.canvas) { tile.canvas = document.createElement("canvas"); tile.canvas.width = w; tile.canvas.height = h; }
  tile.canvas.getContext("2d").putImageData(data, 0, 0);
  tile.stamp = stamp;
  return tile.canvas;
}

function keep(key, tile) {
  tiles.set(key, tile);
  while (tiles.size > MOST) tiles.delete(tiles.keys().next().value);
}
async function load(key, values, level, x, y) {
  const stop = new AbortController();
  waiting.set(key, stop);
  try {
    const buffer = await ask("tile", { ...values, level, x, y }, stop.signal);
    const { w, h, values: counts } = toPicture(buffer);
    keep(key, { w, h, counts });
    if (waiting.get(key) === stop) waiting.delete(key);
    redrawPicture();
  } catch (error) {
    if (waiting.get(key) === stop) waiting.delete(key);
    if (error.name !== "AbortError") { keep(key, { w: 0, h: 0, counts: new Uint8Array(0), failed: true }); fail(error); }
  }
}
const levelNow = () => Math.max(0, Math.min(8, Math.floor(-Math.log2(S.zoom * devicePixelRatio) + 1e-6)));

// Return the tiles [x, y] of a level that are in view.
function tilesInView(level) {
  const [h, w] = runOf(S.run).shape, step = SIDE << level, found = new Set(), size = view();
  const boxes = [];
  if (S.layout === "frame") {
    const [a, b] = fromScreen(0, 0), [c, d] = fromScreen(...size);
    boxes.push([a, b, c, d]);
  } else models.panels.forEach((p, i) => {
    const at = [[0, 0], [1, 0], [0, 1], [1, 1]].map(([u, v]) => toScreen(...toPlane(i, u * p.size[0], v * p.size[1])));
    const xs = at.map((q) => q[0]), ys = at.map((q) => q[1]);
    if (Math.max(...xs) < 0 || Math.max(...ys) < 0 || Math.min(...xs) > size[0] || Math.min(...ys) > size[1]) return;
    boxes.push([p.offset[0], p.offset[1], p.offset[0] + p.size[0], p.offset[1] + p.size[1]]);
  });
  for (const [a, b, c, d] of boxes)
    for (let y = Math.max(0, Math.floor(b / step)); y * step < Math.min(d, h); y++)
      for (let x = Math.max(0, Math.floor(a / step)); x * step < Math.min(c, w); x++) found.add(`${x},${y}`);
  return [...found].map((t) => t.split(",").map(Number));
}

// Ask for the tiles in view that are not here, stop requests that were overtaken; return how many are not here.
function loadMissing(level, wanted) {
  const names = wanted.map(([x, y]) => `${shownKey()}|${level}|${x}|${y}`), near = neighbours(level, wanted);
  for (const [name, stop] of waiting) if (!names.includes(name) && !near.has(name)) { stop.abort(); waiting.delete(name); }
  names.forEach((name, i) => { if (!tiles.has(name) && !waiting.has(name)) load(name, shownValues(), level, ...wanted[i]); });
  return names.filter((name) => !tiles.has(name)).length;
}

function drawTiles(ctx, level, wanted) {
  const key = shownKey(), step = SIDE << level;
  for (const [x, y] of wanted) {
    const name = `${key}|${level}|${x}|${y}`, tile = tiles.get(name);
    if (tile && !tile.failed && tile.w) {
      ctx.drawImage(paint(tile), x * step, y * step, tile.w << level, tile.h << level);
      continue;
    }
    for (let up = level + 1; up <= 8; up++) { // until it is here, the coarser one
      const far = tiles.get(`${key}|${up}|${x >> (up - level)}|${y >> (up - level)}`);
      if (!far || !far.w) continue;
      const part = SIDE >> (up - level), sx = (x * part) % SIDE, sy = (y * part) % SIDE;
      const sw = Math.min(part, far.w - sx), sh = Math.min(part, far.h - sy);
      if (sw > 0 && sh > 0) ctx.drawImage(paint(far), sx, sy, sw, sh, x * step, y * step, sw << up, sh << up);
      break;
    }
  }
}

// Draw all, or the picture alone when a tile of it came: overlays of thousands of spots take longer than tiles.
let asked = false, overlaysToo = false;
function redraw() { overlaysToo = true; redrawPicture(); }
function redrawPicture() { if (!asked) { asked = true; requestAnimationFrame(() => { asked = false; draw(); }); } }

function draw() {
  if (!models) return;
  const canvas = $("picture"), ctx = canvas.getContext("2d"), ratio = devicePixelRatio, [w, h] = view();
  for (const c of [canvas, $("overlay")])
    if (c.width !== Math.round(w * ratio) || c.height !== Math.round(h * ratio)) {
      c.width = Math.round(w * ratio); c.height = Math.round(h * ratio);
      overlaysToo = true;
    }
  const level = levelNow(), wanted = tilesInView(level), missing = loadMissing(level, wanted);
  if (S.high === null && !missing) setPercentile();
  if (S.high !== null) {
    ctx.setTransform(1, 0, 0, 1, 0, 0);
    ctx.clearRect(0, 0, canvas.width, canvas.height);
    ctx.imageSmoothingEnabled = false;
    const z = S.zoom * ratio, u = (w / 2 - S.x * S.zoom) * ratio, v = (h / 2 - S.y * S.zoom) * ratio;
    if (S.layout === "frame") {
      ctx.setTransform(z, 0, 0, z, u, v);
      ctx.save(); ctx.beginPath(); ctx.rect(0, 0, runOf(S.run).shape[1], runOf(S.run).shape[0]); ctx.clip();
      drawTiles(ctx, level, wanted);
      ctx.restore();
    } else models.panels.forEach((p, i) => {
      const t = places()[i], step = SIDE << level;
      ctx.save();
      ctx.setTransform(z * t[0], z * t[1], z * t[2], z * t[3], z * t[4] + u, z * t[5] + v);
      ctx.beginPath(); ctx.rect(0, 0, p.size[0], p.size[1]); ctx.clip();
      ctx.translate(-p.offset[0], -p.offset[1]);
      drawTiles(ctx, level, wanted.filter(([x, y]) => x * step < p.offset[0] + p.size[0] && (x + 1) * step > p.offset[0]
        && y * step < p.offset[1] + p.size[1] && (y + 1) * step > p.offset[1]));
      ctx.restore();
    });
    drawValues(ctx, ratio);
  }
  if (!missing && S.high !== null) {
    S.shownAt ??= performance.now();
    if (S.shown !== shownKey()) { S.shown = shownKey(); tell("shown"); }
    // after the overlay of this image, for which the link is needed
    if (!stopMarks) for (const [name, [values, x, y]] of neighbours(level, wanted))
      if (!tiles.has(name) && !waiting.has(name)) load(name, values, level, x, y);
  }
  if (overlaysToo) { overlaysToo = false; tell("draw"); }
  remember();
}
// The next image and the one before, which are likely to be wanted.
function neighbours(level, wanted) {
  const out = new Map(), run = runOf(S.run);
  if (S.n > 1 || wanted.length > 24) return out;
  for (const image of [S.image + 1, S.image - 1])
    if (image >= run.first && image < run.first + run.images)
      for (const [x, y] of wanted) out.set(`${S.run}|${image}|1|${S.stack}|${level}|${x}|${y}`, [{ run: S.run, image }, x, y]);
  return out;
}

function countAt(X, Y) { // frame pixel; undefined where the exact tile is not here
  const tile = tiles.get(`${shownKey()}|0|${Math.floor(X / SIDE)}|${Math.floor(Y / SIDE)}`);
  return tile && tile.w ? tile.counts[(Y % SIDE) * tile.w + (X % SIDE)] : undefined;
}
function drawValues(ctx, ratio) {
  if (S.zoom < 26) return;
  const [w, h] = view(), [a, b] = fromScreen(0, 0), [c, d] = fromScreen(w, h);
  ctx.setTransform(ratio, 0, 0, ratio, 0, 0);
  ctx.font = `${Math.min(12, S.zoom / 3.2)}px ui-monospace, monospace`;
  ctx.textAlign = "center"; ctx.textBaseline = "middle";
  const table = colourTable(S.scheme);
  for (let Y = Math.floor(b); Y < d; Y++) for (let X = Math.floor(a); X < c; X++) {
    const at = toPanel(X + 0.5, Y + 0.5);
    if (!at) continue;
    const o = models.panels[at[0]].offset, fx = Math.floor(at[1]) + o[0], fy = Math.floor(at[2]) + o[1];
    const value = countAt(fx, fy);
    if (value === undefined) continue;
    const k = 3 * Math.max(0, Math.min(255, Math.round(((value - S.low) * 255) / (S.high - S.low || 1))));
    ctx.fillStyle = table[k] + table[k + 1] + table[k + 2] > 380 ? "#000" : "#fff";
    const [u, v] = toScreen(X + 0.5, Y + 0.5);
    ctx.fillText(Number.isInteger(value) ? value : value.toPrecision(3), u, v);
  }
}

// Set the colours' upper end by the counts in view.
function setPercentile() {
  const level = levelNow(), found = [];
  for (const [x, y] of tilesInView(level)) {
    const tile = tiles.get(`${shownKey()}|${level}|${x}|${y}`);
    if (!tile || !tile.w) continue;
    const mark = markOf(tile.counts), every = Math.max(1, Math.floor(tile.counts.length / 20000));
    for (let i = 0; i < tile.counts.length; i += every) { const v = tile.counts[i]; if (v !== mark && v === v) found.push(v); }
  }
  if (!found.length) { if (S.high === null) S.high = 10; return; }
  found.sort((p, q) => p - q);
  const at = Math.min(found.length - 1, Math.floor((Number($("percentile").value) / 100) * found.length));
  const high = S.low + Math.max(found[at] - S.low, 4) * 10 ** -Number($("brightness").value);
  S.high = Number(high.toPrecision(4));
  $("high").value = S.high;
}

function fit() {
  const [w, h] = view(), [pw, ph] = planeSize();
  S.zoom = Math.min(w / pw, h / ph) * 0.98; S.x = pw / 2; S.y = ph / 2;
  redraw();
}
function zoomBy(factor, u, v) {
  const [w, h] = view();
  u = u ?? w / 2; v = v ?? h / 2;
  const [X, Y] = fromScreen(u, v);
  S.zoom = Math.max(0.005, Math.min(200, S.zoom * factor));
  const [X2, Y2] = fromScreen(u, v);
  S.x += X - X2; S.y += Y - Y2;
  redraw();
}

function goTo(image) {
  const run = runOf(S.run);
  S.image = Math.max(run.first, Math.min(run.first + run.images - 1, Math.round(image) || run.first));
  $("image").value = S.image; $("slider").value = S.image;
  say("");
  if ($("each").checked) S.high = null;
  loadMissing(levelNow(), tilesInView(levelNow())); // at once: the next animation frame may be 16 ms away
  redraw(); tell("image");
}
async function goToRun(name, image, keepView) {
  const run = runOf(name);
  if (!run) throw new Error(`there is no run ${name} in this store`);
  const got = await askModels(name);
  S.run = name; models = got;
  $("run").value = name;
  for (const id of ["slider", "image"]) { $(id).min = run.first; $(id).max = run.first + run.images - 1; }
  if (!keepView) fit();
  tell("run");
  goTo(image ?? run.first);
}

// Show a spot, at a position of a panel, px, in the middle of the view.
async function goToSpot(spot) {
  if (spot.run !== S.run) await goToRun(spot.run, spot.image, true); else goTo(spot.image);
  [S.x, S.y] = toPlane(spot.panel, spot.x, spot.y);
  S.zoom = Math.max(S.zoom, 4);
  redraw();
}

let playing = 0;
function play() {
  playing = playing ? 0 : 1;
  $("play").classList.toggle("on", !!playing);
  const step = () => {
    if (!playing) return;
    const run = runOf(S.run);
    if (waiting.size === 0 || playing++ > 20) { playing = 1; goTo(S.image + 1 >= run.first + run.images ? run.first : S.image + 1); }
    setTimeout(step, 100);
  };
  step();
}

let drag = null, tool = null; // a tool, e.g. of drawing masks, takes the pointer first
function wireFrames() {
  const top = $("overlay");
  const at = (e) => { const r = top.getBoundingClientRect(); return [e.clientX - r.left, e.clientY - r.top]; };
  top.addEventListener("wheel", (e) => { e.preventDefault(); zoomBy(1.0015 ** -e.deltaY, ...at(e)); }, { passive: false });
  top.addEventListener("pointerdown", (e) => {
    top.focus(); top.setPointerCapture(e.pointerId);
    if (tool && e.button === 0 && !e.shiftKey) { tool.down(...fromScreen(...at(e))); drag = "tool"; } else drag = at(e);
  });
  top.addEventListener("pointermove", (e) => {
    const now = at(e);
    if (drag === "tool") tool.move(...fromScreen(...now));
    else if (drag) { S.x -= (now[0] - drag[0]) / S.zoom; S.y -= (now[1] - drag[1]) / S.zoom; drag = now; redraw(); }
    if (models) tell("pointer", ...fromScreen(...now));
  });
  top.addEventListener("pointerup", (e) => { if (drag === "tool") tool.up(...fromScreen(...at(e))); drag = null; });
  top.addEventListener("dblclick", () => { if (tool && tool.end) tool.end(); });
  addEventListener("resize", redraw);
  addEventListener("keydown", (e) => {
    if (/INPUT|SELECT|TEXTAREA/.test(e.target.tagName) || e.ctrlKey || e.metaKey || !models) return;
    const work = { ArrowRight: () => goTo(S.image + (e.shiftKey ? 10 : 1)), ArrowLeft: () => goTo(S.image - (e.shiftKey ? 10 : 1)),
      "+": () => zoomBy(1.4), "=": () => zoomBy(1.4), "-": () => zoomBy(1 / 1.4), 0: fit, " ": play }[e.key];
    if (work) { e.preventDefault(); work(); }
  });
  const changed = (id, work, kind = "change") => $(id).addEventListener(kind, work);
  changed("run", () => goToRun($("run").value).catch(fail));
  changed("image", () => goTo(Number($("image").value)));
  changed("slider", () => goTo(Number($("slider").value)), "input");
  changed("previous", () => goTo(S.image - 1), "click");
  changed("next", () => goTo(S.image + 1), "click");
  changed("play", play, "click");
  changed("n", () => { S.n = Math.max(1, Math.min(1000, Math.round(Number($("n").value)) || 1)); $("n").value = S.n; S.high = null; goTo(S.image); });
  changed("stack", () => { S.stack = $("stack").value; if (S.n > 1) { S.high = null; goTo(S.image); } });
  changed("scheme", () => { S.scheme = $("scheme").value; redraw(); });
  for (const id of ["brightness", "percentile"]) changed(id, () => { setPercentile(); redraw(); }, "input");
  changed("low", () => { S.low = Number($("low").value); redraw(); }, "input");
  changed("high", () => { const v = Number($("high").value); if (v > S.low) { S.high = v; redraw(); } }, "input");
  changed("layout", () => { S.layout = $("layout").value; fit(); });
  changed("fit", fit, "click");
  changed("closer", () => zoomBy(1.4), "click");
  changed("farther", () => zoomBy(1 / 1.4), "click");
  changed("exact", () => { S.zoom = 1; redraw(); }, "click");
}
