// Which finding came first and what followed: findings in the order of time and pipeline, over the steps.
import {el, number, svg} from './dom';
import type {Evidence, Finding, Run} from './data';

const kPipeline = ['configuration', 'prompt', 'text-encoder', 'cross-attention', 'guidance', 'scheduler', 'denoiser', 'decoder', 'postprocess', 'provider'];
const kAfter = ['decoder', 'postprocess', 'provider'];
const W = 900, L = 150, kBefore = 70, R = 80, kRow = 26, T = 24;   // R: what happens after the steps

export function seriesId(name: string): string { return `series-${name}`; }

function rank(f: Finding): number { const i = kPipeline.indexOf(f.subsystem); return i < 0 ? kPipeline.length : i; }

// Before the steps (-1), the step, or after them.
function began(f: Finding, steps: number): number {
  return f.first_step >= 0 ? f.first_step : kAfter.includes(f.subsystem) ? steps : -1;
}

export function inOrder(findings: Finding[], steps: number): Finding[] {
  return [...findings].sort((a, b) => began(a, steps) - began(b, steps) || rank(a) - rank(b) || b.severity - a.severity);
}

function timeline(chain: Finding[], run: Run, steps: number, goTo: (step: number) => void): SVGElement {
  const height = T + kRow * chain.length + 6, root = svg('svg', {viewBox: `0 0 ${W} ${height}`, class: 'chain-plot', role: 'img', 'aria-label': 'findings over the steps'});
  const x = (step: number) => (step < 0 ? L : L + kBefore + step * (W - L - kBefore - R) / steps);
  root.append(svg('text', {x: L, y: 14, class: 'axis left'}, 'before'), svg('text', {x: x(0) + 4, y: 14, class: 'axis left'}, 'step 0'),
    svg('text', {x: x(steps) - 4, y: 14, class: 'axis'}, String(steps - 1)), svg('text', {x: x(steps) + 6, y: 14, class: 'axis left'}, 'after'));
  for (const edge of [0, steps]) root.append(svg('line', {x1: x(edge), x2: x(edge), y1: 20, y2: height, class: 'cursor'}));
  chain.forEach((f, i) => {
    const from = began(f, steps), y = T + kRow * i, blamed = run.verdict?.cause === f.cause && run.verdict.subsystem === f.subsystem;
    const left = from >= steps ? x(steps) + 6 : x(from), right = from >= steps ? W - 4 : from < 0 ? x(0) : x(Math.max(f.last_step, from) + 1);
    const bar = svg('rect', {x: left, y: y + 4, width: Math.max(4, right - left - 2), height: kRow - 10, rx: 4, class: blamed ? 'bar-blamed' : 'bar-other'});
    bar.append(svg('title', {}, f.what));
    bar.addEventListener('click', () => goTo(Math.max(0, Math.min(steps - 1, from))));
    root.append(svg('text', {x: L - 10, y: y + 17, class: 'axis name'}, `${i + 1}  ${f.subsystem}`), bar);
  });
  return root;
}

// Leads to the plot of the series that it was read from.
function evidence(e: Evidence, run: Run): HTMLElement {
  const name = run.series.some(s => s.name === e.statistic) ? el('a', {href: `#${seriesId(e.statistic)}`}, e.statistic) : e.statistic;
  return el('span', {class: 'evidence'}, name, ` ${number(e.value)}${e.low === null ? '' : ` (healthy ${number(e.low)} to ${number(e.high)})`}${e.step >= 0 ? ` at step ${e.step}` : ''}${e.note ? `, ${e.note}` : ''}`);
}

export function causalChain(run: Run, goTo: (step: number) => void): HTMLElement | null {
  const v = run.verdict, steps = Math.max(run.steps_done, 1);
  if (!v || !v.findings.length) return null;
  const chain = inOrder(v.findings, steps), list = el('ol', {class: 'chain'});
  for (const f of chain) {
    const blamed = v.cause === f.cause && v.subsystem === f.subsystem;
    const where = el('button', {type: 'button'}, f.first_step < 0 ? 'whole run' : f.last_step > f.first_step ? `steps ${f.first_step} to ${f.last_step}` : `step ${f.first_step}`);
    where.addEventListener('click', () => goTo(Math.max(0, f.first_step)));
    list.append(el('li', blamed ? {class: 'blamed'} : {}, el('b', {}, f.subsystem), ' ', where, blamed ? el('span', {class: 'badge broken'}, 'blamed') : null, el('div', {}, f.what),
      el('small', {}, `severity ${number(f.severity, 2)}`, ...f.evidence.map(e => evidence(e, run)))));
  }
  return el('section', {class: 'findings', id: 'chain'}, el('h2', {}, chain.length > 1 ? 'What came first, and what followed' : 'What was found'), timeline(chain, run, steps, goTo), list);
}
