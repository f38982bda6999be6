// Quality against time: one mark per setting with its interval, the front, the recommended settings.
import {choice, el, number, svg} from './dom';
import type {Interval, Point, Sweep} from './data';
const W = 760, H = 270, L = 56, R = 16, T = 14, B = 40, kOver = 5;

type Quality = 'loss' | 'artifact' | 'adherence' | 'healthy';
const kNames: [Quality, string][] = [['loss', 'loss'], ['artifact', 'artifact score'], ['adherence', 'adherence'], ['healthy', 'share healthy']];

// Powers of ten and their 2 and 5 folds between two times.
function ticks(low: number, high: number): number[] {
  const out: number[] = [];
  for (let p = Math.floor(Math.log10(low)); p <= Math.ceil(Math.log10(high)); p++) for (const k of [1, 2, 5]) { const v = k * 10 ** p; if (v >= low && v <= high) out.push(v); }
  return out;
}

// Settings that no other one beats in both; the front of the quality that is shown.
function frontOf(points: Point[], quality: Quality): Point[] {
  const sign = quality === 'loss' || quality === 'artifact' ? 1 : -1, front: Point[] = [];
  let best = Infinity;
  for (const p of [...points].sort((a, b) => a.time_ms - b.time_ms || sign * ((a[quality].value ?? 0) - (b[quality].value ?? 0)))) {
    const v = sign * (p[quality].value ?? 0);
    if (v < best) { best = v; front.push(p); }
  }
  return front;
}

function plot(sweep: Sweep, quality: Quality, choose: (points: number[]) => void): SVGElement {
  const root = svg('svg', {viewBox: `0 0 ${W} ${H}`, class: 'pareto', id: 'pareto', role: 'img', 'aria-label': 'quality against time'});
  const points = sweep.points.filter(p => p.time_ms > 0 && p[quality].value !== null), times = points.map(p => p.time_ms);
  if (!points.length) { root.append(svg('text', {x: W / 2, y: H / 2, class: 'axis middle'}, 'no setting has both')); return root; }
  const from = Math.min(...times) / 1.15, to = Math.max(...times) * 1.15;
  const x = (ms: number) => L + Math.log(ms / from) / Math.log(to / from) * (W - L - R), y = (v: number) => T + (1 - v) * (H - T - B);
  for (const v of [0, 0.25, 0.5, 0.75, 1]) root.append(svg('line', {x1: L, x2: W - R, y1: y(v), y2: y(v), class: 'grid-line'}), svg('text', {x: L - 6, y: y(v) + 4, class: 'axis'}, String(v)));
  for (const v of ticks(from, to)) root.append(svg('line', {x1: x(v), x2: x(v), y1: T, y2: H - B, class: 'grid-line'}), svg('text', {x: x(v), y: H - B + 16, class: 'axis middle'}, number(v)));
  root.append(svg('text', {x: W / 2, y: H - 6, class: 'axis middle'}, 'time of a run, ms'));
  const front = frontOf(points, quality);
  root.append(svg('polyline', {points: front.map(p => `${x(p.time_ms)},${y(p[quality].value ?? 0)}`).join(' '), class: 'front'}));
  const recommended = [sweep.recommended?.fast_point, sweep.recommended?.faithful_point];
  const order = points.map(p => sweep.points.indexOf(p)).sort((a, b) => recommended.indexOf(a) - recommended.indexOf(b));   // those on top of the others
  for (const i of order) {
    const p = sweep.points[i], q: Interval = p[quality], at = x(p.time_ms), role = sweep.recommended?.faithful_point === i ? 'faithful' : sweep.recommended?.fast_point === i ? 'fast' : '';
    if (q.low !== null && q.high !== null) root.append(svg('line', {x1: at, x2: at, y1: y(q.low), y2: y(q.high), class: 'whisker'}));
    const mark = svg('circle', {cx: at, cy: y(q.value ?? 0), r: role ? 7 : 5, class: `mark ${front.includes(p) ? 'on-front' : ''} ${role}`, tabindex: 0, 'data-point': i});
    mark.append(svg('title', {}, `${p.name}: ${number(p.time_ms)} ms, ${quality} ${number(q.value, 2)}${q.low === null ? '' : ` [${number(q.low, 2)}, ${number(q.high, 2)}]`}, ${p.cells} cells`));
    // Marks that lie over one another are chosen together.
    mark.addEventListener('click', () => choose(order.filter(k => Math.hypot(x(sweep.points[k].time_ms) - at, y(sweep.points[k][quality].value ?? 0) - y(q.value ?? 0)) < kOver).reverse()));
    root.append(mark);
    if (role) root.append(svg('text', {x: at + 10, y: y(q.value ?? 0) - 8, class: 'axis left name'}, role));
  }
  return root;
}

export function sweepPareto(sweep: Sweep, choose: (points: number[]) => void): HTMLElement {
  const holder = el('div', {}), offered = kNames.filter(([q]) => sweep.points.some(p => p[q].value !== null));
  const draw = (q: string) => holder.replaceChildren(plot(sweep, q as Quality, choose));
  draw(offered[0]?.[0] ?? 'loss');
  return el('section', {class: 'pareto-box'}, el('h2', {}, 'Quality against time'), el('div', {class: 'controls'}, choice('quality', offered, offered[0]?.[0] ?? 'loss', draw, 'quality')), holder,
    el('p', {class: 'note'}, 'The line joins settings that none is both better and faster than. Bars are 95 % intervals over seeds. Click a mark for its runs.'));
}
