// Known failures that the verdict looks like, with what is known to fix them and where they were reported.
import {el, number, webLink} from './dom';
import type {KnownFailure} from './data';

function lines(title: string, list: string[]): HTMLElement | null {
  return list.length ? el('div', {}, el('small', {}, title), el('ul', {}, ...list.map(t => el('li', {}, t)))) : null;
}

export function knownFailures(list: KnownFailure[]): HTMLElement | null {
  if (!list.length) return null;
  const box = el('section', {class: 'known', id: 'known'}, el('h2', {}, 'Known failures that look like this'));
  for (const k of list)
    box.append(el('details', k === list[0] ? {open: ''} : {}, el('summary', {}, el('b', {}, k.title), ` agreement ${number(k.agreement, 2)} `, el('small', {}, `${k.id}, ${k.subsystem}${k.origin === 'library' ? '' : `, from ${k.origin}`}`)),
      el('p', {}, k.symptom), el('dl', {}, el('dt', {}, 'when'), el('dd', {}, k.conditions), el('dt', {}, 'fix'), el('dd', {}, k.fix)),
      lines('seen here', k.why), lines('not seen here', k.lacking), el('ul', {class: 'references'}, ...k.references.map(r => el('li', {}, webLink(r))))));
  return box;
}
