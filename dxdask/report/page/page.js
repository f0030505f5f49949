// Plots of a dxdask report: lines, rectangles and grids on a canvas, moved, zoomed, hidden.
"use strict";
(() => {
  const COLOURS = document.querySelector("main").dataset.colours.split(",");
  const KINDS = {u1: Uint8Array, i2: Int16Array, u2: Uint16Array, i4: Int32Array, f4: Float32Array};
  const L = 58, T = 8, B = 40;

  function decode(p) {
    if (p.t === "range") {
      const [first, step, n] = p.b.split(",").map(Number);
      return Float64Array.from({length: n}, (_, i) => first + i * step);
    }
    const text = atob(p.b), bytes = new Uint8Array(text.length);
    for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
    return new KINDS[p.t](bytes.buffer);
  }

  function extent(arrays, positive) {
    let low = Infinity, high = -Infinity;
    for (const a of arrays) for (const v of a)
      if (Number.isFinite(v) && (!positive || v > 0)) { if (v < low) low = v; if (v > high) high = v; }
    if (low > high) return [0, 1];
    // what differs by rounding alone is one value
    return high - low > 1e-9 * Math.max(Math.abs(low), Math.abs(high)) ? [low, high] : [low - 0.5, high + 0.5];
  }

  function ticks(low, high, n, log) {
    const out = [];
    if (log && high - low >= 1) {
      const every = Math.max(1, Math.ceil((high - low) / n));
      for (let e = Math.ceil(low); e <= high; e += every) out.push([e, (10 ** e).toPrecision(1).replace(/^1e\+?/, "1e")]);
      return out;
    }
    const rough = (high - low) / n, unit = 10 ** Math.floor(Math.log10(rough));
    const step = [1, 2, 5, 10].map((m) => m * unit).find((s) => s >= rough) || rough;
    for (let k = 0, v = Math.ceil(low / step) * step; k < 50 && v <= high + step * 1e-9; k++, v += step)
      out.push([v, log ? Number((10 ** v).toPrecision(3)).toString() : Number(v.toPrecision(6)).toString()]);
    return out;
  }

  // colours of values between -1 and 1 (diverging), or 0 and 1
  function shade(t, diverging) {
    if (diverging) {
      const a = Math.min(1, Math.abs(t)), c = t < 0 ? [33, 102, 172] : [178, 24, 43];
      return `rgb(${c.map((v) => Math.round(247 + a * (v - 247))).join()})`;
    }
    const stops = [[253, 231, 37], [94, 201, 98], [33, 145, 140], [59, 82, 139], [68, 1, 84]];
    const x = Math.max(0, Math.min(1, t)) * 4, i = Math.min(3, Math.floor(x)), f = x - i;
    return `rgb(${stops[i].map((v, k) => Math.round(v + f * (stops[i + 1][k] - v))).join()})`;
  }

  class Plot {
    constructor(figure, data) {
      Object.assign(this, {figure, data, hidden: new Set()});
      this.canvas = figure.insertBefore(document.createElement("canvas"), figure.children[1] || null);
      this.legend = figure.appendChild(document.createElement("div"));
      this.readout = figure.appendChild(document.createElement("div"));
      this.legend.className = "legend";
      this.readout.className = "readout";
      this.right = 12;
      this[`read_${data.kind}`]();
      this.home = [...this.view];
      this.listen();
      this.draw();
    }

    read_lines() {
      const d = this.data, flat = (v, log) => log ? Float64Array.from(v, Math.log10) : v;
      this.series = d.series.map((s, i) => ({...s, x: flat(decode(s.x), d.logX), y: flat(decode(s.y), d.logY && !s.right), image: s.image && decode(s.image), run: s.run && decode(s.run), colour: COLOURS[i % COLOURS.length]}));
      const left = this.series.filter((s) => !s.right), right = this.series.filter((s) => s.right);
      const pad = ([a, b]) => [a - 0.03 * (b - a), b + 0.04 * (b - a)];
      this.view = [...pad(extent(this.series.map((s) => s.x))), ...pad(extent(left.map((s) => s.y)))];
      if (right.length) { this.rightView = pad(extent(right.map((s) => s.y))); this.right = 52; }
      if (this.series.length < 2) return;
      this.series.forEach((s, i) => this.button(s.name, s.colour, i));
    }

    button(name, colour, i) {
      const b = this.legend.appendChild(document.createElement("button"));
      b.type = "button";
      b.textContent = `\u25A0 ${name}`;
      b.style.color = colour;
      b.onclick = () => {
        this.hidden.has(i) ? this.hidden.delete(i) : this.hidden.add(i);
        b.classList.toggle("off", this.hidden.has(i));
        this.draw();
      };
    }

    read_boxes() {
      const d = this.data;
      this.box = decode(d.box);
      this.outlines = decode(d.outlines);
      this.arrows = d.arrows ? decode(d.arrows) : [];
      this.values = Object.fromEntries(Object.entries(d.values).map(([k, v]) => [k, decode(v)]));
      const names = Object.keys(this.values);
      this.shown = names[0];
      const of = (a, o) => a.filter((_, i) => i % 4 >> 1 === o);
      const every = [this.box, this.outlines];
      this.view = [...extent(every.map((a) => of(a, 0))), ...extent(every.map((a) => of(a, 1)))];
      if (names.length > 1) {
        const s = this.legend.appendChild(document.createElement("select"));
        for (const n of names) s.add(new Option(n));
        s.onchange = () => { this.shown = s.value; this.draw(); };
      }
      this.bar = this.legend.appendChild(document.createElement("span"));
    }

    read_grid() {
      const d = this.data;
      this.counts = decode(d.counts);
      this.view = [...d.xRange, ...d.yRange];
      this.most = this.counts.reduce((a, b) => Math.max(a, b), 1);
      this.bar = this.legend.appendChild(document.createElement("span"));
      this.bar.textContent = `1 to ${this.most} ${d.unit} a bin, logarithmic`;
    }

    size() {
      const w = this.figure.clientWidth || 480, d = this.data;
      let h = 300;
      if (d.square) h = Math.min(560, Math.round((w - L - this.right) * (this.home[3] - this.home[2]) / (this.home[1] - this.home[0]) + T + B));
      return [w, Math.max(h, 140)];
    }

    X(v) { const [a, b] = this.view; return L + (v - a) / (b - a) * (this.w - L - this.right); }
    Y(v, view = this.view.slice(2)) {
      const [a, b] = view, f = (v - a) / (b - a);
      return this.data.yDown ? T + f * (this.h - T - B) : this.h - B - f * (this.h - T - B);
    }

    draw() {
      this.home = this.home || this.view;
      [this.w, this.h] = this.size();
      const r = window.devicePixelRatio || 1, c = this.canvas.getContext("2d");
      this.canvas.width = this.w * r;
      this.canvas.height = this.h * r;
      c.scale(r, r);
      c.clearRect(0, 0, this.w, this.h);
      c.font = "11px system-ui, sans-serif";
      this.axes(c);
      c.save();
      c.beginPath();
      c.rect(L, T, this.w - L - this.right, this.h - T - B);
      c.clip();
      this[`draw_${this.data.kind}`](c);
      c.restore();
    }

    axes(c) {
      const d = this.data, [x0, x1, y0, y1] = this.view, bottom = this.h - B;
      c.strokeStyle = "#e6e8ec";
      c.fillStyle = "#445";
      c.textAlign = "center";
      for (const [v, text] of ticks(x0, x1, 6, d.logX)) {
        this.segment(c, this.X(v), T, this.X(v), bottom);
        const label = d.resolution ? (v > 0 ? (1 / Math.sqrt(v)).toFixed(2) : "") : text;
        c.fillText(label, this.X(v), bottom + 14);
      }
      c.fillText(d.x, (L + this.w - this.right) / 2, this.h - 6);
      c.textAlign = "right";
      for (const [v, text] of ticks(y0, y1, 5, d.logY)) {
        this.segment(c, L, this.Y(v), this.w - this.right, this.Y(v));
        c.fillText(text, L - 4, this.Y(v) + 4);
      }
      this.upright(c, d.y, 10);
      if (this.rightView) {
        c.textAlign = "left";
        for (const [v, text] of ticks(...this.rightView, 5, false)) c.fillText(text, this.w - this.right + 4, this.Y(v, this.rightView) + 4);
        this.upright(c, d.yRight, this.w - 4);
      }
      c.strokeStyle = "#889";
      c.strokeRect(L, T, this.w - L - this.right, bottom - T);
    }

    segment(c, a, b, e, f) { c.beginPath(); c.moveTo(a, b); c.lineTo(e, f); c.stroke(); }

    upright(c, text, x) {
      c.save();
      c.translate(x, (T + this.h - B) / 2);
      c.rotate(-Math.PI / 2);
      c.textAlign = "center";
      c.fillText(text, 0, 0);
      c.restore();
    }

    draw_lines(c) {
      this.series.forEach((s, i) => {
        if (this.hidden.has(i)) return;
        const view = s.right ? this.rightView : this.view.slice(2);
        c.strokeStyle = c.fillStyle = s.colour;
        c.lineWidth = 1.3;
        c.setLineDash(s.style === "dashed" ? [5, 4] : i >= COLOURS.length ? [2, 2] : []);
        c.beginPath();
        let open = false, last = 0;
        for (let k = 0; k < s.x.length; k++) {
          const x = this.X(s.x[k]), y = this.Y(s.y[k], view);
          if (!Number.isFinite(x + y)) { open = false; continue; }
          if (s.style === "points") { c.rect(x - 1.5, y - 1.5, 3, 3); continue; }
          if (open && s.style === "step") { c.lineTo((last + x) / 2, this.Y(s.y[k - 1], view)); c.lineTo((last + x) / 2, y); }
          open ? c.lineTo(x, y) : c.moveTo(x, y);
          open = true;
          last = x;
        }
        s.style === "points" ? c.fill() : c.stroke();
        if (s.style === "line" && s.x.length === 1) c.fillRect(this.X(s.x[0]) - 2, this.Y(s.y[0], view) - 2, 4, 4);
      });
      c.setLineDash([]);
    }

    limits() {
      const d = this.data, v = Array.from(this.values[this.shown] || []).filter(Number.isFinite).sort((a, b) => a - b);
      if (!v.length) return [0, 1];
      if (!d.diverging) return [v[0], v[v.length - 1] > v[0] ? v[v.length - 1] : v[0] + 1];
      const a = v.map(Math.abs).sort((p, q) => p - q)[Math.floor(0.98 * (v.length - 1))] || 1e-6;
      return [-a, a];
    }

    draw_boxes(c) {
      const d = this.data, v = this.values[this.shown] || [], [low, high] = this.limits();
      for (let i = 0; i < v.length; i++) {
        if (!Number.isFinite(v[i])) continue;
        c.fillStyle = shade(d.diverging ? v[i] / high : (v[i] - low) / (high - low), d.diverging);
        this.rectangle(c, this.box, i, true);
      }
      c.strokeStyle = "#222";
      c.lineWidth = 1;
      for (let i = 0; i < this.outlines.length / 4; i++) this.rectangle(c, this.outlines, i, false);
      c.fillStyle = c.strokeStyle = "#111";
      c.lineWidth = 1.6;
      for (let i = 0; i < this.arrows.length / 4; i++) {
        const [x, y, dx, dy] = this.arrows.slice(4 * i, 4 * i + 4);
        const a = this.X(x), b = this.Y(y), e = this.X(x + dx), f = this.Y(y + dy), turn = Math.atan2(f - b, e - a);
        this.segment(c, a, b, e, f);
        for (const side of [2.6, -2.6]) this.segment(c, e, f, e + 7 * Math.cos(turn + side), f + 7 * Math.sin(turn + side));
        if (d.labels[i]) { c.textAlign = "center"; c.fillText(d.labels[i], a, b - 10); }
      }
      if (v.length) this.bar.textContent = ` ${low.toPrecision(3)} (${d.diverging ? "blue" : "yellow"}) to ${high.toPrecision(3)} ${d.unit} (${d.diverging ? "red" : "violet"})`;
    }

    rectangle(c, a, i, fill) {
      const x = this.X(a[4 * i]), y = this.Y(a[4 * i + 2]), w = this.X(a[4 * i + 1]) - x, h = this.Y(a[4 * i + 3]) - y;
      fill ? c.fillRect(x, y, w + 0.5, h + 0.5) : c.strokeRect(x, y, w, h);
    }

    draw_grid(c) {
      const d = this.data, [ny, nx] = d.shape, top = Math.log(this.most + 1);
      for (let j = 0; j < ny; j++) for (let i = 0; i < nx; i++) {
        const n = this.counts[j * nx + i];
        if (!n) continue;
        const at = (k, m, r) => r[0] + k / m * (r[1] - r[0]);
        const x = this.X(at(i, nx, d.xRange)), y = this.Y(at(j, ny, d.yRange));
        c.fillStyle = shade(Math.log(n + 1) / top, false);
        c.fillRect(x, y, this.X(at(i + 1, nx, d.xRange)) - x + 0.5, this.Y(at(j + 1, ny, d.yRange)) - y + (d.yDown ? 0.5 : -0.5));
      }
    }

    place(event) {
      const r = this.canvas.getBoundingClientRect(), x = event.clientX - r.left, y = event.clientY - r.top;
      const [a, b, e, f] = this.view, u = (x - L) / (this.w - L - this.right), v = (y - T) / (this.h - T - B);
      return [a + u * (b - a), this.data.yDown ? e + v * (f - e) : f - v * (f - e)];
    }

    value(x, y) {
      const d = this.data;
      if (d.kind === "boxes") {
        const b = this.box, v = this.values[this.shown] || [];
        for (let i = 0; i < v.length; i++)
          if (x >= b[4 * i] && x < b[4 * i + 1] && y >= b[4 * i + 2] && y < b[4 * i + 3]) return `: ${v[i].toPrecision(3)} ${d.unit}`;
      }
      if (d.kind === "grid") {
        const [ny, nx] = d.shape, cell = (p, r, n) => Math.floor((p - r[0]) / (r[1] - r[0]) * n);
        const i = cell(x, d.xRange, nx), j = cell(y, d.yRange, ny);
        if (i >= 0 && i < nx && j >= 0 && j < ny) return `: ${this.counts[j * nx + i]} ${d.unit}`;
      }
      return "";
    }

    listen() {
      const canvas = this.canvas;
      let from = null;
      canvas.addEventListener("pointerdown", (e) => {
        document.querySelectorAll("figure.active").forEach((f) => f.classList.remove("active"));
        this.figure.classList.add("active");
        canvas.setPointerCapture(e.pointerId);
        from = this.place(e);
      });
      canvas.addEventListener("pointerup", () => { from = null; });
      canvas.addEventListener("pointermove", (e) => {
        const [x, y] = this.place(e), d = this.data;
        if (from) {
          const move = [from[0] - x, from[0] - x, from[1] - y, from[1] - y];
          this.view = this.view.map((v, i) => v + move[i]);
          this.draw();
          return;
        }
        const text = (v, log) => Number((log ? 10 ** v : v).toPrecision(5));
        this.readout.textContent = `${d.resolution ? (1 / Math.sqrt(x)).toFixed(3) : text(x, d.logX)}, ${text(y, d.logY)}${this.value(x, y)}`;
      });
      canvas.addEventListener("wheel", (e) => {
        if (!this.figure.classList.contains("active")) return;  // else the page scrolls
        e.preventDefault();
        const at = this.place(e), f = e.deltaY < 0 ? 0.8 : 1.25;
        this.view = this.view.map((v, i) => at[i >> 1] + f * (v - at[i >> 1]));
        this.draw();
      }, {passive: false});
      canvas.addEventListener("dblclick", () => { this.view = [...this.home]; this.draw(); });
    }
  }

  const data = JSON.parse(document.getElementById("plots").textContent);
  const make = (figure) => { figure.plot = new Plot(figure, data[figure.dataset.plot]); };
  const seen = new IntersectionObserver((entries) => {
    for (const e of entries) if (e.isIntersecting) { seen.unobserve(e.target); make(e.target); }
  }, {rootMargin: "400px"});
  document.querySelectorAll("figure[data-plot]").forEach((f) => seen.observe(f));
  window.addEventListener("resize", () => document.querySelectorAll("figure").forEach((f) => f.plot && f.plot.draw()));
  window.addEventListener("beforeprint", () => document.querySelectorAll("figure").forEach((f) => f.plot || make(f)));
})();
