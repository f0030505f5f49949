// Spots, predictions, rings and geometry, on a canvas above the picture.
const FATES = ["not indexed", "indexed", "outlier", "integrated"];
const FATE_COLOURS = ["#d55e00", "#0072b2", "#cc79a7", "#009e73"];
const PALETTE = ["#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#b8a800", "#7a4fbf"];
const PREDICTION = "#a06000", LINE = "#7a4fbf", ICE = "#56b4e9";
const shows = { "beam centre": true, rings: false, "ice rings": false, "panel names": false, "rotation axis": false,
  boxes: true, centres: false, peaks: false, "strong pixels": false, shoeboxes: false, "spot hkl": false,
  predictions: false, "prediction boxes": false, hkl: false };
const fatesShown = [true, true, true, true];
let marks = null, marksKey = "", rings = {}, stopMarks = null;

function box(parent, name, checked, work, colour) {
  const label = document.createElement("label"), input = document.createElement("input");
  input.type = "checkbox"; input.checked = checked; input.dataset.name = name;
  input.addEventListener("change", () => work(input.checked));
  label.append(input);
  if (colour) { const s = document.createElement("span"); s.className = "swatch"; s.style.background = colour; label.append(s); }
  label.append(name);
  $(parent).append(label);
}

// Fetch the spots of the image, once its picture is complete: they are more bytes than it is.
async function fetchMarks() {
  const key = shownKey();
  if (marksKey === key || S.shown !== key) return;
  marksKey = key;
  if (stopMarks) stopMarks.abort();
  const stop = stopMarks = new AbortController();
  try {
    const got = unpack(await ask("overlay", shownValues(), stop.signal));
    if (marksKey !== key) return;
    marks = got;
    const many = [0, 0, 0, 0];
    got.kind.forEach((k) => many[k]++);
    $("counts").textContent = `${got.kind.length} spots: ` + FATES.map((f, i) => `${many[i]} ${f}`).join(", ") + `; ${got.p_panel.length} predicted`;
    const most = Math.max(-1, ...got.lattice, ...(got.p_lattice.length < 50000 ? got.p_lattice : []));
    const select = $("lattice");
    for (let k = select.options.length - 1; k <= most; k++) { const o = document.createElement("option"); o.textContent = k + 1; select.append(o); }
    redraw();
  } catch (error) { if (marksKey === key) { marksKey = ""; marks = null; } fail(error); }
  finally { if (stopMarks === stop) { stopMarks = null; redrawPicture(); } }
}
async function fetchRings(kind, spacings) {
  const text = spacings ?? (kind === "ice" ? "ice" : $("rings").value.trim()), key = `${S.run}|${text}`;
  if (rings[kind] && rings[kind].key === key) return;
  rings[kind] = { key, d: [], ring_ends: [] };
  try {
    rings[kind] = { key, ...unpack(await ask("rings", { run: S.run, ...(text ? { d: text } : {}) })) };
    redraw();
  } catch (error) { fail(error); }
}

// Panels' transforms to the screen, in CSS pixels.
function screens(set = models) {
  const [w, h] = view(), z = S.zoom;
  return places(set).map((t) => [z * t[0], z * t[1], z * t[2], z * t[3], (t[4] - S.x) * z + w / 2, (t[5] - S.y) * z + h / 2]);
}
const put = (t, x, y) => [t[0] * x + t[2] * y + t[4], t[1] * x + t[3] * y + t[5]];
function outline(ctx, t, x0, y0, x1, y1) {
  if (t[1] === 0 && t[2] === 0) { ctx.rect(t[0] * x0 + t[4], t[3] * y0 + t[5], t[0] * (x1 - x0), t[3] * (y1 - y0)); return; }
  ctx.moveTo(...put(t, x0, y0)); ctx.lineTo(...put(t, x1, y0)); ctx.lineTo(...put(t, x1, y1)); ctx.lineTo(...put(t, x0, y1)); ctx.closePath();
}
const lineNumber = () => ($("lattice").value === "all" ? null : Number($("lattice").value) - 1);
function spotColour(i) {
  if ($("by-lattice").checked && marks.lattice[i] >= 0) return PALETTE[marks.lattice[i] % PALETTE.length];
  return FATE_COLOURS[marks.kind[i]];
}
const spotShown = (i) => fatesShown[marks.kind[i]] && (lineNumber() === null || marks.lattice[i] === lineNumber());

// Draw things of one colour with few paths: a path for each would be slow, and so is one of thousands of corners
// (10 000 boxes: 1900 ms in one path, 6 ms in paths of 50).
const PATH = 50;
function inColours(ctx, n, colourOf, add, fill) {
  const groups = new Map();
  for (let i = 0; i < n; i++) { const c = colourOf(i); if (c) { if (!groups.has(c)) groups.set(c, []); groups.get(c).push(i); } }
  for (const [colour, members] of groups) {
    ctx.fillStyle = ctx.strokeStyle = colour;
    for (let start = 0; start < members.length; start += PATH) {
      ctx.beginPath();
      const end = Math.min(start + PATH, members.length);
      for (let k = start; k < end; k++) add(members[k]);
      if (fill) ctx.fill(); else ctx.stroke();
    }
  }
}
function cross(ctx, u, v, r) { ctx.moveTo(u - r, v); ctx.lineTo(u + r, v); ctx.moveTo(u, v - r); ctx.lineTo(u, v + r); }

function drawSpots(ctx, t) {
  const n = marks.kind.length, visible = new Uint8Array(n), [w, h] = view();
  for (let i = 0; i < n; i++) {
    const [u, v] = put(t[marks.panel[i]], marks.centre[2 * i], marks.centre[2 * i + 1]);
    visible[i] = u > -60 && v > -60 && u < w + 60 && v < h + 60 && spotShown(i);
  }
  const colour = (i) => (visible[i] ? spotColour(i) : null);
  if (shows.shoeboxes) inColours(ctx, marks.shoebox_spot.length,
    (i) => (visible[marks.shoebox_spot[i]] ? (marks.shoebox_mask[i] & 4 ? "rgba(0,158,115,.45)" : marks.shoebox_mask[i] & 2 ? "rgba(86,180,233,.3)" : "rgba(120,120,120,.5)") : null),
    (i) => { const x = marks.shoebox_xy[2 * i], y = marks.shoebox_xy[2 * i + 1]; outline(ctx, t[marks.panel[marks.shoebox_spot[i]]], x, y, x + 1, y + 1); }, true);
  if (shows["strong pixels"]) {
    ctx.globalAlpha = 0.6;
    inColours(ctx, marks.pixel_spot.length, (i) => colour(marks.pixel_spot[i]), (i) => {
      const x = marks.pixel_xy[2 * i], y = marks.pixel_xy[2 * i + 1];
      outline(ctx, t[marks.panel[marks.pixel_spot[i]]], x, y, x + 1, y + 1);
    }, true);
    ctx.globalAlpha = 1;
  }
  if (shows.boxes) inColours(ctx, n, colour, (i) => outline(ctx, t[marks.panel[i]], marks.box[4 * i], marks.box[4 * i + 2], marks.box[4 * i + 1], marks.box[4 * i + 3]));
  if (shows.centres) inColours(ctx, n, colour, (i) => cross(ctx, ...put(t[marks.panel[i]], marks.centre[2 * i], marks.centre[2 * i + 1]), 4));
  if (shows.peaks) inColours(ctx, n, colour, (i) => {
    const [u, v] = put(t[marks.panel[i]], marks.peak[2 * i], marks.peak[2 * i + 1]);
    ctx.moveTo(u + 3, v); ctx.arc(u, v, 3, 0, 7);
  });
  if (shows["spot hkl"] && S.zoom > 0.8) for (let i = 0; i < n; i++) if (visible[i] && marks.lattice[i] >= 0) {
    ctx.fillStyle = spotColour(i);
    const [u, v] = put(t[marks.panel[i]], marks.box[4 * i + 1], marks.box[4 * i + 2]);
    ctx.fillText([...marks.hkl.subarray(3 * i, 3 * i + 3)].join(" "), u + 2, v);
  }
}
function drawPredictions(ctx, t) {
  const [w, h] = view(), n = marks.p_panel.length, only = lineNumber(), xy = marks.p_xy;
  const at = (i) => put(t[marks.p_panel[i]], xy[2 * i], xy[2 * i + 1]);
  const colour = (i) => {
    const [u, v] = at(i);
    if (u < -60 || v < -60 || u > w + 60 || v > h + 60 || (only !== null && marks.p_lattice[i] !== only)) return null;
    return $("by-lattice").checked ? PALETTE[marks.p_lattice[i] % PALETTE.length] : marks.p_done[i] ? FATE_COLOURS[3] : PREDICTION;
  };
  if (shows.predictions) inColours(ctx, n, colour, (i) => { const [u, v] = at(i), r = Math.max(3, S.zoom); ctx.moveTo(u + r, v); ctx.arc(u, v, r, 0, 7); });
  if (shows["prediction boxes"] && marks.p_box.length) inColours(ctx, n, colour, (i) => outline(ctx, t[marks.p_panel[i]], ...[0, 2, 1, 3].map((k) => marks.p_box[4 * i + k])));
  if (shows.hkl && S.zoom > 0.8) for (let i = 0; i < n; i++) {
    const c = colour(i);
    if (!c) continue;
    ctx.fillStyle = c;
    const [u, v] = at(i);
    ctx.fillText([...marks.p_hkl.subarray(3 * i, 3 * i + 3)].join(" "), u + 5, v + 10);
  }
}
function drawRings(ctx, t, set, colour) {
  ctx.strokeStyle = ctx.fillStyle = colour;
  const named = new Set();
  let start = 0;
  ctx.beginPath();
  const texts = [];
  for (let k = 0; k < set.ring_ends.length; k++) {
    const own = t[set.ring_panel[k]], end = set.ring_ends[k], [w, h] = view();
    for (let i = start; i < end; i++) {
      const [u, v] = put(own, set.ring_xy[2 * i], set.ring_xy[2 * i + 1]);
      if (i === start) ctx.moveTo(u, v); else ctx.lineTo(u, v);
      if (!named.has(set.ring_index[k]) && u > 20 && v > 20 && u < w - 60 && v < h - 20) { named.add(set.ring_index[k]); texts.push([set.d[set.ring_index[k]], u, v]); }
    }
    start = end;
  }
  ctx.stroke();
  for (const [d, u, v] of texts) ctx.fillText(`${d.toFixed(2)} Å`, u + 3, v - 3);
}
function drawOverlays() {
  const canvas = $("overlay"), ctx = canvas.getContext("2d"), ratio = devicePixelRatio;
  ctx.setTransform(1, 0, 0, 1, 0, 0);
  ctx.clearRect(0, 0, canvas.width, canvas.height);
  ctx.setTransform(ratio, 0, 0, ratio, 0, 0);
  ctx.lineWidth = 1.2; ctx.font = "11px system-ui, sans-serif"; ctx.textBaseline = "alphabetic"; ctx.textAlign = "left";
  const t = screens();
  tell("under", ctx, t);
  if (shows.rings) { fetchRings("usual"); drawRings(ctx, t, rings.usual, LINE); }
  if (shows["ice rings"]) { fetchRings("ice"); drawRings(ctx, t, rings.ice, ICE); }
  fetchMarks();
  if (marks && marksKey === shownKey()) { drawPredictions(ctx, t); drawSpots(ctx, t); }
  ctx.strokeStyle = ctx.fillStyle = LINE;
  if (shows["panel names"]) models.panels.forEach((p, i) => {
    const [u, v] = put(t[i], p.size[0] / 2, p.size[1] / 2);
    ctx.fillText(`${i} ${p.name}`, u, v);
    ctx.beginPath(); outline(ctx, t[i], 0, 0, ...p.size); ctx.stroke();
  });
  if (shows["beam centre"] && models.beam) { ctx.beginPath(); cross(ctx, ...put(t[models.beam[0]], models.beam[1], models.beam[2]), 8); ctx.stroke(); }
  if (shows["rotation axis"] && models.axis) {
    const [p, x, y, dx, dy] = models.axis, far = 1e4;
    ctx.beginPath(); ctx.moveTo(...put(t[p], x - far * dx, y - far * dy)); ctx.lineTo(...put(t[p], x + far * dx, y + far * dy)); ctx.stroke();
  }
  tell("over", ctx, t);
}

// The readout below the picture; what the page cannot compute is asked for when the pointer rests.
let pointTimer = 0, stopPoint = null;
function readout(X, Y) {
  clearTimeout(pointTimer);
  if (stopPoint) stopPoint.abort();
  const at = toPanel(X, Y);
  if (!at) { $("readout").textContent = "\u00a0"; return; }
  const [p, x, y] = at, own = models.panels[p], value = countAt(Math.floor(x) + own.offset[0], Math.floor(y) + own.offset[1]);
  const text = (v) => `panel ${p} ${own.name}  x ${x.toFixed(2)} y ${y.toFixed(2)} px  ` + (v === undefined ? "" : `value ${v}  `);
  $("readout").textContent = text(value);
  pointTimer = setTimeout(async () => {
    stopPoint = new AbortController();
    try {
      const signal = stopPoint.signal, asked = { run: S.run, image: S.image, panel: p, x, y };
      const got = await ask("point", { ...asked, ...(S.n > 1 ? { n: S.n, stack: S.stack } : {}) }, signal);
      $("readout").textContent = text(got.value === null ? "none" : got.value) + `${got.mm.map((v) => v.toFixed(2)).join(" ")} mm  ` +
        (got.d === null ? "" : `d ${got.d.toFixed(3)} Å  2θ ${got.two_theta.toFixed(3)}°  `) + (got.phi === null ? "" : `φ ${got.phi.toFixed(3)}°  `) +
        got.hkl.map((h) => `hkl ${h.map((v) => v.toFixed(2)).join(" ")}`).join("  ");
    } catch (error) { fail(error); }
  }, 60);
}

function wireOverlays() {
  for (const name of Object.keys(shows)) {
    const parent = ["beam centre", "rings", "ice rings", "panel names", "rotation axis"].includes(name) ? "geometry" : /predict|^hkl/.test(name) ? "predicted" : "spots";
    box(parent, name, shows[name], (v) => { shows[name] = v; redraw(); });
  }
  FATES.forEach((f, i) => box("fates", f, true, (v) => { fatesShown[i] = v; redraw(); }, FATE_COLOURS[i]));
  for (const id of ["rings", "lattice", "by-lattice"]) $(id).addEventListener("change", redraw);
  on("draw", drawOverlays);
  on("shown", fetchMarks);
  on("pointer", readout);
  on("run", () => { marks = null; marksKey = ""; rings = {}; });
}
