"use strict";
// State, requests and small tools. All files of the page share one scope.
const $ = (id) => document.getElementById(id);
const TOKEN = new URLSearchParams(location.search).get("token") || "";
const ARRAYS = { u1: Uint8Array, i1: Int8Array, u2: Uint16Array, i2: Int16Array, u4: Uint32Array,
  i4: Int32Array, f4: Float32Array, f8: Float64Array };
const CODES = ["u1", "i1", "u2", "i2", "u4", "i4", "f4", "f8"];
// What is shown. x, y: position in the middle, pixels of the plane; zoom: CSS pixels for one of them.
// shown: key of the last picture that was complete; shownAt: ms from the request of the page to the first.
const S = { run: null, image: 1, n: 1, stack: "sum", x: 0, y: 0, zoom: 1, layout: "frame",
  scheme: "grey", low: 0, high: null, shown: "", shownAt: null };
let summary = null, models = null, running = 0;

function say(text) { $("message").textContent = text || ""; }

// The address is relative, so that tunnels and proxies may put the viewer anywhere.
async function ask(name, values, signal, post) {
  const query = new URLSearchParams(values || {}).toString();
  running++;
  try {
    const reply = await fetch(name + (query ? "?" + query : ""), { signal, cache: "no-store",
      headers: { "X-Dxdask-Token": TOKEN }, ...(post ? { method: "POST", body: post } : {}) });
    if (!reply.ok) {
      let text = reply.statusText;
      try { text = (await reply.json()).error; } catch { /* not of the viewer */ }
      throw new Error(text);
    }
    if ((reply.headers.get("Content-Type") || "").startsWith("application/json")) return await reply.json();
    return await reply.arrayBuffer();
  } finally { running--; }
}

function fail(error) {
  if (error.name === "AbortError") return;
  say(error instanceof TypeError && /fetch/i.test(error.message) ? "the viewer does not answer; is dxdask view running?" : error.message);
}

// Numbers of n elements that were sent by planes of bytes.
function fromPlanes(dtype, buffer, at, n) {
  const kind = ARRAYS[dtype], size = kind.BYTES_PER_ELEMENT;
  if (size === 1) return new kind(buffer, at, n);
  const from = new Uint8Array(buffer, at, n * size);
  if (size === 2) {
    const out = new kind(n);
    for (let i = 0; i < n; i++) out[i] = from[i] | (from[n + i] << 8);
    return out;
  }
  const out = new Uint8Array(n * size);
  for (let k = 0; k < size; k++) for (let i = 0, j = k; i < n; i++, j += size) out[j] = from[k * n + i];
  return new kind(out.buffer);
}
// Pictures of a reply, one after the other: width, height, numbers.
function toPictures(buffer) {
  const found = [], head = new DataView(buffer);
  for (let at = 0; at < buffer.byteLength;) {
    const [code, w, h] = [0, 4, 8].map((k) => head.getInt32(at + k, true)), dtype = CODES[code];
    found.push({ w, h, values: fromPlanes(dtype, buffer, at + 16, w * h) });
    at += 16 + w * h * ARRAYS[dtype].BYTES_PER_ELEMENT;
  }
  return found;
}
const toPicture = (buffer) => toPictures(buffer)[0];
function unpack(buffer) {
  const size = new DataView(buffer).getInt32(0, true), start = 4 + size;
  const head = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, size)));
  const out = { ...head.values };
  for (const a of head.arrays) {
    const n = a.shape.reduce((p, q) => p * q, 1);
    out[a.name] = fromPlanes(a.dtype, buffer, start + a.at, n);
  }
  return out;
}

const runOf = (name) => summary.runs.find((r) => r.name === name);
const shownKey = () => `${S.run}|${S.image}|${S.n}|${S.stack}`;
const shownValues = () => ({ run: S.run, image: S.image, ...(S.n > 1 ? { n: S.n, stack: S.stack } : {}) });

async function askModels(run) {
  const got = await ask("models", { run });
  got.recorded ??= { panels: got.panels, frame: got.frame, laboratory: got.laboratory };
  return got;
}

// Places of panels in the plane: [a, b, c, d, e, f] as of a canvas's transform.
// Of the panels as refined; of those recorded with models.recorded, for masks and thresholds.
const places = (set = models) => set[S.layout];
function toPlane(panel, x, y) {
  const t = places()[panel];
  return [t[0] * x + t[2] * y + t[4], t[1] * x + t[3] * y + t[5]];
}
function toPanel(X, Y, set = models) {
  const all = places(set);
  for (let p = 0; p < all.length; p++) {
    const t = all[p], u = X - t[4], v = Y - t[5], det = t[0] * t[3] - t[1] * t[2];
    const x = (t[3] * u - t[2] * v) / det, y = (t[0] * v - t[1] * u) / det, [w, h] = set.panels[p].size;
    if (x >= 0 && y >= 0 && x < w && y < h) return [p, x, y];
  }
  return null;
}
function planeSize() {
  if (S.layout === "frame") { const [h, w] = runOf(S.run).shape; return [w, h]; }
  let w = 0, h = 0;
  models.panels.forEach((p, i) => {
    for (const [u, v] of [[0, 0], [1, 0], [0, 1], [1, 1]]) {
      const [X, Y] = toPlane(i, u * p.size[0], v * p.size[1]);
      w = Math.max(w, X); h = Math.max(h, Y);
    }
  });
  return [w, h];
}
const view = () => { const r = $("overlay").getBoundingClientRect(); return [r.width, r.height]; };
function toScreen(X, Y) { const [w, h] = view(); return [(X - S.x) * S.zoom + w / 2, (Y - S.y) * S.zoom + h / 2]; }
function fromScreen(u, v) { const [w, h] = view(); return [(u - w / 2) / S.zoom + S.x, (v - h / 2) / S.zoom + S.y]; }

// The fragment names the view, so that another page can link to a frame and a spot.
let written = null;
function writeFragment() {
  const v = { run: S.run, image: S.image, x: S.x.toFixed(2), y: S.y.toFixed(2), zoom: S.zoom.toPrecision(4) };
  if (S.n > 1) { v.n = S.n; v.stack = S.stack; }
  if (S.layout !== "frame") v.layout = S.layout;
  written = "#" + new URLSearchParams(v);
  history.replaceState(null, "", location.search + written);
}
let later = 0;
function remember() { clearTimeout(later); later = setTimeout(writeFragment, 200); }

const listeners = { image: [], run: [], shown: [], draw: [], pointer: [], under: [], over: [] };
const on = (name, work) => listeners[name].push(work);
const tell = (name, ...given) => listeners[name].forEach((work) => work(...given));
