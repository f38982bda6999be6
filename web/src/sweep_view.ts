// A grid of settings over seeds: which to use, what fails where, every cell with its verdict and the way to its run.
import {el, number, pageLink, table} from './dom';
import {sweepFailures} from './sweep_failures';
import {sweepGrid} from './sweep_grid';
import {sweepPareto} from './sweep_pareto';
import type {Cell, Point, Sweep} from './data';

function operatingPoint(title: string, p: Point, note: string): HTMLElement {
  const facts = [`${number(p.time_ms)} ms`, `${number(p.healthy.value === null ? null : 100 * p.healthy.value, 2)} % healthy`, `loss ${number(p.loss.value, 2)}`];
  return el('section', {class: 'point'}, el('h2', {}, title), el('p', {class: 'sentence'}, p.name), el('p', {}, facts.join(' · ')), el('p', {class: 'note'}, note));
}

function recommended(sweep: Sweep): HTMLElement {
  const r = sweep.recommended;
  if (!r) return el('section', {}, el('p', {class: 'warning'}, 'No cell came to its end, so nothing can be recommended.'));
  const faithful = sweep.points[r.faithful_point], fast = sweep.points[r.fast_point], same = r.faithful_point === r.fast_point;
  const added = `${number(r.loss_added.value, 2)}${r.loss_added.low === null ? '' : ` [${number(r.loss_added.low, 2)}, ${number(r.loss_added.high, 2)}]`}`;
  return el('div', {class: 'points', id: 'recommended'}, operatingPoint(same ? 'use: faithful and fast' : 'use: faithful', faithful, same ? 'Nothing faster is nearly as good.' : 'The cheapest that no pair of seeds tells from the best.'),
    same ? null : operatingPoint('use: fast', fast, `${number(r.time_ratio, 2)} times the time of the faithful one, loss larger by ${added}.`));
}

function cellCard(sweep: Sweep, c: Cell): HTMLElement {
  const verdict = c.error ? `failed: ${c.error}` : c.sentence, kind = c.healthy ? 'healthy' : c.undetermined ? 'undetermined' : 'broken';
  const shown = c.picture ? el('img', {src: c.picture, alt: `seed ${c.seed}`}) : el('div', {class: 'missing'}, 'no picture');
  const link = pageLink(c.page, 'open the run');
  return el('div', {class: 'cell-card'}, shown, el('div', {}, el('div', {}, el('span', {class: `badge ${kind}`}, c.error ? 'failed' : c.healthy ? 'healthy' : c.undetermined ? 'undetermined' : c.subsystem), ` seed ${c.seed}, ${number(c.time_ms)} ms `, link ?? el('small', {}, c.run)),
    el('small', {}, sweep.points[c.point].name), el('p', {}, verdict),
    el('small', {}, c.checks.map(k => `${k.name} ${k.state}`).join(' · ') + `${c.artifact === null ? '' : ` · artifact ${number(c.artifact, 2)}`}${c.adherence === null ? '' : ` · adherence ${number(c.adherence, 2)}`}`)));
}

const kCardsAtFirst = 24;

export function sweepView(sweep: Sweep): HTMLElement {
  const chosen = el('section', {class: 'chosen', id: 'chosen'}, el('h2', {}, 'Runs'), el('p', {class: 'note'}, 'Click a cell of the grid or a mark of the plot.'));
  const choose = (cells: Cell[], what: string) => {
    const cards = el('div', {class: 'cell-cards'}, ...cells.slice(0, kCardsAtFirst).map(c => cellCard(sweep, c)));
    chosen.replaceChildren(el('h2', {}, `Runs: ${what}`), cards);
    if (cells.length > kCardsAtFirst) {
      const more = el('button', {type: 'button'}, `show all ${cells.length}`);
      more.addEventListener('click', () => { cards.append(...cells.slice(kCardsAtFirst).map(c => cellCard(sweep, c))); more.remove(); });
      chosen.append(more);
    }
  };
  const failed = sweep.cells.filter(c => c.error).length;
  const note = `${sweep.cells.length} of ${sweep.cells_planned} cells, ${sweep.points.length} settings${failed ? `, ${failed} failed` : ''}`;
  const shared = sweep.shared.filter(s => s.times < s.instead_of);
  return el('div', {class: 'sweep'}, el('p', {class: 'note'}, note), recommended(sweep), sweepGrid(sweep, choose), chosen,
    sweepPareto(sweep, points => choose(points.flatMap(p => sweep.cells.filter(c => c.point === p)), points.map(p => sweep.points[p].name).join('; '))), sweepFailures(sweep),
    shared.length ? el('details', {class: 'shared'}, el('summary', {}, 'What cells had in common and was done once'), table(['what', 'times', 'instead of'], ...shared.map(s => [s.what, String(s.times), String(s.instead_of)]))) : null);
}
