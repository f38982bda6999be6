// A small line plot: one line per element, the healthy band behind it, findings as shaded steps, the current step.
import {number, svg} from './dom';
import type {Finding, Series} from './data';
const W = 300, H = 110, L = 40, R = 6, T = 8, B = 16;
const hues = [28, 200, 120, 320, 60, 260, 170, 0, 90, 230, 300, 150];

export interface Plot { element: SVGElement; setStep: (step: number) => void; }

export function plot(series: Series, steps: number, findings: Finding[], onStep: (step: number) => void): Plot {
  const root = svg('svg', {viewBox: `0 0 ${W} ${H}`, class: 'plot', role: 'img', 'aria-label': series.meaning});
  const all: number[] = [];
  for (const rows of [series.values, series.low, series.high]) for (const row of rows ?? []) for (const v of row) if (v !== null) all.push(v);
  let low = Math.min(...all), high = Math.max(...all);
  if (!all.length) [low, high] = [0, 1];
  if (high - low < 1e-12) { low -= 0.5; high += 0.5; }
  const x = (i: number) => L + (steps > 1 ? i / (steps - 1) : 0.5) * (W - L - R);
  const y = (v: number) => T + (1 - (v - low) / (high - low)) * (H - T - B);
  for (const f of findings) if (f.first_step >= 0) root.append(svg('rect', {x: x(f.first_step) - 1, width: Math.max(3, x(f.last_step) - x(f.first_step) + 2), y: T, height: H - T - B, class: 'finding'}));
  const elements = series.values[0]?.length ?? 0;
  if (series.low && series.high && elements === 1) {
    const up: string[] = [], down: string[] = [];
    for (let i = 0; i < series.values.length; i++) {
      const l = series.low[i]?.[0], h = series.high[i]?.[0];
      if (l === null || h === null || l === undefined || h === undefined) continue;
      up.push(`${x(i)},${y(h)}`); down.unshift(`${x(i)},${y(l)}`);
    }
    root.append(svg('polygon', {points: [...up, ...down].join(' '), class: 'band'}));
  }
  for (let e = 0; e < elements; e++) {
    const points = series.values.map((row, i) => (row[e] === null || row[e] === undefined ? null : `${x(i)},${y(row[e] as number)}`)).filter(Boolean);
    const line = svg('polyline', {points: points.join(' '), class: 'line', style: `stroke:hsl(${hues[e % hues.length]} 75% 62%)`});
    const title = svg('title', {}); title.textContent = series.labels[e] ?? series.name; line.append(title); root.append(line);
  }
  for (const [v, at] of [[high, T + 4], [low, H - B]] as [number, number][]) { const t = svg('text', {x: L - 4, y: at, class: 'axis'}); t.textContent = number(v); root.append(t); }
  const cursor = svg('line', {x1: L, x2: L, y1: T, y2: H - B, class: 'cursor'});
  root.append(cursor);
  root.addEventListener('click', ev => {
    const box = root.getBoundingClientRect();
    const part = ((ev.clientX - box.left) / box.width * W - L) / (W - L - R);
    onStep(Math.max(0, Math.min(steps - 1, Math.round(part * (steps - 1)))));
  });
  return {element: root, setStep: s => { cursor.setAttribute('x1', String(x(s))); cursor.setAttribute('x2', String(x(s))); }};
}
