// What the cells of a sweep can be coloured by.
import {number} from './dom';
import type {Cell} from './data';

export interface Metric { id: string; name: string; best: 'low' | 'high'; share: boolean; value: (cell: Cell) => number | null; text: (v: number) => string; }

const plain = (v: number) => number(v, 2), percent = (v: number) => `${Math.round(100 * v)} %`, ms = (v: number) => `${number(v)} ms`;
const passed = (name: string) => (c: Cell) => { const check = c.checks.find(k => k.name === name); return !check || check.state === 'unknown' ? null : check.state === 'pass' ? 1 : 0; };

export const kMetrics: Metric[] = [
  {id: 'loss', name: 'loss (artifact and adherence)', best: 'low', share: true, value: c => c.loss, text: plain},
  {id: 'healthy', name: 'healthy verdicts', best: 'high', share: true, value: c => (c.healthy ? 1 : 0), text: percent},
  {id: 'artifact', name: 'artifact score', best: 'low', share: true, value: c => c.artifact, text: plain},
  {id: 'adherence', name: 'adherence to the prompt', best: 'high', share: true, value: c => c.adherence, text: plain},
  {id: 'severity', name: 'severity of the verdict', best: 'low', share: true, value: c => c.severity, text: plain},
  {id: 'time', name: 'time', best: 'low', share: false, value: c => (c.time_ms > 0 ? c.time_ms : null), text: ms},
  {id: 'attention', name: 'attention check passed', best: 'high', share: true, value: passed('attention'), text: percent},
  {id: 'latent', name: 'latent-difference check passed', best: 'high', share: true, value: passed('latent-difference'), text: percent},
  {id: 'decoder', name: 'decoder check passed', best: 'high', share: true, value: passed('decoder'), text: percent},
];

// The mean over cells that have the value.
export function meanOf(metric: Metric, cells: Cell[]): number | null {
  const values = cells.map(metric.value).filter((v): v is number => v !== null && Number.isFinite(v));
  return values.length ? values.reduce((a, b) => a + b, 0) / values.length : null;
}

// 0 (best) to 1 (worst) within [low, high] as a colour from blue over sand to red, told apart by most eyes.
export function shade(metric: Metric, value: number, low: number, high: number): string {
  const part = high > low ? Math.max(0, Math.min(1, (value - low) / (high - low))) : 0, bad = metric.best === 'low' ? part : 1 - part;
  return bad < 0.5 ? `color-mix(in srgb, var(--scale-good) ${Math.round(100 - 200 * bad)}%, var(--scale-middle))` : `color-mix(in srgb, var(--scale-bad) ${Math.round(200 * bad - 100)}%, var(--scale-middle))`;
}

// The failure that most of the cells show; empty where all are healthy.
export function dominant(cells: Cell[]): {name: string; share: number} {
  const count = new Map<string, number>();
  for (const c of cells) if (!c.healthy) { const name = c.error ? `failed: ${c.error_code}` : c.undetermined ? 'undetermined' : c.subsystem; count.set(name, (count.get(name) ?? 0) + 1); }
  const [name, n] = [...count.entries()].sort((a, b) => b[1] - a[1])[0] ?? ['', 0];
  return {name, share: cells.length ? n / cells.length : 0};
}

const kHues: Record<string, number> = {configuration: 250, prompt: 60, 'text-encoder': 95, 'cross-attention': 190, guidance: 15, scheduler: 275, denoiser: 325, decoder: 215, postprocess: 150, provider: 170, undetermined: 40};
export function subsystemColor(name: string): string { return name in kHues ? `hsl(${kHues[name]} 55% var(--fill-light))` : 'var(--scale-bad)'; }
