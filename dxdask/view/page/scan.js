// Numbers by image below the slider.
let scan = null;
async function fetchScan() {
  const run = S.run;
  scan = null;
  try { const got = unpack(await ask("scan", { run })); if (S.run === run) { scan = got; drawScan(); } } catch (error) { fail(error); }
}
function drawScan() {
  const canvas = $("scan"), ratio = devicePixelRatio, w = canvas.clientWidth, h = canvas.clientHeight;
  canvas.width = w * ratio; canvas.height = h * ratio;
  const ctx = canvas.getContext("2d");
  ctx.setTransform(ratio, 0, 0, ratio, 0, 0);
  if (!scan || !models) return;
  const run = runOf(S.run), n = scan.spots.length, top = Math.max(1, ...scan.spots), x = (i) => ((i + 0.5) / n) * w;
  for (const [name, colour] of [["spots", FATE_COLOURS[0]], ["indexed", FATE_COLOURS[1]]]) {
    ctx.strokeStyle = ctx.fillStyle = colour;
    ctx.beginPath();
    scan[name].forEach((v, i) => ctx[i ? "lineTo" : "moveTo"](x(i), h - 3 - (v / top) * (h - 16)));
    ctx.stroke();
    const i = S.image - run.first;
    ctx.fillText(`${name} ${scan[name][i]}`, name === "spots" ? 4 : 90, 10);
  }
  ctx.strokeStyle = "#222";
  ctx.beginPath(); ctx.moveTo(x(S.image - run.first), 0); ctx.lineTo(x(S.image - run.first), h); ctx.stroke();
}
function wireScan() {
  on("run", fetchScan);
  on("image", drawScan);
  addEventListener("resize", drawScan);
  $("scan").addEventListener("click", (e) => {
    if (!models) return;
    const r = $("scan").getBoundingClientRect(), run = runOf(S.run);
    goTo(run.first + Math.floor(((e.clientX - r.left) / r.width) * run.images));
  });
}
