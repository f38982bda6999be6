// What goes wrong in the whole grid and in each region of it.
import {choice, el, number, table} from './dom';
import type {FailureVector, Interval, Region, Sweep} from './data';

function interval(i: Interval): HTMLElement {
  const track = el('div', {class: 'interval'}, el('i', {style: `width:${100 * (i.value ?? 0)}%`}));
  if (i.low !== null && i.high !== null) track.append(el('em', {style: `left:${100 * i.low}%;width:${100 * (i.high - i.low)}%`}));
  return el('div', {}, track, el('small', {}, i.value === null ? '–' : `${number(i.value, 2)}${i.low === null ? '' : ` [${number(i.low, 2)}, ${number(i.high, 2)}]`}`));
}

function vectors(list: FailureVector[]): HTMLElement {
  if (!list.length) return el('p', {class: 'note'}, 'No cell was called broken.');
  return table(['subsystem', 'cause', 'severity × prevalence', 'prevalence', 'severity', 'where'], ...list.map(f => [f.subsystem, f.cause || '–', interval(f.weight), interval(f.prevalence), interval(f.severity),
    f.separated ? `${f.separated.confined ? 'confined to' : 'mostly at'} ${f.separated.where} (${Math.round(100 * f.separated.captured)} % of it)` : '']));
}

export function sweepFailures(sweep: Sweep): HTMLElement {
  const holder = el('div', {id: 'failures'}), regions: Region[] = sweep.regions;
  const show = (i: number) => {
    const r = regions[i];
    if (!r) { holder.replaceChildren(vectors(sweep.failures)); return; }
    holder.replaceChildren(el('p', {class: 'note'}, `${r.cells} cells, healthy ${number(r.healthy.value, 2)}${r.healthy.low === null ? '' : ` [${number(r.healthy.low, 2)}, ${number(r.healthy.high, 2)}]`}`), vectors(i === 0 ? sweep.failures : r.failures));
  };
  const worst = [...regions.keys()].slice(1).filter(i => regions[i].failures.length).sort((a, b) => (regions[b].failures[0].weight.value ?? 0) - (regions[a].failures[0].weight.value ?? 0)).slice(0, 4);
  const box = el('section', {class: 'failure-box'}, el('h2', {}, 'What fails, and where'), el('div', {class: 'controls'}, choice('region', regions.map((r, i): [string, string] => [String(i), r.where]), '0', v => show(Number(v)), 'region')), holder);
  if (worst.length) box.append(el('p', {class: 'note'}, 'Worst regions: ' + worst.map(i => `${regions[i].where} (${regions[i].failures[0].subsystem}, ${number(regions[i].failures[0].weight.value, 2)})`).join('; ')));
  show(0);
  return box;
}
