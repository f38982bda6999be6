// The counterfactuals: the same picture as it was, with one thing changed, and under a sham change of the same size.
import {el, number, pageLink} from './dom';
import type {Counterfactual, RunLink} from './data';

function mean(values: number[]): number { return values.reduce((a, b) => a + b, 0) / Math.max(1, values.length); }

function picture(link: RunLink | undefined, label: string, score: number | undefined): HTMLElement {
  const shown = link?.picture ? el('img', {src: link.picture, alt: label}) : el('div', {class: 'missing'}, 'not kept');
  const name = pageLink(link?.page ?? null, label) ?? el('span', {}, label);
  if (link?.run) name.title = link.run;
  return el('figure', {}, shown, el('figcaption', {}, name, el('b', {class: (score ?? 0) > 0.1 ? 'score bad' : 'score'}, number(score, 2))));
}

function one(c: Counterfactual): HTMLElement {
  const rows = el('div', {class: 'gallery'}, el('span', {}), el('b', {}, 'as it was'), el('b', {}, c.change), el('b', {}, 'sham'));
  c.after.forEach((score, i) => rows.append(el('span', {class: 'note'}, `seed ${i + 1}`), picture(c.before_runs[i], 'run', c.before[i]), picture(c.after_runs[i], 'run', score), picture(c.sham_runs[i], 'run', c.sham[i])));
  const numbers = `artifact score ${number(mean(c.before), 2)} → ${number(mean(c.after), 2)} over ${c.after.length} seed${c.after.length === 1 ? '' : 's'}, sham ${number(mean(c.sham), 2)}; p = ${number(c.p_value, 2)}; ${number(c.cost_ratio, 2)} times the time`;
  return el('details', {class: c.cures ? 'counterfactual cure' : 'counterfactual', ...(c.cures ? {open: ''} : {})},
    el('summary', {}, el('b', {}, c.change), ` (${c.subsystem}) `, el('span', {class: `badge ${c.cures ? 'healthy' : 'undetermined'}`}, c.cures ? 'cures it' : 'not shown to cure it'), el('small', {}, numbers)), rows);
}

export function gallery(list: Counterfactual[]): HTMLElement | null {
  if (!list.length) return null;
  const box = el('section', {class: 'counterfactuals'}, el('h2', {}, 'Counterfactuals'));
  for (const c of list) box.append(one(c));
  if (!list.some(c => c.cures)) box.querySelector('details')?.setAttribute('open', '');
  return box;
}
