// The reciprocal lattice in three dimensions: points by WebGL, turned with the pointer; a click goes to the image.
const VERTEX = `attribute vec3 position; attribute float kind, run, lattice, residual;
uniform mat3 turn; uniform vec4 place; uniform vec2 limits; uniform vec3 kinds, fates[3], palette[8];
uniform float size, way, only; varying vec3 colour;
void main() {
  float r = length(position);
  bool shown = r >= limits.x && r <= limits.y && (only < 0.0 || lattice == only)
    && (kind < 0.5 ? kinds.x : kind < 1.5 ? kinds.y : kinds.z) > 0.5;
  vec3 p = turn * position;
  gl_Position = shown ? vec4(p.xy * place.xy + place.zw, -p.z * 0.5 / max(limits.y, 1e-6) * 0.99, 1.0) : vec4(2.0, 2.0, 2.0, 1.0);
  gl_PointSize = size;
  float t = residual / 255.0;
  colour = fates[int(kind)];
  if (way > 0.5) colour = way < 1.5 ? palette[int(mod(run, 8.0))] : kind < 0.5 ? vec3(0.45) :
    way < 2.5 ? palette[int(mod(lattice, 8.0))] : t < 0.5 ? mix(vec3(0.2, 0.5, 1.0), vec3(1.0, 0.9, 0.3), 2.0 * t) : mix(vec3(1.0, 0.9, 0.3), vec3(0.9, 0.1, 0.1), 2.0 * t - 1.0);
}`;
const FRAGMENT = "precision mediump float; varying vec3 colour; void main() { gl_FragColor = vec4(colour, 1.0); }";
const AXES_VERTEX = "attribute vec3 position; uniform mat3 turn; uniform vec4 place; void main() { vec3 p = turn * position; gl_Position = vec4(p.xy * place.xy + place.zw, -0.99, 1.0); }";
const AXES_FRAGMENT = "precision mediump float; uniform vec3 colour; void main() { gl_FragColor = vec4(colour, 1.0); }";
const AXIS_NAMES = ["a*", "b*", "c*"], AXIS_COLOURS = [[1, 0.4, 0.35], [0.4, 0.9, 0.4], [0.45, 0.65, 1]];
const KINDS = ["not indexed", "indexed", "outlier"], FRAME_MS = 33;
const FIRST = 50000; // points of the first picture of a turn: what all take is not known yet
// turn: rows are the directions to the right, up and out of the screen. n: points drawn while it turns.
const L = { open: false, points: null, key: "", asked: {}, turn: [1, 0, 0, 0, 1, 0, 0, 0, 1], zoom: 1, shift: [0, 0], n: 0, kinds: [1, 1, 1], moving: 0, frames: 0 };
let gl = null, programs = null, buffers = {};

const rgb = (text) => [1, 3, 5].map((i) => parseInt(text.slice(i, i + 2), 16) / 255);
function compile(vertex, fragment) {
  const program = gl.createProgram();
  for (const [kind, text] of [[gl.VERTEX_SHADER, vertex], [gl.FRAGMENT_SHADER, fragment]]) {
    const shader = gl.createShader(kind);
    gl.shaderSource(shader, text); gl.compileShader(shader);
    if (!gl.getShaderParameter(shader, gl.COMPILE_STATUS)) throw new Error(gl.getShaderInfoLog(shader));
    gl.attachShader(program, shader);
  }
  gl.linkProgram(program);
  return program;
}
function startGl() {
  gl = $("space").getContext("webgl", { antialias: false, alpha: false });
  if (!gl) throw new Error("this browser has no WebGL, which the reciprocal lattice is drawn with");
  programs = { points: compile(VERTEX, FRAGMENT), axes: compile(AXES_VERTEX, AXES_FRAGMENT) };
  $("space").addEventListener("webglcontextlost", (e) => { e.preventDefault(); gl = null; L.key = ""; });
  $("space").addEventListener("webglcontextrestored", () => { startGl(); fetchPoints(); });
}
function upload(name, values) {
  buffers[name] = buffers[name] || gl.createBuffer();
  gl.bindBuffer(gl.ARRAY_BUFFER, buffers[name]);
  gl.bufferData(gl.ARRAY_BUFFER, values, gl.STATIC_DRAW);
}
async function fetchPoints() {
  const asked = { ...($("space-runs").value === "all" ? {} : { run: S.run }), of: $("space-of").value }, key = JSON.stringify(asked);
  if (L.key === key && L.points) return;
  L.key = key; L.asked = asked;
  say("the points are being loaded");
  try {
    const got = unpack(await ask("lattice", asked));
    if (L.key !== key) return;
    if (!gl) startGl();
    buffers = {};
    L.points = got; L.n = Math.min(got.kind.length, FIRST);
    for (const name of ["xyz", "kind", "run", "lattice", "residual"]) upload(name, got[name]);
    const lines = new Float32Array(6 * got.axes.length / 3);
    for (let k = 0; k < got.axes.length / 3; k++) lines.set(got.axes.subarray(3 * k, 3 * k + 3), 6 * k + 3);
    upload("axes", lines);
    say("");
    const shown = got.kind.length < got.n ? `${got.kind.length} of ${got.n}` : got.n;
    $("space-counts").textContent = `${shown} spots of ${got.step}` + (got.residual_unit ? `; residuals to ${(255 * got.residual_unit).toFixed(2)} px` : "");
    drawSpace();
  } catch (error) { L.key = null; L.points = null; fail(error); }
}
function limitsNow() { // of |r|, 1/Angstrom
  const low = Number($("space-dmax").value), high = Number($("space-dmin").value);
  return [low > 0 ? 1 / low : 0, high > 0 ? 1 / high : L.points.unit * 32767 * 1.7321];
}
function placeNow() { // of a point in 1/Angstrom: scale x, y and shift x, y, in the screen's -1 to 1
  const [w, h] = view(), scale = (L.zoom * 0.9 * Math.min(w, h)) / (L.points.unit * 32767);
  return [scale / w, scale / h, (2 * L.shift[0]) / w, (-2 * L.shift[1]) / h];
}
function attribute(program, name, buffer, size, type) {
  const at = gl.getAttribLocation(program, name);
  gl.bindBuffer(gl.ARRAY_BUFFER, buffer);
  gl.enableVertexAttribArray(at);
  gl.vertexAttribPointer(at, size, type, false, 0, 0);
}
function drawSpace(n) {
  const p = L.points;
  if (!L.open || !p || !gl) return;
  const canvas = $("space"), [w, h] = view(), ratio = devicePixelRatio, W = Math.round(w * ratio), H = Math.round(h * ratio);
  if (canvas.width !== W || canvas.height !== H) { canvas.width = W; canvas.height = H; }
  gl.viewport(0, 0, W, H);
  gl.clearColor(0.07, 0.07, 0.07, 1); gl.enable(gl.DEPTH_TEST);
  gl.clear(gl.COLOR_BUFFER_BIT | gl.DEPTH_BUFFER_BIT);
  const own = programs.points, set = (name) => gl.getUniformLocation(own, name), place = placeNow(), [low, high] = limitsNow();
  const columns = (u) => [0, 1, 2].flatMap((c) => [0, 1, 2].map((r) => L.turn[3 * r + c] * u));
  gl.useProgram(own);
  // positions are whole numbers in the points' unit; limits and scale are in it as well
  gl.uniformMatrix3fv(set("turn"), false, columns(1));
  gl.uniform4f(set("place"), place[0] * p.unit, place[1] * p.unit, place[2], place[3]);
  gl.uniform2f(set("limits"), low / p.unit, high / p.unit);
  gl.uniform3fv(set("kinds"), L.kinds);
  gl.uniform3fv(set("fates"), FATE_COLOURS.slice(0, 3).map((c, i) => (i === 1 ? "#56b4e9" : c)).flatMap(rgb));
  gl.uniform3fv(set("palette"), PALETTE.flatMap(rgb));
  gl.uniform1f(set("size"), Number($("space-size").value) * ratio);
  gl.uniform1f(set("way"), $("space-colours").selectedIndex);
  gl.uniform1f(set("only"), $("space-lattice").value === "" ? -1 : Number($("space-lattice").value) - 1);
  attribute(own, "position", buffers.xyz, 3, gl.SHORT);
  attribute(own, "kind", buffers.kind, 1, gl.UNSIGNED_BYTE);
  attribute(own, "run", buffers.run, 1, gl.UNSIGNED_SHORT);
  attribute(own, "lattice", buffers.lattice, 1, gl.SHORT);
  attribute(own, "residual", buffers.residual, 1, gl.UNSIGNED_BYTE);
  gl.drawArrays(gl.POINTS, 0, Math.min(n || p.kind.length, p.kind.length));
  drawAxes(place, columns(1));
  L.frames++;
}
// Return which crystal's axes are drawn: the lattice chosen of the run shown, else the first.
function crystalNow() {
  const p = L.points, k = $("space-lattice").value === "" ? null : Number($("space-lattice").value) - 1;
  const own = p.crystal_runs.map((_, i) => i).filter((i) => p.crystal_runs[i] === S.run);
  return own.find((i) => p.crystal_lattices[i] === k) ?? own[0] ?? (p.crystal_runs.length ? 0 : -1);
}
function drawAxes(place, turn) {
  const crystal = crystalNow(), shown = $("space-axes").checked && crystal >= 0, [w, h] = view();
  AXIS_NAMES.forEach((_, i) => { $("axis-" + i).hidden = !shown; });
  if (!shown) return;
  const own = programs.axes, set = (name) => gl.getUniformLocation(own, name);
  // axes are drawn to a tenth of the view at least, or those of large cells would not be seen
  const longest = Math.max(...[0, 1, 2].map((i) => Math.hypot(...axisOf(crystal, i))));
  const times = Math.max(1, (0.1 * 2) / Math.min(place[0], place[1]) / longest);
  gl.useProgram(own);
  gl.disable(gl.DEPTH_TEST);
  gl.uniformMatrix3fv(set("turn"), false, turn);
  gl.uniform4f(set("place"), place[0] * times, place[1] * times, place[2], place[3]);
  attribute(own, "position", buffers.axes, 3, gl.FLOAT);
  AXIS_NAMES.forEach((name, i) => {
    gl.uniform3fv(set("colour"), AXIS_COLOURS[i]);
    gl.drawArrays(gl.LINES, 6 * crystal + 2 * i, 2);
    const [x, y] = turned(axisOf(crystal, i)), label = $("axis-" + i);
    label.style.left = `${((x * times * place[0] + place[2] + 1) * w) / 2 + 4}px`;
    label.style.top = `${((1 - y * times * place[1] - place[3]) * h) / 2 - 8}px`;
  });
}
const axisOf = (crystal, i) => [...L.points.axes.subarray(9 * crystal + 3 * i, 9 * crystal + 3 * i + 3)];
const turned = (v) => [0, 1, 2].map((r) => L.turn[3 * r] * v[0] + L.turn[3 * r + 1] * v[1] + L.turn[3 * r + 2] * v[2]);
const crossed = (a, b) => [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]];
const united = (v) => { const n = Math.hypot(...v) || 1; return v.map((x) => x / n); };

// Turn about the screen's directions, rad; the matrix is made orthogonal again.
function turnBy(x, y, z = 0) {
  const [r, u, o] = [0, 1, 2].map((k) => L.turn.slice(3 * k, 3 * k + 3)), mix = (a, p, b, q) => a.map((v, i) => v * p + b[i] * q);
  let right = mix(r, Math.cos(x), o, Math.sin(x)), out = mix(o, Math.cos(x), r, -Math.sin(x)), up = u;
  [up, out] = [mix(up, Math.cos(y), out, -Math.sin(y)), mix(out, Math.cos(y), up, Math.sin(y))];
  if (z) right = mix(right, Math.cos(z), up, -Math.sin(z));
  out = united(out); right = united(right.map((v, i) => v - out[i] * (right[0] * out[0] + right[1] * out[1] + right[2] * out[2])));
  L.turn = [...right, ...crossed(out, right), ...out];
}
function lookAlong(name) {
  const i = AXIS_NAMES.indexOf(name), k = i < 0 ? "xyz".indexOf(name) : i, crystal = crystalNow();
  if (i >= 0 && crystal < 0) { say(`there is no crystal to look along ${name} of`); return; }
  const axis = (m) => (i < 0 ? [0, 1, 2].map((j) => (j === m % 3 ? 1 : 0)) : axisOf(crystal, m % 3));
  const out = united(axis(k)), next = axis(k + 1), along = next[0] * out[0] + next[1] * out[1] + next[2] * out[2];
  const right = united(next.map((v, j) => v - along * out[j]));
  L.turn = [...right, ...crossed(out, right), ...out];
  drawSpace();
}
// While it turns, as many points are drawn as take a thirtieth of a second; at rest, all. They are in random order.
const ONE = new Uint8Array(4);
function moveSpace() {
  if (!L.points || !gl) return;
  const all = L.points.kind.length, from = performance.now();
  drawSpace(L.n);
  gl.readPixels(0, 0, 1, 1, gl.RGBA, gl.UNSIGNED_BYTE, ONE); // waits until it is drawn
  const took = Math.max(1, performance.now() - from);
  L.n = Math.round(Math.min(all, Math.max(20000, L.n * Math.min(1.3, Math.max(0.3, (0.8 * FRAME_MS) / took)))));
  clearTimeout(L.moving);
  L.moving = setTimeout(() => { if (!spinning) drawSpace(); }, 200);
}
let spinning = false, due = false;
function spin() {
  if (!L.open || !$("space-spin").checked) { spinning = false; drawSpace(); return; }
  spinning = true;
  turnBy(0.01, 0);
  moveSpace();
  requestAnimationFrame(spin);
}
function moveSoon() { if (!due && !spinning) { due = true; requestAnimationFrame(() => { due = false; moveSpace(); }); } }

// Return the point nearest to a place of the screen, within 10 pixels; of those as near the one in front.
function pointAt(u, v) {
  const p = L.points, [w, h] = view(), [sx, sy, tx, ty] = placeNow(), [low, high] = limitsNow().map((r) => (r / p.unit) ** 2);
  const only = $("space-lattice").value === "" ? null : Number($("space-lattice").value) - 1;
  const a = sx * p.unit * w / 2, b = -sy * p.unit * h / 2, x0 = ((tx + 1) * w) / 2 - u, y0 = ((1 - ty) * h) / 2 - v, t = L.turn;
  let best = -1, near = 100, front = -Infinity;
  for (let i = 0, k = 0; i < p.kind.length; i++, k += 3) {
    const x = p.xyz[k], y = p.xyz[k + 1], z = p.xyz[k + 2], r = x * x + y * y + z * z;
    if (r < low || r > high || !L.kinds[p.kind[i]] || (only !== null && p.lattice[i] !== only)) continue;
    const dx = a * (t[0] * x + t[1] * y + t[2] * z) + x0, dy = b * (t[3] * x + t[4] * y + t[5] * z) + y0, away = dx * dx + dy * dy;
    if (away > near + 2) continue;
    const depth = t[6] * x + t[7] * y + t[8] * z;
    if (away < near - 2 || depth > front) { best = i; near = Math.min(near, away); front = depth; }
  }
  return best;
}
async function goToPoint(i) {
  try {
    const spot = await ask("lattice_spot", { ...L.asked, point: i, version: L.points.version });
    showSpace(false);
    await goToSpot(spot);
    say(`spot of image ${spot.image} of ${spot.run}` + (spot.hkl ? `, hkl ${spot.hkl.join(" ")}` : ", not indexed") + `, d ${spot.d.toFixed(3)} Å` +
      (spot.residual === null ? "" : `, ${spot.residual.toFixed(2)} px from its calculated position`));
  } catch (error) { fail(error); }
}
function showSpace(open) {
  L.open = open;
  $("space-panel").hidden = !open;
  $("space-open").classList.toggle("on", open);
  if (open) { fetchPoints().then(() => { drawSpace(); if ($("space-spin").checked) spin(); }); }
}
function wireLattice() {
  $("space-open").addEventListener("click", () => showSpace(!L.open));
  KINDS.forEach((name, i) => box("space-kinds", name, true, (v) => { L.kinds[i] = v ? 1 : 0; drawSpace(); }, i === 1 ? "#56b4e9" : FATE_COLOURS[i]));
  [...AXIS_NAMES, "x", "y", "z"].forEach((name) => {
    const b = document.createElement("button");
    b.textContent = name; b.title = `look along ${name}`; b.dataset.along = name;
    b.addEventListener("click", () => L.points && lookAlong(name));
    $("space-along").append(b);
  });
  for (const id of ["space-colours", "space-lattice", "space-dmin", "space-dmax", "space-size", "space-axes"]) $(id).addEventListener("input", () => drawSpace());
  for (const id of ["space-runs", "space-of"]) $(id).addEventListener("change", () => { if (L.open) fetchPoints(); });
  $("space-spin").addEventListener("change", () => { if (L.open && L.points && !spinning) spin(); });
  const canvas = $("space"), at = (e) => { const r = canvas.getBoundingClientRect(); return [e.clientX - r.left, e.clientY - r.top]; };
  let from = null, moved = false;
  canvas.addEventListener("pointerdown", (e) => { canvas.setPointerCapture(e.pointerId); from = at(e); moved = false; });
  canvas.addEventListener("pointermove", (e) => {
    if (!from) return;
    const [u, v] = at(e), dx = u - from[0], dy = v - from[1];
    if (!moved && Math.hypot(dx, dy) < 3) return;
    moved = true; from = [u, v];
    if (e.shiftKey) { L.shift[0] += dx; L.shift[1] += dy; } else if (e.altKey) turnBy(0, 0, dx * 0.008); else turnBy(dx * 0.008, dy * 0.008);
    moveSoon();
  });
  canvas.addEventListener("pointerup", (e) => {
    if (from && !moved && L.points) { const i = pointAt(...at(e)); if (i >= 0) goToPoint(i); else say("no spot within 10 screen pixels"); }
    from = null;
  });
  canvas.addEventListener("wheel", (e) => { e.preventDefault(); L.zoom = Math.max(0.1, Math.min(500, L.zoom * 1.0015 ** -e.deltaY)); moveSoon(); }, { passive: false });
  addEventListener("keydown", (e) => { if (e.key === "Escape" && L.open) showSpace(false); });
  addEventListener("resize", () => drawSpace());
  on("run", () => { if (L.open) fetchPoints().then(() => drawSpace()); });
}
