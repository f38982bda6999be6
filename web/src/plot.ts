// A small line plot: lines over steps, the healthy band behind them, marked steps shaded, the current step.
import {number, svg} from './dom';
import type {Finding, Series} from './data';
const W = 300, H = 110, L = 40, R = 6, T = 8, B = 16;
const hues = [28, 200, 120, 320, 60, 260, 170, 0, 90, 230, 300, 150];

type Values = (number | null | undefined)[];
export interface Line { label: string; values: Values; color: string; dashed?: boolean; at?: number[]; }   // at: places 0..steps - 1 of the values
export interface Chart { meaning: string; steps: number; lines: Line[]; band?: {low: Values; high: Values}; marked?: {first_step: number; last_step: number}[]; }
export interface Plot { element: SVGElement; setStep: (step: number) => void; }

export function color(i: number): string { return `hsl(${hues[i % hues.length]} 75% var(--line-light))`; }

export function chart(c: Chart, onStep: (step: number) => void): Plot {
  const root = svg('svg', {viewBox: `0 0 ${W} ${H}`, class: 'plot', role: 'img', 'aria-label': c.meaning});
  const all: number[] = [];
  for (const values of [...c.lines.map(l => l.values), c.band?.low ?? [], c.band?.high ?? []]) for (const v of values) if (v !== null && v !== undefined) all.push(v);
  let low = all.reduce((a, b) => Math.min(a, b), Infinity), high = all.reduce((a, b) => Math.max(a, b), -Infinity);
  if (!all.length) [low, high] = [0, 1];
  if (high - low < 1e-12) { low -= 0.5; high += 0.5; }
  const x = (i: number) => L + (c.steps > 1 ? i / (c.steps - 1) : 0.5) * (W - L - R);
  const y = (v: number) => T + (1 - (v - low) / (high - low)) * (H - T - B);
  for (const f of c.marked ?? []) if (f.first_step >= 0) root.append(svg('rect', {x: x(f.first_step) - 1, width: Math.max(3, x(f.last_step) - x(f.first_step) + 2), y: T, height: H - T - B, class: 'finding'}));
  if (c.band) {
    const up: string[] = [], down: string[] = [];
    c.band.low.forEach((l, i) => { const h = c.band?.high[i]; if (l !== null && l !== undefined && h !== null && h !== undefined) { up.push(`${x(i)},${y(h)}`); down.unshift(`${x(i)},${y(l)}`); } });
    root.append(svg('polygon', {points: [...up, ...down].join(' '), class: 'band'}));
  }
  for (const l of c.lines) {
    const points = l.values.map((v, i) => (v === null || v === undefined ? null : `${x(l.at ? l.at[i] : i)},${y(v)}`)).filter(Boolean);
    const line = svg('polyline', {points: points.join(' '), class: l.dashed ? 'line dashed' : 'line', style: `stroke:${l.color}`});
    line.append(svg('title', {}, l.label));
    root.append(line);
  }
  for (const [v, at] of [[high, T + 4], [low, H - B]] as [number, number][]) root.append(svg('text', {x: L - 4, y: at, class: 'axis'}, number(v)));
  const cursor = svg('line', {x1: L, x2: L, y1: T, y2: H - B, class: 'cursor'});
  root.append(cursor);
  root.addEventListener('click', ev => {
    const box = root.getBoundingClientRect();
    const part = ((ev.clientX - box.left) / box.width * W - L) / (W - L - R);
    onStep(Math.max(0, Math.min(c.steps - 1, Math.round(part * (c.steps - 1)))));
  });
  return {element: root, setStep: s => { cursor.setAttribute('x1', String(x(s))); cursor.setAttribute('x2', String(x(s))); }};
}

// One line per element of a run's series; the band of those that have a single one.
export function plot(series: Series, steps: number, findings: Finding[], onStep: (step: number) => void): Plot {
  const elements = series.values[0]?.length ?? 0;
  const lines: Line[] = [];
  for (let e = 0; e < elements; e++) lines.push({label: series.labels[e] ?? series.name, values: series.values.map(row => row[e]), color: color(e)});
  const band = series.low && series.high && elements === 1 ? {low: series.low.map(r => r?.[0]), high: series.high.map(r => r?.[0])} : undefined;
  return chart({meaning: series.meaning, steps, lines, band, marked: findings}, onStep);
}
